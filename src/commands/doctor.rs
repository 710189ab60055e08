//! `cxr doctor`: what this machine and this build can do, and how to mend what is broken.

mod pacs;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::shared::hanging::{columns, hanging};
use super::shared::reviews::store_path;
use super::shared::{CommandContext, SOME_FAILED, Usage, available_cores, print, probe_time};
use crate::cli::{DoctorArguments, PacsArguments, Terminal};
use crate::domain::text::{Printable, clean};
use crate::domain::{Radiograph, Samples};
use crate::imaging::{
    Attempt, Attempts, Confinement, DecodeLimits, Decoder, own_program, readable_formats,
};
use crate::inference::{Classify, DeviceChoice, ProcessorWays, WayChoice, processor_ways};
use crate::store::Store;
use crate::tui;

/// Prints a line or more for each part: its name, and what was found, or what is wrong and how to mend it.
///
/// # Errors
/// [`Usage`], if an option is wrong. A broken part is no error, but gives exit
/// code 1.
pub fn run(
    arguments: &DoctorArguments,
    pacs: &PacsArguments,
    context: &CommandContext,
) -> Result<ExitCode> {
    match &arguments.pacs {
        Some(address) => print_findings(&pacs::findings(address, pacs)?),
        None => print_findings(&of_machine(&arguments.terminal, context)?),
    }
}

/// A part, and what was found, in one line or more, or what is wrong with it.
type PartFinding = (&'static str, Result<Vec<String>>);

fn of_machine(arguments: &Terminal, context: &CommandContext) -> Result<Vec<PartFinding>> {
    let wait = probe_time(arguments)?;
    let graphics = arguments.graphics.unwrap_or_default().into();
    let colour = context.colour.into();
    let terminal = tui::terminal_report(graphics, colour, wait, arguments.coarse_above);
    let one = |line: String| vec![line];
    Ok(vec![
        ("terminal", Ok(terminal)),
        ("device", Ok(vec![device(context.compute.device)])),
        ("model", model(context).map(one)),
        // After the model, whose way may have been chosen just now.
        ("precision", Ok(precision())),
        ("formats", Ok(formats())),
        ("decoder", decoder(&context.limits)),
        ("reviews", reviews(context.store.as_deref()).map(one)),
    ])
}

fn print_findings(findings: &[PartFinding]) -> Result<ExitCode> {
    let (mut page, columns) = (String::new(), columns());
    for (name, finding) in findings {
        let lines = match finding {
            Ok(lines) => lines.clone(),
            Err(error) => vec![format!("BROKEN: {error:#}")],
        };
        // A path or the name of a model must not look like a line of this program.
        let lines: Vec<String> = lines.iter().map(|line| clean(line)).collect();
        for (number, line) in lines.iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            page += &hanging(name, line, INDENT, columns);
        }
    }
    print(&Printable::page(&page))?;
    let is_sound = findings.iter().all(|(_, finding)| finding.is_ok());
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_FAILED)
    })
}

/// Columns before the text of a part.
const INDENT: usize = 10;

/// The store of this user's reviews, and whether its log is whole.
fn reviews(store: Option<&Path>) -> Result<String> {
    let path = store_path(store)?;
    if !path.exists() {
        return Ok(format!("none yet; the first makes {}", path.display()));
    }
    let audit = Store::open_read_only(&path)?.verify()?;
    if let Some(fault) = audit.faults.first() {
        bail!(
            "{}: {fault}; cxr export --verify lists all faults",
            path.display()
        );
    }
    Ok(format!("{}, {} rows, whole", path.display(), audit.rows))
}

/// The device that computes networks, and the processor.
fn device(device: DeviceChoice) -> String {
    let cores = available_cores();
    let used = match device {
        DeviceChoice::Cpu => String::new(),
        device => format!("{}; ", device.words()),
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

/// The instruction set, which decides how fast matrix products are.
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

/// The ways to compute products that this processor has, and a line for each choice among them.
fn precision() -> Vec<String> {
    let ProcessorWays {
        has_tiles,
        ways,
        choices,
    } = processor_ways();
    let tiles = if has_tiles {
        "AMX tiles"
    } else {
        "no AMX tiles"
    };
    let mut lines = vec![format!("{}; {tiles}", ways.join(", "))];
    lines.extend(choices.iter().map(choice));
    lines
}

/// What was asked for, the way that was chosen, and the times by which it was.
fn choice(choice: &WayChoice) -> String {
    let times = choice.milliseconds.iter();
    let times: Vec<String> = times.map(|(way, ms)| format!("{way} {ms:.1} ms")).collect();
    format!(
        "{}, {}, {} {}: {} ({})",
        choice.network,
        choice.key.precision,
        choice.key.threads,
        if choice.key.threads == 1 {
            "thread"
        } else {
            "threads"
        },
        choice.way,
        times.join(", ")
    )
}

/// Loads the model and scores one image with it, to measure its speed.
fn model(context: &CommandContext) -> Result<String> {
    const BUNDLED: &str = "the bundled model; this build is damaged, install it again";
    const GIVEN: &str = "the model of --model, CXR_MODEL or the configuration";
    let fix = if context.model.is_some() {
        GIVEN
    } else {
        BUNDLED
    };
    let classifier = match context.classifier() {
        // An option is wrong, and the error says which: the build is whole.
        Err(error) if context.model.is_none() && error.is::<Usage>() => return Err(error),
        loaded => loaded.context(fix)?,
    };
    let card = classifier.card();
    let ramp = ramp(card.input_size);
    // The first run also loads every page of the weights.
    classifier.logits(&ramp).context(fix)?;
    let start = Instant::now();
    classifier.logits(&ramp).context(fix)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let device = match context.compute.device {
        DeviceChoice::Cpu => "on one core".to_owned(),
        // A batch of images takes hardly longer.
        device => format!("alone on {}", device.words()),
    };
    Ok(format!(
        "{} {}, {} labels, {milliseconds:.0} ms per image {device}",
        card.name,
        card.version,
        card.labels.len()
    ))
}

/// A grey ramp of `side × side` pixels. The network takes the same time for every image.
fn ramp(side: usize) -> Radiograph {
    let samples = (0..side * side).map(|i| (i % 256) as u8).collect();
    Radiograph::plain(side, side, Samples::Grey8(samples), "ramp")
}

/// The formats that this build reads.
fn formats() -> Vec<String> {
    let formats = readable_formats();
    let mut lines = vec![
        formats.pictures.join(", "),
        format!("DICOM: {}", formats.transfer_syntaxes.join(", ")),
    ];
    if !cfg!(feature = "jpeg2000") {
        lines.push("no JPEG 2000 in this build (build it with --features jpeg2000)".to_owned());
    }
    lines
}

/// Starts a decoder process, and lets it try what it must not be able to do.
fn decoder(limits: &DecodeLimits) -> Result<Vec<String>> {
    const FIX: &str = "radiographs cannot be decoded in a process of their own; if cxr was updated \
                       while it ran, start it again";
    let program = own_program().context(FIX)?;
    let decoder = Decoder::new(limits.clone(), Some(program));
    let (confinement, attempts) = decoder.confinement().context(FIX)?;
    let granted = named(&confinement, true).join(", ");
    let mut lines = vec![format!("a process of its own: {granted}")];
    let missing = named(&confinement, false);
    if !missing.is_empty() {
        lines.push(format!("not on this system: {}", missing.join(", ")));
    }
    lines.push(tried(&attempts));
    Ok(lines)
}

/// The measures that confine a decoder process, and whether each holds.
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

/// The measures that hold, or those that do not.
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
