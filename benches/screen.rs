//! How long a reader waits, measured on the real program in a pseudo-terminal:
//!
//! - from the start to the first frame and to the first radiograph, over a folder of 100,000 files;
//! - from a key press to the painted radiograph, with prefetching and cold (jumps to files that were not prefetched);
//! - the same with the prior beside it, by a table that gives each film an earlier one, until both are painted;
//! - the peak memory of the program.
//! - the grid over 100,000 files: from its key to the frames and to all pictures of the first page, and from a key of a page
//!   to the next frame and to all its pictures.
//!
//! `cargo bench --bench screen -- FOLDER…`; the default folder is `samples`. Prints medians, 95th percentiles and n.
//! This is a measurement, not a test: no limit can fail.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const ROWS: u16 = 35;
const COLS: u16 = 120;
const MANY: usize = 100_000;
const PRESSES: usize = 60;
/// Long enough to prefetch the neighbours.
const REST: Duration = Duration::from_millis(700);
/// After this, what was waited for will not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// A radiograph counts as painted from this number of cells.
const PAINTED: usize = 200;

fn main() {
    let folders: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .map(PathBuf::from)
        .collect();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let folders = if folders.is_empty() {
        vec![samples.clone()]
    } else {
        folders
    };

    starting(&samples.join("clear_1.png"));
    for folder in &folders {
        grid(folder);
    }
    for folder in folders {
        pressing(&folder);
        comparing(&folder);
    }
}

fn starting(file: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for i in 0..MANY {
        let link = folder.path().join(format!("{i:06}.png"));
        std::os::unix::fs::symlink(file, link).expect("100,000 links");
    }
    let (mut frames, mut radiographs, mut memory) = (vec![], vec![], 0);
    for _ in 0..5 {
        let start = Instant::now();
        let session = Session::start(folder.path());
        session.wait(|s| s.text().contains("Worklist"));
        frames.push(start.elapsed());
        session.wait(|s| s.painted() > PAINTED);
        radiographs.push(start.elapsed());
        session.wait(|s| s.text().contains("Worklist 100 000 ·"));
        session.wait(|s| s.text().contains(" ms cpu"));
        memory = memory.max(session.peak_memory());
    }
    report("100,000 files: start to first frame", &mut frames);
    report("100,000 files: start to first radiograph", &mut radiographs);
    println!("100,000 files: peak memory {memory} MiB");
}

/// The grid over 100,000 files, which are links to the films of `folder` in turn.
fn grid(folder: &Path) {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let name = format!("{}: grid of 100,000", name.to_string_lossy());
    // Of a damaged film, a page would wait for ever.
    let mut sources: Vec<PathBuf> = films_in(folder)
        .into_iter()
        .filter(|film| film.file_stem().is_none_or(|name| name != "truncated"))
        .collect();
    sources.sort();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (i, film) in (0..MANY).zip(sources.iter().cycle()) {
        let ending = film.extension().unwrap_or_default().to_string_lossy();
        let link = folder.path().join(format!("{i:06}.{ending}"));
        std::os::unix::fs::symlink(film, link).expect("100,000 links");
    }
    let (mut frames, mut pages, mut keys, mut memory) = (vec![], vec![], vec![], 0);
    let (mut next, mut ahead) = (vec![], vec![]);
    for _ in 0..5 {
        let mut session = Session::start(folder.path());
        session.wait(|s| s.text().contains("Worklist 100 000 ·"));
        session.wait(|s| s.text().contains(" ms cpu"));
        let start = session.type_keys("#");
        session.wait(|s| s.text().contains("Grid 100 000"));
        frames.push(start.elapsed());
        session.wait(Session::has_whole_page);
        pages.push(start.elapsed());
        for rest in [false, true, false, true, false, true] {
            if rest {
                thread::sleep(3 * REST);
            }
            let before = session.first_tile();
            let start = session.type_keys("\x1b[6~");
            session.wait(|s| s.first_tile() != before);
            keys.push(start.elapsed());
            session.wait(Session::has_whole_page);
            if rest { &mut ahead } else { &mut next }.push(start.elapsed());
        }
        memory = memory.max(session.peak_memory());
    }
    report(&format!("{name}: key to frames"), &mut frames);
    report(
        &format!("{name}: key to first page with pictures"),
        &mut pages,
    );
    report(&format!("{name}: page key to frames"), &mut keys);
    report(&format!("{name}: page key to pictures, at once"), &mut next);
    report(
        &format!("{name}: page key to pictures, after a rest"),
        &mut ahead,
    );
    println!("{name}: peak memory {memory} MiB");
}

fn pressing(folder: &Path) {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let mut session = ready(folder);
    let rows = session.rows();
    let mut ahead = vec![];
    for _ in 0..PRESSES.min(rows.saturating_sub(1)) {
        thread::sleep(REST);
        ahead.extend(session.press("j"));
    }
    report(
        &format!("{name}: key to radiograph, read ahead"),
        &mut ahead,
    );
    let memory = session.peak_memory();
    println!("{name}: peak memory {memory} MiB ({rows} files)");

    // Jumps over more rows than are prefetched, in new sessions.
    let mut cold = vec![];
    let stride = (rows / 16).max(6);
    for offset in 0..4 {
        let mut session = ready(folder);
        for row in (6 + offset..=rows).step_by(stride) {
            thread::sleep(REST);
            cold.extend(session.press(&format!(":{row}\r")));
        }
    }
    report(&format!("{name}: key to radiograph, cold"), &mut cold);
}

/// The first half of the films, each without and with its prior, which is a film of the second half.
fn comparing(folder: &Path) {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let mut films = films_in(folder);
    films.sort();
    let half = films.len() / 2;
    let place = tempfile::tempdir().expect("a temporary folder");
    let table = place.path().join("films.csv");
    let rows = films.iter().enumerate().map(|(at, film)| {
        let (patient, day) = (at % half.max(1), usize::from(at < half));
        format!("\"{}\",p{patient},{day}\n", film.display())
    });
    let text = format!("path,patient,day\n{}", rows.collect::<String>());
    fs::write(&table, text).expect("a table");
    let table = table.to_string_lossy().into_owned();
    let options = ["--manifest", &table];
    // In turn, so that both see the machine in the same state.
    let (mut alone, mut both) = (vec![], vec![]);
    for _ in 0..2 {
        for (times, key) in [(&mut alone, ""), (&mut both, "C")] {
            let mut session = ready_with(folder, &options);
            let _ = session.writer.write_all(key.as_bytes());
            for _ in 0..PRESSES.min(half.saturating_sub(1)) {
                thread::sleep(REST);
                times.extend(session.press_until("j", |s| {
                    let [left, right] = s.painted_halves();
                    let is_there = |cells| cells > PAINTED / 2;
                    is_there(left) && (key.is_empty() || is_there(right) && s.has_both())
                }));
            }
        }
    }
    report(&format!("{name}: key to radiograph, alone"), &mut alone);
    report(&format!("{name}: key to both, prior beside"), &mut both);
    if let [Some(alone), Some(both)] = [&alone, &both].map(|times| times.get(times.len() / 2)) {
        let ratio = both.as_secs_f64() / alone.as_secs_f64();
        println!("{name}: with the prior / alone: {ratio:.2}");
    }
}

/// The images below a folder, by their endings.
fn films_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let found = paths.flat_map(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending {
            _ if path.is_dir() => films_in(&path),
            Some("png" | "jpg" | "jpeg" | "jfif" | "dcm" | "webp") => vec![path],
            _ => vec![],
        }
    });
    let whole = found.filter_map(|path| fs::canonicalize(path).ok());
    whole.collect()
}

/// A session that has found all files and scored the first.
fn ready(folder: &Path) -> Session {
    ready_with(folder, &[])
}

fn ready_with(folder: &Path, options: &[&str]) -> Session {
    let session = Session::start_with(folder, options);
    session.wait(|s| s.text().contains(" ms cpu") || s.text().contains('✗'));
    session.wait(|s| !s.text().contains("… ·"));
    session
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| match times.len() {
        0 => f64::NAN,
        n => times[((n - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3,
    };
    println!(
        "{what}: p50 {:.1} ms, p95 {:.1} ms, n {}",
        at(0.5),
        at(0.95),
        times.len()
    );
}

struct Session {
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    parser: Arc<Mutex<vt100::Parser>>,
    _state: tempfile::TempDir,
}

impl Session {
    fn start(folder: &Path) -> Self {
        Session::start_with(folder, &[])
    }

    fn start_with(folder: &Path, options: &[&str]) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLS,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cxr"));
        command.arg(folder);
        command.args(options);
        // No results of an earlier run, and no background scoring, which benches/sitting.py measures.
        command.args(["--fresh", "--no-background", "--store"]);
        let state = tempfile::tempdir().expect("a temporary folder");
        command.arg(state.path().join("reviews.sqlite"));
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env_remove("TMUX");
        let child = pair.slave.spawn_command(command).expect("cxr");
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLS, 0)));
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let seen = parser.clone();
        let mut writer = pair.master.take_writer().expect("its input");
        // Answers the probe at once, as a terminal does.
        let _ = writer.write_all(b"\x1b[?62;c");
        thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                seen.lock().expect("the screen").process(&buffer[..n]);
            }
        });
        Session {
            child,
            _master: pair.master,
            writer,
            parser,
            _state: state,
        }
    }

    fn text(&self) -> String {
        self.parser.lock().expect("the screen").screen().contents()
    }

    fn painted(&self) -> usize {
        self.painted_in(COLS / 2..COLS)
    }

    /// Painted cells of the places of two films beside each other.
    fn painted_halves(&self) -> [usize; 2] {
        let middle = COLS - (COLS * 3 / 5) / 2;
        [
            self.painted_in(COLS * 2 / 5..middle),
            self.painted_in(middle..COLS),
        ]
    }

    /// Whether the title of a prior is on the screen.
    fn has_both(&self) -> bool {
        self.text().contains("prior, ")
    }

    fn painted_in(&self, columns: std::ops::Range<u16>) -> usize {
        let parser = self.parser.lock().expect("the screen");
        let cells = (0..ROWS).flat_map(|row| columns.clone().map(move |col| (row, col)));
        cells
            .filter_map(|(row, col)| parser.screen().cell(row, col))
            .filter(|c| c.contents().chars().any(|c| "▀▌▘▛▚▜▙".contains(c)))
            .count()
    }

    /// Whether it comes to that. If not, the screen is printed: the figure that follows is none.
    fn wait(&self, there: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while !there(self) {
            if Instant::now() > end {
                eprintln!("it did not come within {PATIENCE:?}:\n{}\n", self.text());
                return false;
            }
            thread::sleep(Duration::from_micros(300));
        }
        true
    }

    /// The number of rows of the worklist, from its title.
    fn rows(&self) -> usize {
        let text = self.text();
        let title = text
            .split("Worklist ")
            .nth(1)
            .and_then(|t| t.split(" ·").next());
        title.map_or(0, |n| n.replace(' ', "").parse().unwrap_or(0))
    }

    /// The time until the image of another row is on the screen; `None` if that row has no image.
    fn press(&mut self, keys: &str) -> Option<Duration> {
        self.press_until(keys, |s| s.painted() > PAINTED)
    }

    /// The same until `is_painted`.
    fn press_until(&mut self, keys: &str, is_painted: impl Fn(&Self) -> bool) -> Option<Duration> {
        let before = self.title();
        let start = Instant::now();
        self.writer.write_all(keys.as_bytes()).ok()?;
        self.writer.flush().ok()?;
        let came = self.wait(|s| {
            s.title() != before && (is_painted(s) || s.text().contains('✗') && s.painted() == 0)
        });
        (came && is_painted(self)).then(|| start.elapsed())
    }

    /// Presses keys; returns when.
    fn type_keys(&mut self, keys: &str) -> Instant {
        let start = Instant::now();
        let _ = self.writer.write_all(keys.as_bytes());
        let _ = self.writer.flush();
        start
    }

    /// The upper border of the first row of tiles, with the names.
    fn first_tile(&self) -> String {
        self.text().lines().nth(1).unwrap_or_default().to_owned()
    }

    /// Whether each tile of the grid has a picture: 6 columns and 3 rows of tiles of 20 × 11 cells.
    fn has_whole_page(&self) -> bool {
        let parser = self.parser.lock().expect("the screen");
        let is_painted = |row: u16, col: u16| {
            let cell = parser.screen().cell(row, col);
            cell.is_some_and(|c| c.contents().chars().any(|c| "▀▌▘▛▚▜▙".contains(c)))
        };
        let tiles = (0..3).flat_map(|row| (0..6).map(move |column| (row, column)));
        tiles
            .into_iter()
            .all(|(row, column)| is_painted(1 + 11 * row + 5, 20 * column + 10))
    }

    /// The file name above the image.
    fn title(&self) -> String {
        let text = self.text();
        let line = text.lines().next().unwrap_or_default();
        let name = line.rsplit('┌').next().unwrap_or_default();
        name.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    fn peak_memory(&self) -> u64 {
        let pid = self.child.process_id().unwrap_or(0);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status
            .lines()
            .find(|l| l.starts_with("VmHWM"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            / 1024
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
