//! `cxr doctor`: what this machine and this build can do, in words, with the fix for what they
//! can't.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::browse::probe_time;
use super::export::store_path;
use super::{SOME_FAILED, available_cores, classifier, print};
use crate::cli::{ColorWhen, Terminal};
use crate::domain::text::{Printable, clean};
use crate::domain::{Radiograph, Samples};
use crate::imaging::{Attempt, Attempts, Confinement, DecodeLimits, Decoder, own_program};
use crate::inference::{Classify, Compute, DeviceChoice};
use crate::store::Store;
use crate::tui::terminal;

/// Each part is a name, and what was found or what is wrong and how it is mended.
pub fn run(
    arguments: &Terminal,
    colour: ColorWhen,
    limits: &DecodeLimits,
    file: Option<&Path>,
    store: Option<&Path>,
) -> Result<ExitCode> {
    let wait = probe_time(arguments)?;
    let graphics = arguments.graphics.unwrap_or_default().into();
    let terminal = terminal::report(graphics, colour.into(), wait, arguments.coarse_above);
    let one = |line: String| vec![line];
    let lines = [
        ("terminal", Ok(terminal)),
        ("device", Ok(vec![device()])),
        ("model", model(file).map(one)),
        ("formats", Ok(vec![formats()])),
        ("decoder", decoder(limits)),
        ("reviews", reviews(store).map(one)),
    ];
    let mut page = String::new();
    for (name, finding) in &lines {
        let lines = match finding {
            Ok(lines) => lines.clone(),
            Err(error) => vec![format!("BROKEN: {error:#}")],
        };
        // A path or a model's name must not look like a line of this program's.
        let lines: Vec<String> = lines.iter().map(|line| clean(line)).collect();
        let text = lines.join(CONTINUED);
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{name:<10}{text}");
    }
    print(&Printable::page(&page))?;
    let is_sound = lines.iter().all(|(_, finding)| finding.is_ok());
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_FAILED)
    })
}

/// A line more about the same thing.
const CONTINUED: &str = "\n          ";

/// Where the reviews of this user are, and whether their log is whole.
fn reviews(store: Option<&Path>) -> Result<String> {
    let path = store_path(store)?;
    if !path.exists() {
        return Ok(format!("none yet; the first makes {}", path.display()));
    }
    let audit = Store::open_read_only(&path)?.verify()?;
    if let Some(fault) = audit.faults.first() {
        bail!(
            "{}: {fault}; cxr export --verify says all of it",
            path.display()
        );
    }
    Ok(format!("{}, {} rows, whole", path.display(), audit.rows))
}

fn device() -> String {
    let cores = available_cores();
    let place = Compute::of_process().place;
    let used = match place {
        DeviceChoice::Cpu => String::new(),
        place => format!("{}; ", place.words()),
    };
    let others = match (cfg!(feature = "cuda"), cfg!(feature = "metal")) {
        (false, false) => "; this build uses no graphics processor",
        _ => "",
    };
    format!(
        "{used}cpu, {cores} {}, {}{others}",
        if cores == 1 { "core" } else { "cores" },
        instructions()
    )
}

/// What decides how fast matrix products are.
#[cfg(target_arch = "x86_64")]
fn instructions() -> &'static str {
    if is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        "AVX2 with FMA"
    } else {
        "no AVX2: several times slower than on processors since 2013"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> &'static str {
    std::env::consts::ARCH
}

/// Loads the model and has it read one image, so that its speed is a measured one.
fn model(file: Option<&Path>) -> Result<String> {
    const BUNDLED: &str = "the bundled model; this build is damaged, install it again";
    const GIVEN: &str = "the model of --model, CXR_MODEL or the configuration";
    let fix = if file.is_some() { GIVEN } else { BUNDLED };
    let classifier = classifier(file).context(fix)?;
    let card = classifier.card();
    let ramp = ramp(card.input_size);
    // The first one also touches every page of the weights.
    classifier.logits(&ramp).context(fix)?;
    let start = Instant::now();
    classifier.logits(&ramp).context(fix)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let place = match Compute::of_process().place {
        DeviceChoice::Cpu => "on one core".to_owned(),
        // Batches, which this is none of, take hardly longer.
        place => format!("alone on {}", place.words()),
    };
    Ok(format!(
        "{} {}, {} labels, {milliseconds:.0} ms an image {place}",
        card.name,
        card.version,
        card.labels.len()
    ))
}

/// A grey ramp of `side × side` pixels: any image takes the network as long.
fn ramp(side: usize) -> Radiograph {
    let samples = (0..side * side).map(|i| (i % 256) as u8).collect();
    Radiograph::plain(side, side, Samples::Grey8(samples), "ramp")
}

fn formats() -> String {
    let (pictures, dicom) = if cfg!(feature = "jpeg2000") {
        (" and JPEG 2000", ", JPEG 2000, HTJ2K")
    } else {
        (
            "",
            "; no JPEG 2000 in this build (build it with --features jpeg2000)",
        )
    };
    format!(
        "PNG, JPEG, WebP, TIFF, BMP, GIF{pictures}; DICOM uncompressed, deflated, RLE, JPEG baseline, \
         extended (8 and 12 bits) and lossless, JPEG-LS{dicom}"
    )
}

/// Starts a decoder process, and has it try what it must not be able to do.
fn decoder(limits: &DecodeLimits) -> Result<Vec<String>> {
    const FIX: &str = "radiographs are decoded without a process of their own; if cxr was updated \
                       while it ran, start it again";
    let program = own_program().context(FIX)?;
    let decoder = Decoder::new(limits.clone(), Some(program));
    let (confinement, attempts) = decoder.confinement().context(FIX)?;
    let held = named(&confinement, true).join(", ");
    let mut lines = vec![format!("a process of its own: {held}")];
    let missing = named(&confinement, false);
    if !missing.is_empty() {
        lines.push(format!("not on this system: {}", missing.join(", ")));
    }
    lines.push(tried(&attempts));
    Ok(lines)
}

/// What may keep a decoder process in, in words, and whether it does.
fn measures(confinement: &Confinement) -> [(String, bool); 7] {
    let landlock = confinement.landlock;
    let memory = confinement.memory;
    [
        ("seccomp".to_owned(), confinement.seccomp),
        (
            landlock.map_or("Landlock".to_owned(), |abi| format!("Landlock {abi}")),
            landlock.is_some(),
        ),
        (
            "no new privileges".to_owned(),
            confinement.no_new_privileges,
        ),
        (
            memory.map_or("a limit of memory".to_owned(), |bytes| {
                format!("memory {:.1} GiB", bytes as f64 / f64::from(1 << 30))
            }),
            memory.is_some(),
        ),
        ("no core file".to_owned(), confinement.no_core),
        (
            "no other descriptors".to_owned(),
            confinement.descriptors_closed,
        ),
        ("ends with cxr".to_owned(), confinement.ends_with_parent),
    ]
}

/// Those that hold, or those that do not.
fn named(confinement: &Confinement, holding: bool) -> Vec<String> {
    let measures = measures(confinement).into_iter();
    let named = measures.filter(|(_, holds)| *holds == holding);
    named.map(|(words, _)| words).collect()
}

fn tried(attempts: &Attempts) -> String {
    let tries = [
        ("opening a file", attempts.open),
        ("connecting", attempts.connect),
        ("starting a program", attempts.execute),
    ];
    let results = tries.map(|(what, attempt)| match attempt {
        Attempt::Possible => format!("{what} POSSIBLE"),
        Attempt::Refused(errno) => format!("{what} refused (error {errno})"),
    });
    let environment = match attempts.environment {
        0 => "empty environment".to_owned(),
        variables => format!("{variables} environment variables"),
    };
    format!("tried: {}; {environment}", results.join(", "))
}
