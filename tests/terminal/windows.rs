//! Real terminals on a virtual display: the pixels on the screen are compared with the radiograph.
//!
//! Needs Xvfb, kitty, xterm and ImageMagick's `import`; a test skips without the program that it needs.
//! `CXR_TEST_KITTY` names another kitty: placeholders in tmux need one from 0.28 on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use image::GrayImage;
use image::imageops::crop_imm;

use crate::pictures::similarity;
use crate::skip;
use crate::state;
use crate::{CXR, LIMIT, samples};

const STEP: Duration = Duration::from_millis(200);
/// Width of a white frame around the radiograph, by which its edges are found.
const FRAME: u32 = 12;

fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v '{program}' >/dev/null")])
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        skip::skip(format_args!("{program} is not installed"));
    }
    found
}

/// A virtual display.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Option<Self> {
        if !has("Xvfb") || !has("import") {
            return None;
        }
        let display = Self::served();
        if display.is_none() {
            skip::skip("Xvfb does not start");
        }
        display
    }

    /// `None` if the server does not start: two that start together may choose the same number, and one ends.
    fn served() -> Option<Self> {
        (0..3).find_map(|_| Self::tried())
    }

    fn tried() -> Option<Self> {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x800x24",
                "-nolisten",
                "tcp",
                // Otherwise the server restarts when the first window is closed, and a window that is
                // opened at that moment is lost.
                "-noreset",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take()?)
            .read_line(&mut line)
            .ok()?;
        if line.trim().is_empty() {
            let _ = server.wait();
            return None;
        }
        let name = format!(":{}", line.trim());
        Some(Display { server, name })
    }

    fn open(&self, mut command: Command) -> Window<'_> {
        command
            .env("DISPLAY", &self.name)
            // Without a graphics card.
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("XDG_STATE_HOME", state())
            .env("CXR_CONFIG", "")
            // It answers once it has started, beside the display.
            .env("CXR_PROBE_MS", "20000")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for name in [
            "TMUX",
            "TMUX_PANE",
            "STY",
            "NO_COLOR",
            "SSH_CONNECTION",
            "SSH_TTY",
        ] {
            command.env_remove(name);
        }
        let terminal = command.spawn().expect("the terminal starts");
        Window {
            display: self,
            terminal,
        }
    }

    fn screenshot(&self) -> GrayImage {
        let output = Command::new("import")
            .args(["-display", &self.name, "-window", "root", "png:-"])
            .output()
            .unwrap();
        image::load_from_memory(&output.stdout)
            .expect("a screenshot")
            .into_luma8()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct Window<'a> {
    display: &'a Display,
    terminal: Child,
}

impl Window<'_> {
    /// The screen once it shows something and has not changed for five screenshots. `None`, with a printed
    /// reason, if the terminal ends first, as kitty does without OpenGL.
    fn settled(&mut self) -> Option<GrayImage> {
        let start = Instant::now();
        let (mut last, mut same) = (self.display.screenshot(), 0);
        while same < 5 {
            assert!(start.elapsed() < LIMIT, "the screen keeps changing");
            if let Ok(Some(status)) = self.terminal.try_wait() {
                skip::skip(format_args!("the terminal opens no window ({status})"));
                return None;
            }
            thread::sleep(STEP);
            let now = self.display.screenshot();
            let lit = now.pixels().filter(|pixel| pixel.0[0] > 100).count();
            same = if now == last && lit > 2_000 {
                same + 1
            } else {
                0
            };
            last = now;
        }
        Some(last)
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        let _ = self.terminal.kill();
        let _ = self.terminal.wait();
    }
}

/// The part of the first screen that differs from the second: from the first to the last column and row with
/// many differences.
fn difference(with: &GrayImage, without: &GrayImage) -> Option<GrayImage> {
    let (width, height) = with.dimensions();
    let differs =
        |x: u32, y: u32| with.get_pixel(x, y).0[0].abs_diff(without.get_pixel(x, y).0[0]) > 24;
    let columns: Vec<_> = (0..width)
        .map(|x| (0..height).filter(|y| differs(x, *y)).count())
        .collect();
    let rows: Vec<_> = (0..height)
        .map(|y| (0..width).filter(|x| differs(*x, y)).count())
        .collect();
    let span = |counts: &[usize]| {
        let much = counts.iter().max().copied().unwrap_or(0) / 2;
        let first = counts.iter().position(|count| *count > much)?;
        let last = counts.iter().rposition(|count| *count > much)?;
        Some((first as u32, (last - first + 1) as u32))
    };
    let ((x, width), (y, height)) = (span(&columns)?, span(&rows)?);
    (width > 100 && height > 100).then(|| crop_imm(with, x, y, width, height).to_image())
}

/// A radiograph with a white frame, in a temporary folder.
fn framed() -> (tempfile::TempDir, PathBuf, GrayImage) {
    let sample = image::open(samples().join("clear_1.png"))
        .unwrap()
        .into_luma8();
    let (width, height) = sample.dimensions();
    let mut framed =
        GrayImage::from_pixel(width + 2 * FRAME, height + 2 * FRAME, image::Luma([255]));
    image::imageops::replace(&mut framed, &sample, FRAME.into(), FRAME.into());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("framed.png");
    framed.save(&file).unwrap();
    (folder, file, framed)
}

/// The similarity of the radiograph and the picture in a terminal's window, once it is at least `enough`. `start`
/// makes the command that runs a shell command in the terminal. `None` if the terminal opens no window.
fn seen(display: &Display, start: impl Fn(&str) -> Command, enough: f64) -> Option<f64> {
    let (_folder, file, original) = framed();
    let file = file.display();
    let without = display
        .open(start(&format!("'{CXR}' --graphics off '{file}'")))
        .settled()?;
    let window = display.open(start(&format!("'{CXR}' '{file}'")));
    let begin = Instant::now();
    loop {
        let with = window.display.screenshot();
        let picture = difference(&with, &without);
        let alike = picture.map_or(0.0, |picture| similarity(&picture, &original));
        if alike >= enough {
            return Some(alike);
        }
        if begin.elapsed() > LIMIT {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seen.png");
            let _ = with.save(&file);
            panic!(
                "the similarity is only {alike:.3}; the screen is in {}",
                file.display()
            );
        }
        thread::sleep(STEP);
    }
}

fn kitty_program() -> String {
    std::env::var("CXR_TEST_KITTY").unwrap_or_else(|_| "kitty".to_owned())
}

fn kitty(command: &str) -> Command {
    let mut kitty = Command::new(kitty_program());
    kitty.args(["--config", "NONE", "-o", "remember_window_size=no"]);
    kitty.args([
        "-o",
        "initial_window_width=1200",
        "-o",
        "initial_window_height=760",
    ]);
    kitty.args(["-o", "update_check_interval=0", "sh", "-c", command]);
    kitty
}

fn xterm(arguments: &[&str], command: &str) -> Command {
    let mut xterm = Command::new("xterm");
    xterm.args(arguments);
    xterm.args(["-geometry", "130x48+0+0", "-bg", "black", "-fg", "white"]);
    xterm.args(["-e", "sh", "-c", command]);
    xterm
}

/// tmux in a terminal's window. It ends with the window.
fn in_tmux(command: &str) -> String {
    let conf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("passthrough.conf");
    std::fs::write(&conf, "set -g allow-passthrough on\n").unwrap();
    // A name of its own: the server of the window before may still be ending. A path may be too long for a socket.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("cxr-tmux-{}-{number}", std::process::id());
    let socket = std::env::temp_dir().join(name);
    format!(
        "tmux -S '{}' -f '{}' new-session \"{command}\" ';' set destroy-unattached on",
        socket.display(),
        conf.display()
    )
}

#[test]
fn a_real_kitty_shows_the_radiograph() {
    let Some(display) = Display::start().filter(|_| has(&kitty_program())) else {
        return;
    };
    if let Some(alike) = seen(&display, kitty, 0.95) {
        eprintln!("kitty: structural similarity {alike:.3}");
    }
}

#[test]
fn a_real_kitty_shows_the_radiograph_inside_tmux() {
    let Some(display) = Display::start().filter(|_| has(&kitty_program()) && has("tmux")) else {
        return;
    };
    let version = Command::new(kitty_program())
        .arg("--version")
        .output()
        .unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let minor = version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse::<u32>().ok());
    let has_placeholders = minor.is_some_and(|minor| minor >= 28);
    if !has_placeholders {
        eprintln!(
            "{} has no placeholders: blocks are expected",
            version.trim()
        );
    }
    let enough = if has_placeholders { 0.95 } else { QUADRANTS };
    if let Some(alike) = seen(&display, |command| kitty(&in_tmux(command)), enough) {
        eprintln!("kitty inside tmux: structural similarity {alike:.3}");
    }
}

/// Similarity of quadrants, four pixels a cell. 0.65 was measured.
const QUADRANTS: f64 = 0.6;
/// Similarity of half blocks, two pixels a cell, which xterm gets. 0.51 was measured.
const HALF_BLOCKS: f64 = 0.45;
/// A font that is known to have block characters: which of them xterm's own bitmap fonts have differs from machine to
/// machine, and a test of cxr must not depend on it.
const FONT: &str = "DejaVu Sans Mono";

fn has_font(name: &str) -> bool {
    let found = Command::new("fc-match")
        .args(["--format=%{family}", name])
        .output();
    found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).contains(name))
}

#[test]
fn a_real_xterm_shows_the_radiograph() {
    let Some(display) = Display::start().filter(|_| has("xterm")) else {
        return;
    };
    if has_font(FONT) {
        let blocks = |command: &str| xterm(&["-fa", FONT, "-fs", "9"], command);
        if let Some(blocks) = seen(&display, blocks, HALF_BLOCKS) {
            eprintln!("xterm, half blocks: structural similarity {blocks:.3}");
        }
    } else {
        skip::skip(format_args!("the font {FONT} is not installed"));
    }
    if cfg!(feature = "sixel") {
        let sixel = |command: &str| xterm(&["-ti", "vt340"], command);
        if let Some(sixel) = seen(&display, sixel, 0.8) {
            eprintln!("xterm, sixel: structural similarity {sixel:.3}");
        }
    }
}
