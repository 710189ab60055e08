//! Pixels through the kitty protocol, with a terminal that records the pictures.

use std::collections::HashSet;
use std::process::Command;

use image::GrayImage;
use portable_pty::CommandBuilder;

use crate::pictures::{Picture, pictures, similarity};
use crate::session::{Kind, Session, is_block};
use crate::skip;
use crate::tmux::Tmux;
use crate::{CXR, samples};

const ROWS: u16 = 35;
const COLUMNS: u16 = 120;
/// Least similarity of a picture with itself in a smaller size by another filter.
const ALIKE: f64 = 0.9;

fn sample(name: &str) -> GrayImage {
    image::open(samples().join(name)).unwrap().into_luma8()
}

fn cxr(kind: Kind, arguments: &[&str]) -> Session {
    let mut command = CommandBuilder::new(CXR);
    command.arg(samples());
    command.args(arguments);
    Session::spawn_in(kind, ROWS, COLUMNS, command)
}

fn held(session: &Session) -> Vec<Picture> {
    pictures(&session.bytes.lock().unwrap())
}

/// The picture, once it is the only one.
fn wait_for_picture(session: &Session, of: &str) -> Picture {
    let original = sample(of);
    let alike = |picture: &Picture| similarity(&picture.pixels, &original) > ALIKE;
    session.wait_for(
        &format!("the picture of {of}"),
        |session| matches!(&held(session)[..], [only] if alike(only)),
    );
    held(session).remove(0)
}

#[test]
fn kitty_gets_each_picture_and_none_is_left_at_the_end() {
    // Over a line that seems slow, a coarse picture would come between.
    let mut session = cxr(Kind::Kitty, &["--coarse-above", "0"]);
    let first = wait_for_picture(&session, "clear_1.png");
    assert!(!first.is_virtual);
    // At most the pixels of the cells, 10 × 20 each: no picture is scaled up before it is sent.
    assert!(first.pixels.width() <= u32::from(first.columns) * 10);
    assert!(first.pixels.height() <= u32::from(first.rows) * 20);
    assert!(first.rows > 20, "{} rows", first.rows);

    session.press("j");
    let second = wait_for_picture(&session, "clear_2.jpg");
    assert_ne!(
        second.id, first.id,
        "the old one stays until the new one is complete"
    );

    session.press("?");
    session.wait_for_text("half a page down");
    session.wait_for("the picture to go", |session| held(session).is_empty());
    session.press("x");
    wait_for_picture(&session, "clear_2.jpg");

    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    session.wait_until_restored();
    assert!(held(&session).is_empty());
    let written = session.bytes.lock().unwrap().clone();
    let written = String::from_utf8_lossy(&written);
    let (deleted, left) = (written.rfind("a=d"), written.rfind("\x1b[?1049l"));
    assert!(
        deleted < left,
        "pictures are deleted before the screen is left"
    );
}

/// The terminal answers after the probe has timed out.
#[test]
fn a_late_answer_presses_no_key() {
    let session = cxr(Kind::Silent, &["--probe-timeout", "1"]);
    session.wait_for_text("clear_1.png");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    // As keys, its letters would move the cursor, mark the image, add a note and quit.
    session.press("\x1b_Gi=31;OK\x1b\\\x1bP>|quick(1.0)\x1b\\\x1b[6;20;10t");
    session.press("\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\\x1b[?62;4c");
    session.press("j");
    session.wait_for_text("clear_2.jpg · 8");
    session.wait_for_answer();
    let screen = session.screen();
    assert!(
        !screen.contains("note:") && !screen.contains("key image"),
        "{screen}"
    );
    assert!(
        screen
            .lines()
            .any(|line| line.contains("▸") && line.contains("clear_2.jpg"))
    );
}

/// Whether a sixel image was sent (`ESC P`, numbers, `q`).
fn has_sixel(session: &Session) -> bool {
    let bytes = session.bytes.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split("\x1bP").skip(1).any(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';');
        end.is_some_and(|end| rest[end..].starts_with('q'))
    })
}

/// A terminal that answered too late at the start is asked again by a key, which waits longer.
#[test]
fn a_terminal_that_is_asked_again_shows_what_it_can_and_no_key_is_lost() {
    let session = cxr(Kind::SlowSixel, &["--probe-timeout", "1"]);
    session.wait_for_text("clear_1.png");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.wait_for_answer();
    assert!(!has_sixel(&session));
    session.press("\x0c");
    // It is typed while the terminal is asked.
    session.press("j");
    session.wait_for("a sixel image", has_sixel);
    session.wait_for_text("clear_2.jpg · 8");
    let screen = session.screen();
    assert!(!screen.contains("did not answer"), "{screen}");

    // One that never answers keeps what it shows.
    let session = cxr(Kind::Silent, &["--probe-timeout", "1"]);
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.press("\x0c");
    session.wait_for_text("the terminal did not answer");
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    session.press("j");
    session.wait_for_text("clear_2.jpg · 8");
}

/// The placeholders on the screen: row and column in the picture, and the low byte of its number.
fn placeholders(session: &Session) -> Vec<(u16, u16, u32)> {
    // The first ones of kitty's rowcolumn-diacritics.txt.
    const MARKS: &str = "\u{305}\u{30D}\u{30E}\u{310}\u{312}\u{33D}\u{33E}\u{33F}\u{346}\u{34A}\
                         \u{34B}\u{34C}\u{350}\u{351}\u{352}\u{357}\u{35B}\u{363}\u{364}\u{365}\
                         \u{366}\u{367}\u{368}\u{369}\u{36A}\u{36B}\u{36C}\u{36D}\u{36E}\u{36F}\
                         \u{483}\u{484}\u{485}\u{486}\u{487}\u{592}\u{593}\u{594}\u{595}\u{597}\
                         \u{598}\u{599}\u{59C}\u{59D}\u{59E}\u{59F}\u{5A0}\u{5A1}\u{5A8}\u{5A9}\
                         \u{5AB}\u{5AC}\u{5AF}\u{5C4}\u{610}\u{611}\u{612}\u{613}\u{614}\u{615}\
                         \u{616}\u{617}\u{657}\u{658}\u{659}\u{65A}\u{65B}\u{65D}\u{65E}\u{6D6}";
    let number = |mark: char| MARKS.chars().position(|other| other == mark).unwrap() as u16;
    let parser = session.parser.lock().unwrap();
    let screen = parser.screen();
    let (rows, columns) = screen.size();
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .filter_map(|(row, column)| screen.cell(row, column))
        .filter_map(|cell| {
            let mut marks = cell.contents().strip_prefix('\u{10EEEE}')?.chars();
            let (row, column) = (number(marks.next()?), number(marks.next()?));
            let vt100::Color::Idx(low) = cell.fgcolor() else {
                panic!("the number is not in the colour: {:?}", cell.fgcolor());
            };
            // The high byte may have any of 255 values, so only its presence is checked.
            marks.next()?;
            Some((row, column, u32::from(low)))
        })
        .collect()
}

/// Whether the screen shows 99 % of the picture's cells, and hardly any other. Not all of them: when tmux joins
/// a character from two reads, this emulator sometimes does not replace the old one.
fn is_shown(session: &Session, picture: &Picture) -> bool {
    let id = picture.id & 0xff;
    let shown: HashSet<_> = placeholders(session).into_iter().collect();
    let all =
        (0..picture.rows).flat_map(|row| (0..picture.columns).map(move |column| (row, column)));
    let there = all.filter(|(row, column)| shown.contains(&(*row, *column, id)));
    let cells = usize::from(picture.rows) * usize::from(picture.columns);
    there.count() * 100 >= cells * 99 && shown.len() * 99 <= cells * 100
}

/// The same for the one picture that the terminal has. Its number changes if tmux has dropped it and it was
/// sent again.
fn shows_what_it_holds(session: &Session) -> bool {
    matches!(&held(session)[..], [only] if is_shown(session, only))
}

fn tmux_with_passthrough(name: &str) -> Option<Tmux> {
    let tmux = Tmux::start(name, "env PS1='ready> ' sh")?;
    tmux.run(&["set-option", "-g", "allow-passthrough", "on"]);
    // Only tmux 3.3 and later has this option.
    match tmux.ask("#{allow-passthrough}").as_str() {
        "1" | "on" => Some(tmux),
        _ => {
            skip::skip(format_args!(
                "tmux {} does not let pictures pass",
                tmux.ask("#{version}")
            ));
            None
        }
    }
}

fn attach(tmux: &Tmux, kind: Kind) -> Session {
    let mut command = CommandBuilder::new("tmux");
    command.args(["-L", &tmux.socket, "attach"]);
    Session::spawn_in(kind, ROWS, COLUMNS, command)
}

#[test]
fn inside_tmux_kitty_shows_the_picture_at_its_placeholders() {
    let Some(tmux) = tmux_with_passthrough("pixels") else {
        return;
    };
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    let title = tmux.ask("#{pane_title}");
    tmux.run(&[
        "send-keys",
        &format!("'{CXR}' '{}'", samples().display()),
        "Enter",
    ]);
    let first = wait_for_picture(&kitty, "clear_1.png");
    assert!(first.is_virtual, "tmux cannot show pictures at the cursor");
    kitty.wait_for("its placeholders", shows_what_it_holds);

    kitty.press("j");
    let second = wait_for_picture(&kitty, "clear_2.jpg");
    kitty.wait_for("the other placeholders", shows_what_it_holds);
    kitty.press("?");
    kitty.wait_for_text("half a page down");
    kitty.wait_for("the middle to be covered", |kitty| {
        placeholders(kitty).len() < usize::from(second.rows * second.columns) / 2
    });
    kitty.press("x");
    kitty.wait_for("the placeholders again", shows_what_it_holds);

    // Another window of tmux hides the text of the pane.
    tmux.run(&["new-window", "env PS1='other> ' sh"]);
    kitty.wait_for("another window", |kitty| placeholders(kitty).is_empty());
    tmux.run(&["last-window"]);
    kitty.wait_for("the window again", shows_what_it_holds);

    kitty.press("q");
    tmux.wait_for("ready>");
    kitty.wait_for("the picture to be deleted", |kitty| held(kitty).is_empty());
    kitty.wait_for("no placeholders", |kitty| placeholders(kitty).is_empty());
    assert_eq!(tmux.ask("#{pane_title}"), title);
    assert!(!tmux.run(&["capture-pane", "-p"]).contains("Gi="));
}

#[test]
fn another_terminal_that_is_attached_gets_what_it_can_show() {
    let Some(tmux) = tmux_with_passthrough("attach") else {
        return;
    };
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    tmux.run(&[
        "send-keys",
        &format!("'{CXR}' '{}'", samples().display()),
        "Enter",
    ]);
    wait_for_picture(&kitty, "clear_1.png");
    kitty.wait_for("its placeholders", shows_what_it_holds);
    tmux.run(&["detach-client"]);
    drop(kitty);

    // Of the same size, so that only the socket shows the change.
    let plain = attach(&tmux, Kind::Plain);
    plain.wait_for("blocks", |plain| {
        let screen = plain.screen();
        let blocks = screen.chars().filter(|c| is_block(&c.to_string()));
        placeholders(plain).is_empty() && blocks.count() > 400
    });
    assert!(held(&plain).is_empty());
    tmux.run(&["detach-client"]);
    drop(plain);

    let other = attach(&tmux, Kind::Kitty);
    wait_for_picture(&other, "clear_1.png");
    other.wait_for("its placeholders", shows_what_it_holds);
}

/// tmux drops output for a terminal that cannot keep up, and with it pictures.
#[test]
fn a_picture_that_tmux_has_dropped_is_sent_again() {
    // tmux does not always drop something, so there are five attempts.
    let mut attempts = (0..5).map_while(|_| is_dropped_and_sent_again());
    let Some(first) = attempts.next() else {
        return;
    };
    let has_dropped = first || attempts.any(|dropped| dropped);
    assert!(has_dropped, "tmux has dropped nothing");
}

/// Whether tmux has dropped anything; `None` without a tmux that passes pictures.
fn is_dropped_and_sent_again() -> Option<bool> {
    let tmux = tmux_with_passthrough("slow")?;
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    kitty.wait_for("the prompt", |session| {
        let bytes = session.bytes.lock().unwrap();
        bytes.windows(6).any(|six| six == b"ready>")
    });
    let stopped = kitty.gate.lock().unwrap();
    let command = format!("seq 100000; '{CXR}' '{}'", samples().display());
    tmux.run(&["send-keys", &command, "Enter"]);
    tmux.wait_for("Extent ");
    drop(stopped);
    wait_for_picture(&kitty, "clear_1.png");
    kitty.wait_for("its placeholders", shows_what_it_holds);
    Some(tmux.ask("#{client_discarded}") != "0")
}

/// The same picture twice in the same cells.
#[test]
fn a_coarse_picture_comes_first_with_that_option() {
    let session = cxr(Kind::Kitty, &["--coarse-above", "20"]);
    let count = |session: &Session| {
        let bytes = session.bytes.lock().unwrap();
        bytes.windows(3).filter(|three| three == b"a=T").count()
    };
    // Cells are ten pixels wide here. After a new layout a second coarse picture may come first.
    let is_coarse =
        |picture: &Picture| picture.pixels.width() * 2 <= u32::from(picture.columns) * 10 + 2;
    session.wait_for("a fine picture", |session| {
        let held = held(session);
        count(session) > 1 && held.len() == 1 && !is_coarse(&held[0])
    });
    let fine = wait_for_picture(&session, "clear_1.png");
    let written = session.bytes.lock().unwrap().clone();
    let last = written.windows(3).rposition(|three| three == b"a=T");
    // The bytes before the last transmission and its three introducing characters.
    let earlier = pictures(&written[..last.unwrap() - 3]);
    let [coarse] = &earlier[..] else {
        panic!("{} pictures before the last", earlier.len());
    };
    assert_eq!((coarse.columns, coarse.rows), (fine.columns, fine.rows));
    assert!(is_coarse(coarse), "{} wide", coarse.pixels.width());
    let small = sample("clear_1.png");
    assert!(similarity(&coarse.pixels, &small) > ALIKE);
}

#[test]
fn the_doctor_shows_the_line_of_configuration() {
    let Some(tmux) = Tmux::start("doctor", "env PS1='ready> ' sh") else {
        return;
    };
    let kitty = attach(&tmux, Kind::Kitty);
    tmux.wait_for("ready>");
    kitty.wait_for("the name of the client", |_| {
        let clients = tmux.run(&["list-clients", "-F", "#{client_termtype}"]);
        clients.contains("kitty(")
    });
    let doctor = |call: &str| {
        // The quotes distinguish the output from the typed command; the number is that of this call.
        let command = format!("clear; '{CXR}' doctor; echo en''d {call}");
        tmux.run(&["send-keys", &command, "Enter"]);
        tmux.wait_for(&format!("end {call}"))
    };
    let shut = doctor("one");
    assert!(
        shut.contains("quadrants") && shut.contains("kitty(0.41.1)"),
        "{shut}"
    );
    assert!(shut.contains("set -g allow-passthrough on"), "{shut}");
    tmux.run(&["set-option", "-g", "allow-passthrough", "on"]);
    if matches!(tmux.ask("#{allow-passthrough}").as_str(), "1" | "on") {
        let open = doctor("two");
        assert!(open.contains("images as kitty in tmux"), "{open}");
    }
}

#[test]
fn a_probe_time_that_is_not_a_number_is_refused() {
    let mut command = Command::new(CXR);
    let output = command
        .arg("doctor")
        .env("CXR_PROBE_MS", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CXR_PROBE_MS=soon"));
}
