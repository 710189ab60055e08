//! Decoder processes: what they can't do, their limits of memory and time, and when they end.
#![cfg(target_os = "linux")]

mod imaging_files;
mod skip;

use std::fs;
use std::io::Cursor;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cxr::imaging::{Attempt, DecodeLimits, Decoder, ImageFault, open};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma};
use imaging_files::{DEFLATED, Dicom, EXPLICIT, Files, phantom};
use rustix::process::{Pid, Signal, kill_process};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_cxr"))
}

fn decoder(limits: DecodeLimits) -> Decoder {
    Decoder::new(limits, Some(program()))
}

/// A picture in each format that the `image` crate writes here.
fn pictures(width: u32, height: u32) -> Vec<(&'static str, Vec<u8>)> {
    let grey = ImageBuffer::from_fn(width, height, |x, y| Luma([(x * 7 + y * 13) as u8]));
    let picture = DynamicImage::ImageLuma8(grey);
    let written = |format| {
        let mut bytes = Cursor::new(Vec::new());
        let colour = match format {
            ImageFormat::WebP => DynamicImage::ImageRgb8(picture.to_rgb8()),
            _ => picture.clone(),
        };
        colour.write_to(&mut bytes, format).expect("a picture");
        bytes.into_inner()
    };
    vec![
        ("PNG", written(ImageFormat::Png)),
        ("JPEG", written(ImageFormat::Jpeg)),
        ("TIFF", written(ImageFormat::Tiff)),
        ("BMP", written(ImageFormat::Bmp)),
        ("WebP", written(ImageFormat::WebP)),
    ]
}

#[test]
fn every_format_is_decoded_as_in_this_process() {
    let files = Files::new();
    let decoder = decoder(DecodeLimits::default());
    let limits = DecodeLimits::default();
    let film = Dicom::radiograph(40, 30, 12).words(&phantom(40, 30, 12));
    let film = film.text(tags::PATIENT_NAME, VR::PN, "Doe^Jane");
    let dicom = ("DICOM", film.file(EXPLICIT));
    for (name, bytes) in pictures(40, 30).into_iter().chain([dicom]) {
        let path = files.put(name, &bytes);
        assert_eq!(decoder.open(&path), open(&path, &limits), "{name}");
        // A damaged file has the same fault.
        let path = files.put(name, &bytes[..bytes.len() / 2]);
        assert_eq!(decoder.open(&path), open(&path, &limits), "{name}, cut");
    }
    assert_eq!(decoder.notice(), None);
}

#[test]
fn the_time_limit_holds_for_every_slow_format() {
    let files = Files::new();
    let hasty = DecodeLimits {
        timeout: Duration::from_millis(1),
        ..DecodeLimits::default()
    };
    let decoder = decoder(hasty);
    let film = Dicom::radiograph(3000, 3000, 16).words(&phantom(3000, 3000, 16));
    let dicom = ("DICOM", film.file(DEFLATED));
    // The others are uncompressed: decoding them is copying.
    let takes_time = |(name, _): &(&str, _)| ["PNG", "JPEG", "WebP"].contains(name);
    let pictures = pictures(3000, 3000).into_iter().filter(takes_time);
    for (name, bytes) in pictures.chain([dicom]) {
        let error = decoder.open(&files.put(name, &bytes)).unwrap_err();
        assert!(
            matches!(error.fault(), ImageFault::TimedOut(_)),
            "{name}: {error}"
        );
    }
}

#[test]
fn the_memory_limit_holds_for_every_format() {
    let files = Files::new();
    let small = DecodeLimits {
        max_memory: 1 << 20,
        ..DecodeLimits::default()
    };
    let decoder = decoder(small);
    for (name, bytes) in pictures(2000, 2000) {
        let error = decoder.open(&files.put(name, &bytes)).unwrap_err();
        assert!(
            matches!(error.fault(), ImageFault::TooLarge(_)),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_decoder_process_can_open_reach_and_start_nothing() {
    let (confinement, attempts) = decoder(DecodeLimits::default())
        .confinement()
        .expect("a process");
    assert_eq!(attempts.environment, 0);
    assert!(confinement.no_new_privileges && confinement.ends_with_parent);
    assert!(confinement.no_core);
    assert!(confinement.memory.is_some());
    if !confinement.seccomp && confinement.landlock.is_none() {
        skip::skip_on_this_machine("the kernel has neither seccomp nor Landlock");
        return;
    }
    for attempt in [attempts.open, attempts.connect, attempts.execute] {
        assert!(matches!(attempt, Attempt::Refused(_)), "{attempts:?}");
    }
}

/// The child processes of a process.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| status_number(pid, "PPid:") == Some(parent.into()))
        .collect()
}

/// A number of `/proc/PID/status`; `None` where the process has ended.
fn status_number(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process");
    kill_process(pid, signal).expect("a signal");
}

/// Waits until `done` returns true, for a minute at most.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Starts `cxr predict` on a folder.
fn predict(folder: &Path, jobs: &str) -> Child {
    Command::new(program())
        .args(["predict", "--quiet", "--jobs", jobs, "-o"])
        .arg(folder.join("rows.csv"))
        .arg(folder)
        .env("CXR_CONFIG", "")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("cxr")
}

/// Checked from outside, because a process could report more than is true.
#[test]
fn the_measures_hold_in_the_system_and_a_decoder_ends_with_a_killed_program() {
    let files = Files::new();
    let film = Dicom::radiograph(2000, 2000, 16).words(&phantom(2000, 2000, 16));
    let film = film.file(DEFLATED);
    for n in 0..200 {
        files.put(&format!("{n}.dcm"), &film);
    }
    let mut program = predict(files.path(), "1");
    let mut found = None;
    wait("a decoder process", || {
        let locked = |&pid: &u32| status_number(pid, "Seccomp:") == Some(2);
        found = children(program.id()).into_iter().find(locked);
        found.is_some()
    });
    let child = found.expect("a process");
    let limits = || fs::read_to_string(format!("/proc/{child}/limits")).expect("its limits");
    // Its processor time is limited with its first film.
    wait("a limit of processor time", || {
        !limits().contains("Max cpu time              unlimited")
    });
    // Stopped, it can neither go on nor notice the end of its socket.
    kill(child, Signal::STOP);
    assert_eq!(status_number(child, "NoNewPrivs:"), Some(1));
    let limits = limits();
    for line in [
        "Max core file size        0 ",
        "Max open files            16 ",
    ] {
        assert!(limits.contains(line), "{limits}");
    }
    assert!(
        !limits.contains("Max address space         unlimited"),
        "{limits}"
    );

    program.kill().expect("killed");
    program.wait().expect("ended");
    wait("the end of the decoder process", || {
        status_number(child, "PPid:").is_none()
    });
}

/// The rows that cxr prints for the samples, without the milliseconds, if `sandbox` starts it.
fn rows_of_samples(sandbox: &[&str]) -> Vec<String> {
    let program = program();
    let program = program.to_str().expect("a path of UTF-8");
    let line = [sandbox, &[program, "predict", "--quiet", "samples"]].concat();
    let output = Command::new(line[0])
        .args(&line[1..])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CXR_CONFIG", "")
        .stdin(Stdio::null())
        .output()
        .expect("cxr");
    let mut rows = csv::Reader::from_reader(&*output.stdout);
    let header = rows.headers().expect("a header").clone();
    let timed = header.iter().position(|name| name == "elapsed_ms");
    let row = |row: Result<csv::StringRecord, _>| {
        let row = row.expect("a row");
        let kept = row.iter().enumerate().filter(|&(i, _)| Some(i) != timed);
        kept.map(|(_, cell)| cell.to_owned() + ",").collect()
    };
    rows.records().map(row).collect()
}

/// gVisor is the system call interface of many containers, and in this it is like Linux before 6.7.
#[test]
fn films_are_decoded_in_gvisor() {
    const SANDBOX: [&str; 4] = ["runsc", "--network", "none", "do"];
    let starts = Command::new(SANDBOX[0])
        .args(&SANDBOX[1..])
        .arg("/bin/true")
        .status();
    if !starts.is_ok_and(|status| status.success()) {
        skip::skip_on_this_machine("no gVisor (runsc) that starts a program");
        return;
    }
    let plain = rows_of_samples(&["env"]);
    assert!(plain.iter().filter(|row| row.contains(",ok,")).count() > 5);
    assert_eq!(rows_of_samples(&SANDBOX), plain);
}

#[test]
fn a_killed_decoder_process_is_replaced_without_a_fault() {
    let files = Files::new();
    let path = files.put("film", &pictures(9, 9)[0].1);
    // The name distinguishes it from the processes of other tests.
    let name = files.path().join("decoder");
    std::os::unix::fs::symlink(program(), &name).expect("a link");
    let decoder = Decoder::new(DecodeLimits::default(), Some(name.clone()));
    let is_ours = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.starts_with(name.as_os_str().as_encoded_bytes())
    };
    let mut killed = 0;
    for _ in 0..4 {
        assert!(decoder.open(&path).is_ok());
        for child in children(std::process::id()).into_iter().filter(is_ours) {
            kill(child, Signal::KILL);
            killed += 1;
        }
    }
    assert!(killed > 1, "{killed} processes were kept for the next film");
    assert_eq!(decoder.notice(), None);
}

/// A small PNG file with a colour profile that unpacks to `times` × 16 MiB of zeros.
fn png_with_profile(times: usize) -> Vec<u8> {
    const PIECE: usize = 16 << 20;
    // After a full flush, a piece of a stream can be repeated.
    let mut piece = Vec::new();
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    piece.reserve(PIECE / 500);
    let flush = flate2::FlushCompress::Full;
    deflate
        .compress_vec(&vec![0; PIECE], &mut piece, flush)
        .expect("packed");
    let length = (times * PIECE) as u64;
    // Adler-32 (RFC 1950) of zeros: their sum is 1, and the sum of the sums is their number.
    let adler = ((length % 65_521) << 16) as u32 | 1;
    let mut profile = b"film\0\0\x78\xda".to_vec();
    profile.extend(piece.repeat(times));
    profile.extend(b"\x03\0");
    profile.extend(adler.to_be_bytes());

    let chunk = |name: &[u8], data: &[u8]| {
        let mut check = flate2::Crc::new();
        check.update(name);
        check.update(data);
        let length = (data.len() as u32).to_be_bytes();
        [&length, name, data, &check.sum().to_be_bytes()].concat()
    };
    let (_, plain) = pictures(64, 64).swap_remove(0);
    let header = 8 + 25;
    [
        &plain[..header],
        &chunk(b"iCCP", &profile),
        &plain[header..],
    ]
    .concat()
}

/// Four of these at the same time once took a gigabyte each.
#[test]
fn many_films_that_need_much_memory_take_no_more_than_one() {
    let files = Files::new();
    let bomb = png_with_profile(96);
    assert!(bomb.len() < 2 << 20);
    for n in 0..4 {
        files.put(&format!("{n}.png"), &bomb);
    }
    let mut program = predict(files.path(), "4");
    let mut most = 0;
    while program.try_wait().expect("a process").is_none() {
        let processes = children(program.id());
        let kibibytes: u64 = processes
            .iter()
            .filter_map(|&pid| status_number(pid, "RssAnon:"))
            .sum();
        most = most.max(kibibytes << 10);
        thread::sleep(Duration::from_millis(2));
    }
    println!("{} MiB at most in decoder processes", most >> 20);
    // One has the largest share, and three have ordinary ones.
    assert!(
        most < (1 << 30) + 3 * (256 << 20) + (128 << 20),
        "{most} bytes"
    );
}
