//! The program in a real pseudo-terminal: what a user sees, and the state of the terminal afterwards.
//!
//! The bytes that it writes are read by a terminal emulator (vt100), by tmux, or by a real kitty and a real
//! xterm. The tests wait for a screen, with a generous limit, and not for a fixed time.

#![cfg(unix)]

mod extremes;
mod grid;
#[path = "../imaging_files/mod.rs"]
mod imaging_files;
mod leaving;
mod left_out;
mod pictures;
mod pixels;
mod replaced;
mod session;
#[path = "../skip/mod.rs"]
mod skip;
mod slow_line;
mod study;
mod tmux;
mod windows;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use imaging_files::{Dicom, EXPLICIT};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use session::Session;
use tmux::Tmux;

const CXR: &str = env!("CARGO_BIN_EXE_cxr");
/// The longest wait for a screen. It is only reached if a test fails.
const LIMIT: Duration = Duration::from_secs(60);

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A state folder for one test: a bookmark of one test must not move the cursor of another.
fn state() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("state-{}-{number}-", std::process::id());
    // An earlier run may have had the same number.
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix(&name).disable_cleanup(true);
    let made = folder.tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    made.path().to_owned()
}

/// The main use, from the first frame to the shell.
#[test]
fn the_images_of_a_folder_are_shown_and_scored() {
    let mut session = Session::start(35, 120, &[samples()]);
    session.wait_for_text("Worklist");
    session.wait_for_text("clear_1.png");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.wait_for_answer();
    session.wait_for_text("Extent ");
    assert!(session.screen().contains("not for diagnosis"));

    session.press("?");
    session.wait_for_text("half a page down");
    session.press("x");
    session.press("/not_an");
    session.wait_for_text("1 of ");
    session.press("\r");
    session.wait_for_text("no scores are shown");
    assert!(
        !session.screen().contains("Extent "),
        "{}",
        session.screen()
    );

    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    session.wait_until_restored();
}

/// Verdicts are saved once the screen shows them, survive a kill, and are there in the next session.
#[test]
fn verdicts_are_recorded_survive_a_kill_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        let sample = image::open(samples().join("pneumonia_1.png")).unwrap();
        let mut sample = sample.into_luma8();
        // Three different images, not one with three names.
        sample.get_pixel_mut(0, 0).0[0] = name.as_bytes()[0];
        sample.save(folder.path().join(name)).unwrap();
    }
    let store = folder.path().join("reviews.sqlite");
    let start = |size: (u16, u16)| {
        let mut command = CommandBuilder::new(CXR);
        command.arg(folder.path());
        command.args(["--no-background", "--reviewer", "Ann", "--store"]);
        command.arg(&store);
        Session::spawn(size.0, size.1, command)
    };
    let mut session = start((35, 120));
    session.wait_for_text("Extent ");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.press("a");
    session.wait_for_mark('✓', "a.png");
    session.wait_for_text(" agree ");
    session.press("*");
    session.wait_for_text("agree · key image");

    session.press("j");
    session.wait_for_text("2 scored");
    session.wait_for_text("Extent ");
    session.press("d");
    session.wait_for_text("Disagree with which?");
    session.press("2");
    session.wait_for_text("disagree: COVID-19");
    session.press("c=a note\r");
    session.wait_for_text("“=a note”");
    session.press("U");
    session.wait_for("the note to be undone", |session| {
        session.screen().contains("disagree: COVID-19") && !session.screen().contains("“")
    });
    session.press("\u{12}");
    session.wait_for_text("“=a note”");
    session.press("\t");
    session.wait_for("the next image", |session| {
        let screen = session.screen();
        screen
            .lines()
            .any(|line| line.contains('▸') && line.contains("c.png"))
    });
    session.signal(Signal::KILL);
    session.wait_for_end();

    let mut session = start((24, 80));
    session.wait_for_mark('≠', "b.png");
    // The last image has no opinion, which leaves room for the count.
    session.press("G");
    session.wait_for_text("2 reviewed");
    session.press("/key");
    session.wait_for_text("1 of 3");
    session.press("\rq");
    assert_eq!(session.wait_for_end(), 0);

    let export = |arguments: &[&str]| {
        let mut command = Command::new(CXR);
        command
            .arg("export")
            .args(arguments)
            .arg("--store")
            .arg(&store);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(export(&["--verify"]).starts_with("6 reviews, the log is whole"));
    let table = export(&["--all"]);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let at = header.iter().position(|column| column == name).unwrap();
        rows[row][at].to_owned()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (cell(0, "verdict"), cell(0, "key_image")),
        ("agree".into(), "1".into())
    );
    assert_eq!(cell(1, "disagreed_label"), "COVID-19");
    assert_eq!(cell(1, "note"), "'=a note");
    assert_eq!(cell(1, "reviewer"), "Ann");
    assert_eq!(cell(1, "entries"), "4");
    assert!(cell(0, "score:COVID-19").parse::<f64>().is_ok());
    assert!(cell(0, "window_width").parse::<f64>().is_ok());
    assert_eq!(cell(0, "model_sha256").len(), 64);
}

#[test]
fn the_rest_of_a_folder_is_scored_in_the_background_and_cached_by_content() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        let mut sample = image::open(samples().join("pneumonia_1.png"))
            .unwrap()
            .into_luma8();
        sample.get_pixel_mut(0, 0).0[0] = name.as_bytes()[0];
        sample.save(folder.path().join(name)).unwrap();
    }
    let start = || {
        let mut command = CommandBuilder::new(CXR);
        command.arg(folder.path());
        command.arg("--store");
        command.arg(folder.path().join("reviews.sqlite"));
        Session::spawn(35, 120, command)
    };
    let mut session = start();
    // Without a key press.
    session.wait_for_text("3 scored");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);

    std::fs::rename(folder.path().join("b.png"), folder.path().join("z.png")).unwrap();
    let mut session = start();
    session.wait_for_text("3 scored");
    session.press("G");
    session.wait_for("the cached answer for the renamed image", |session| {
        let screen = session.screen();
        let selected = |line: &str| line.contains('▸') && line.contains("z.png");
        screen.lines().any(selected) && screen.contains(" cached")
    });
    // Activation maps are not cached: the image is scored once more.
    session.press("o");
    session.wait_for("a heat map", |session| session.coloured_cells() > 50);
    session.wait_for_answer();
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
}

/// The model's answer is hidden until the reader's own call is saved.
#[test]
fn a_blinded_reader_calls_first_and_is_compared_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pneumonia_1.png", "clear_1.png"] {
        std::fs::copy(samples().join(name), folder.path().join(name)).unwrap();
    }
    let mut command = CommandBuilder::new(CXR);
    command.args(["--blinded", "--shuffle=7", "--reviewer", "Ann", "--store"]);
    command.arg(folder.path().join("reviews.sqlite"));
    command.arg(folder.path());
    let mut session = Session::spawn(35, 120, command);
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    // Both images are scored, and neither answer is shown.
    session.wait_for_text("2 scored");
    let hides = |session: &Session| {
        let screen = session.screen();
        screen.contains("Hidden until you call it")
            && !screen.contains('%')
            && !screen.contains(['┿', '┼'])
            && !screen.contains("Extent ")
    };
    assert!(hides(&session), "{}", session.screen());
    session.press("a");
    session.wait_for_text("own call");
    session.press("\r1");
    session.wait_for_text("Enter: Pneumonia");
    session.press("\r");
    session.wait_for_text("called Pneumonia");
    // The point of a gauge.
    session.wait_for("the point of a gauge", |session| {
        session.screen().contains(['┿', '┼'])
    });
    session.press("\t");
    session.wait_for("the next image, hidden", |session| {
        session.painted_cells() > 400 && session.screen().contains("Hidden until you call it")
    });
    // Keys that were typed before the question was on the screen, and Enter held down, make no call.
    // On a busy machine the image itself may still be on its way, which the program says, too.
    let typed_early = |session: &Session| {
        let screen = session.screen();
        screen.contains("typed before it was on the screen")
    };
    for attempt in 0.. {
        assert!(attempt < 50, "{}", session.screen());
        session.press("\r0\r\r\r");
        session.wait_for("what became of the keys", |session| {
            typed_early(session) || session.screen().contains("not on the screen yet")
        });
        if typed_early(&session) {
            break;
        }
        session.dismiss("not on the screen yet");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(hides(&session), "{}", session.screen());
    session.press("\r");
    session.wait_for_text("called none");
    session.wait_for_text("2 called");
    // One of the early keys may have asked for a call once more.
    assert_eq!(session.leave_by_keys(), 0);
    session.wait_for_text("Ann · Pneumonia: 2 images");
    session.wait_for_text("2 with an answer");
}

/// The program ends by a signal in the middle of a list, and is started again from another folder.
#[test]
fn a_folder_is_opened_where_it_was_left_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let ward = folder.path().join("ward");
    std::fs::create_dir(&ward).unwrap();
    for name in ["a1.png", "a2.png", "a3.png", "b1.png"] {
        std::fs::copy(samples().join("clear_1.png"), ward.join(name)).unwrap();
    }
    let start = |path: &Path, more: &[&str]| {
        let mut command = CommandBuilder::new(CXR);
        command.cwd(folder.path());
        command.arg(path);
        command.args(["--no-background", "--store", "reviews.sqlite"]);
        command.args(more);
        Session::spawn(30, 120, command)
    };
    let mut session = start(&ward, &[]);
    session.wait_for_text("▸");
    session.press("/a\r");
    session.wait_for_text("3 of 4");
    session.press("Sk");
    session.wait_for_cursor("a2.png");
    session.signal(Signal::TERM);
    assert_eq!(session.wait_for_end(), 143);

    let session = start(Path::new("ward"), &[]);
    session.wait_for_cursor("a2.png");
    session.wait_for_text("3 of 4");
    session.wait_for_text("as you left it: by name, reversed, filter a");
    drop(session);

    let session = start(Path::new("ward"), &["--fresh"]);
    session.wait_for_cursor("a1.png");
    session.wait_for_text("b1.png");
}

/// A sample as DICOM, with this patient and date.
fn film_of(path: &Path, patient: &str, date: &str) {
    let film = image::open(samples().join("pneumonia_1.png")).unwrap();
    let film = film.into_luma8();
    let (width, height) = film.dimensions();
    let file = Dicom::radiograph(width as u16, height as u16, 8)
        .text(tags::PATIENT_ID, VR::LO, patient)
        .text(tags::STUDY_INSTANCE_UID, VR::UI, &format!("1.2.{date}"))
        .text(tags::STUDY_DATE, VR::DA, date)
        .bytes(&film);
    std::fs::write(path, file.file(EXPLICIT)).unwrap();
}

#[test]
fn images_are_grouped_by_patient_and_again_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let ward = folder.path().join("ward");
    std::fs::create_dir(&ward).unwrap();
    film_of(&ward.join("a.dcm"), "MRN-7", "20200301");
    film_of(&ward.join("b.dcm"), "MRN-8", "20200301");
    film_of(&ward.join("c.dcm"), "MRN-7", "20200101");
    let start = || {
        let mut command = CommandBuilder::new(CXR);
        command.arg(&ward);
        command.arg("--store");
        command.arg(folder.path().join("reviews.sqlite"));
        Session::spawn(35, 120, command)
    };
    let order = |session: &Session| {
        let screen = session.screen();
        // The first line has the name of the selected image.
        let rows = screen.lines().skip(1);
        let at = |name: &str| rows.clone().position(|row| row.contains(name));
        let rows = [at("c.dcm"), at("a.dcm"), at("b.dcm")];
        rows.is_sorted() && rows[0].is_some()
    };
    let mut session = start();
    session.wait_for_text("3 scored");
    // `Worklist 3 · 3 scored · patient`, in the border.
    let order_word = |session: &Session| {
        let screen = session.screen();
        let border = screen.lines().next().unwrap_or_default();
        let word = border.split(" · ").nth(2).unwrap_or_default();
        let word = word.split(['*', '↑', '─', '┐']).next();
        word.unwrap_or_default().trim().to_owned()
    };
    while order_word(&session) != "patient" {
        let before = order_word(&session);
        session.press("s");
        session.wait_for("another order", |session| order_word(session) != before);
    }
    session.wait_for("the order in time", order);
    session.wait_for_cursor("a.dcm");
    // The same pixels, so the scores have not changed.
    session.wait_for_text("60 days before: extent");
    session.wait_for_text("│ ≈ 0.0 ext");
    session.wait_for_text("patient 1");
    session.wait_for_text("patient 2");
    assert!(!session.screen().contains("MRN"), "{}", session.screen());
    session.press("P");
    session.wait_for_text("MRN-8");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);

    let session = start();
    session.wait_for_text("· patient");
    session.wait_for("the order in time", order);
    session.wait_for_text("60 days before: extent");
}

#[test]
fn a_store_that_fails_is_reported_and_the_verdict_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("not/there/reviews.sqlite");
    std::fs::write(folder.path().join("not"), "a file where a folder should be").unwrap();
    let mut command = CommandBuilder::new(CXR);
    command.arg(samples().join("pneumonia_1.png"));
    command.arg("--store");
    command.arg(&store);
    let mut session = Session::spawn(35, 120, command);
    session.wait_for_text("Extent ");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.press("u");
    session.wait_for_text("1 review not saved yet, retrying");
    assert!(!session.screen().contains("?● pneumonia_1"));
    session.press("q");
    session.wait_for_text("press q again to quit");
    std::fs::remove_file(folder.path().join("not")).unwrap();
    session.wait_for_mark('?', "pneumonia_1.png");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    assert!(store.exists());
}

/// A verdict waits for a lock of another program while a signal ends cxr. It is recorded once.
#[test]
fn a_waiting_review_is_recorded_by_the_next_session_after_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(samples().join("clear_1.png"), folder.path().join("a.png")).unwrap();
    let store = folder.path().join("reviews.sqlite");
    let start = || {
        let mut command = CommandBuilder::new(CXR);
        command.arg(folder.path().join("a.png"));
        command.args(["--no-background", "--reviewer", "Ann", "--store"]);
        command.arg(&store);
        Session::spawn(24, 80, command)
    };
    let mut session = start();
    session.wait_for_answer();
    session.press("*");
    session.wait_for_text("key image");
    let other = rusqlite::Connection::open(&store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    session.press("u");
    session.wait_for_text("not saved yet");
    session.signal(Signal::TERM);
    session.wait_for_end();
    other.execute_batch("COMMIT").unwrap();
    let waiting = |folder: &Path| {
        let names = std::fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".waiting-")).count()
    };
    assert_eq!(waiting(folder.path()), 1);
    drop(other);

    let mut session = start();
    session.wait_for_text("1 review that an earlier session");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    assert_eq!(waiting(folder.path()), 0);
    let log = cxr::store::Store::open_read_only(&store).unwrap();
    assert_eq!(log.verify().unwrap().rows, 2);
    let opinion = log.standings("Ann").unwrap().remove(0).opinion;
    assert!(opinion.key_image && opinion.verdict == Some(cxr::domain::Verdict::Unsure));
}

#[test]
fn a_file_that_is_not_a_store_is_refused_before_the_screen_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("thesis.sqlite");
    std::fs::write(&store, "SQLite format 3 in name only").unwrap();
    let mut command = CommandBuilder::new(CXR);
    command.arg(samples());
    command.arg("--store");
    command.arg(&store);
    let mut session = Session::spawn(24, 120, command);
    session.wait_for_text("thesis.sqlite: not a store of cxr");
    assert_eq!(session.wait_for_end(), 2);
    let content = std::fs::read_to_string(&store).unwrap();
    assert_eq!(content, "SQLite format 3 in name only");
}

#[test]
fn a_key_shows_and_hides_the_heat_map() {
    let mut session = Session::start(35, 120, &[samples().join("pneumonia_1.png")]);
    session.wait_for_text("Extent ");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    assert_eq!(session.coloured_cells(), 0);
    session.press("o");
    session.wait_for_text("where, not how likely");
    session.wait_for("a heat map", |session| session.coloured_cells() > 20);
    session.press("O");
    // The map of Pneumonia is shown already, and COVID-19 is a product, which has no map of its own.
    session.wait_for_text("└ Bacterial ");
    session.press("o");
    session.wait_for("a bare radiograph", |session| {
        session.coloured_cells() == 0 && !session.screen().contains("how likely")
    });
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
}

#[test]
fn without_colour_a_heat_map_is_refused() {
    let mut command = CommandBuilder::new(CXR);
    command.arg(samples());
    command.args(["--color", "never"]);
    let session = Session::spawn(24, 80, command);
    session.wait_for_text("Extent ");
    session.press("o");
    session.wait_for_text("needs colour");
    assert!(!session.screen().contains("how likely"));
}

#[test]
fn every_sample_can_be_selected_and_has_a_result() {
    let session = Session::start(24, 80, &[samples()]);
    session.wait_for_text("clear_1.png");
    let images = std::fs::read_dir(samples())
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().extension().map(|e| e.to_owned()))
        .filter(|e| !["py", "md", "txt"].iter().any(|other| e == other))
        .count();
    for read in 1..=images {
        session.wait_for_text(&format!("{read} scored"));
        session.press("j");
    }
    session.press("gg");
    session.wait_for_answer();
}

#[test]
fn small_and_large_terminals_show_the_image_and_the_findings() {
    for (rows, cols) in [(15, 40), (50, 200)] {
        let session = Session::start(rows, cols, &[samples()]);
        session.wait_for_text("clear_1.png");
        session.wait_for("a radiograph", |session| session.painted_cells() > 60);
        session.wait_for_text("Pneumonia");
        session.wait_for_text("not for diagnosis");
    }
}

#[test]
fn the_layout_follows_a_resize() {
    let session = Session::start(24, 80, &[samples()]);
    session.wait_for_answer();
    session
        .parser
        .lock()
        .unwrap()
        .screen_mut()
        .set_size(40, 150);
    let size = PtySize {
        rows: 40,
        cols: 150,
        pixel_width: 0,
        pixel_height: 0,
    };
    session.master.as_ref().unwrap().resize(size).unwrap();
    session.wait_for("the footer on the last row", |session| {
        let screen = session.screen();
        screen
            .lines()
            .nth(39)
            .is_some_and(|line| line.contains("not for diagnosis"))
    });
    session.wait_for("a larger radiograph", |session| {
        session.painted_cells() > 1000
    });
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut session = Session::start(24, 80, &[samples()]);
        session.wait_for_text("clear_1.png");
        session.signal(signal);
        assert_eq!(session.wait_for_end(), 128 + signal.as_raw() as u32);
        session.wait_until_restored();
    }
}

/// Without job control a stopped program could not be continued.
#[test]
fn without_job_control_it_is_not_suspended() {
    let mut session = Session::start(24, 80, &[samples()]);
    session.wait_for_answer();
    session.press("\x1a");
    session.wait_for_text("no shell here to suspend to");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
}

/// The terminal has stopped reading, so the program cannot write. It still ends on SIGTERM.
#[test]
fn sigterm_ends_it_even_if_its_output_is_blocked() {
    let size = PtySize {
        rows: 50,
        cols: 200,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(CXR);
    command.arg(samples());
    command.env("COLORTERM", "truecolor");
    command.env("XDG_STATE_HOME", state());
    command.env("CXR_CONFIG", "");
    command.env_remove("TMUX");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut writer = pair.master.take_writer().unwrap();
    // Many frames, none of which is read.
    for _ in 0..40 {
        let _ = writer.write_all(b"ji");
        thread::sleep(Duration::from_millis(20));
    }
    kill(child.process_id().unwrap(), Signal::TERM);
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < LIMIT, "it hangs in a write");
        thread::sleep(Duration::from_millis(20));
    }
}

/// This terminal answers no probe. A key typed meanwhile is not taken for an answer.
#[test]
fn a_key_typed_before_the_first_frame_is_not_lost() {
    let mut session = Session::start(24, 80, &[samples()]);
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    session.wait_until_restored();
}

#[test]
fn hostile_names_and_unreadable_files_are_rows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("evil\u{1b}]0;owned\u{7}.png"),
        b"not a png",
    )
    .unwrap();
    std::fs::copy(
        samples().join("clear_1.png"),
        folder.path().join("fine.png"),
    )
    .unwrap();
    let session = Session::start(24, 80, &[folder.path().to_owned()]);
    session.wait_for_text("not an image");
    let written = session.bytes.lock().unwrap().clone();
    assert!(!String::from_utf8_lossy(&written).contains("\u{1b}]0;owned"));
}

#[test]
fn without_a_terminal_there_is_one_line_and_exit_code_2() {
    let output = Command::new(CXR).arg(samples()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.contains("terminal") && output.stdout.is_empty(),
        "{error}"
    );
}

/// The title of the pane does not change, no escape reaches the shell, and the shell's screen comes back.
#[test]
fn inside_tmux_the_title_and_the_shell_are_left_alone() {
    let Some(tmux) = Tmux::start("title", "env PS1='ready> ' sh") else {
        return;
    };
    tmux.wait_for("ready>");
    let title = tmux.ask("#{pane_title}");
    tmux.run(&[
        "send-keys",
        &format!("'{CXR}' '{}'", samples().display()),
        "Enter",
    ]);
    tmux.wait_for("Extent ");
    tmux.wait_for("▀▀▀▀");
    assert_eq!(tmux.ask("#{pane_title}"), title);
    tmux.run(&["send-keys", "j", "j", "q"]);
    let shell = tmux.wait_for("ready>");
    assert!(
        !shell.contains("Gi=") && !shell.contains("Worklist"),
        "{shell}"
    );
}

/// The terminal is killed: the program ends and does not loop.
#[test]
fn a_closed_terminal_ends_the_program() {
    let command = format!("exec '{CXR}' '{}'", samples().display());
    let Some(tmux) = Tmux::start("closed", &command) else {
        return;
    };
    tmux.wait_for("Extent ");
    let (server, program) = (tmux.ask("#{pid}"), tmux.ask("#{pane_pid}"));
    kill(server.parse().unwrap(), Signal::KILL);
    let start = Instant::now();
    while is_alive(&program) {
        assert!(
            start.elapsed() < LIMIT,
            "process {program} outlives its terminal"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs. Zombies do not count: their new parent may be slow to collect them.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}

/// The shell gets the terminal, and `fg` restores the screen.
#[test]
fn suspend_and_fg_switch_between_the_shell_and_the_screen() {
    let Some(tmux) = Tmux::start("stop", "env PS1='ready> ' sh -i") else {
        return;
    };
    tmux.wait_for("ready>");
    let command = format!("'{CXR}' '{}'", samples().display());
    tmux.run(&["send-keys", &command, "Enter"]);
    tmux.wait_for("Extent ");
    tmux.run(&["send-keys", "C-z"]);
    let shell = tmux.wait_for("ready>");
    assert!(!shell.contains("Worklist"), "{shell}");
    tmux.run(&["send-keys", "fg", "Enter"]);
    tmux.wait_for("Extent ");
    tmux.run(&["send-keys", "q"]);
    tmux.wait_for("ready>");
}
