//! A line that takes a few frames a second, as SSH from afar.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::samples;
use crate::session::Session;

const ROWS: u16 = 35;
const COLS: u16 = 120;
/// Movements of the mouse during a drag.
const MOVES: u16 = 60;
const END_OF_FRAME: &[u8] = b"\x1b[?2026l";

/// What is painted, and in which colours, but for the last line.
fn picture(session: &Session) -> Vec<String> {
    let parser = session.parser.lock().unwrap();
    let cells = (0..ROWS - 1).flat_map(|row| (0..COLS).map(move |column| (row, column)));
    let cells = cells.filter_map(|(row, column)| parser.screen().cell(row, column));
    cells
        .map(|cell| {
            format!(
                "{}{:?}{:?}",
                cell.contents(),
                cell.fgcolor(),
                cell.bgcolor()
            )
        })
        .collect()
}

/// A session with the image alone, zoomed.
fn zoomed() -> Session {
    let session = Session::start(ROWS, COLS, &[samples().join("clear_1.png")]);
    session.wait_for_answer();
    session.press("z");
    session.wait_for("the image alone", |session| {
        !session.screen().contains("Worklist") && session.painted_cells() > 400
    });
    session.press("+++");
    session.wait_for_text("2.0×");
    session
}

/// Drags the image by 20 cells to the left and 10 up.
fn drag(session: &Session) {
    session.press("\x1b[<0;60;18M");
    for n in 1..=MOVES {
        let (x, y) = (60 - n / 3, 18 - n / 6);
        session.press(&format!("\x1b[<32;{x};{y}M"));
        thread::sleep(Duration::from_millis(15));
    }
    session.press("\x1b[<0;40;8m");
}

fn frames(session: &Session) -> usize {
    let bytes = session.bytes.lock().unwrap();
    let windows = bytes.windows(END_OF_FRAME.len());
    windows.filter(|window| *window == END_OF_FRAME).count()
}

/// From now on, the terminal takes not more than 4 KiB each 50 ms.
fn narrow(session: &Session) {
    session.pause.store(50, Ordering::SeqCst);
}

/// Movements that the line has no time for are left out; the last one is not.
#[test]
fn a_drag_over_a_slow_line_ends_where_it_ends_over_a_fast_one() {
    let (fast, slow) = (zoomed(), zoomed());
    fast.wait_for("the same picture", |fast| picture(fast) == picture(&slow));
    let before = picture(&slow);
    drag(&fast);
    let frames_before = frames(&slow);
    narrow(&slow);
    drag(&slow);
    let drawn = frames(&slow) - frames_before;
    slow.wait_for("where the fast one is", |slow| {
        let picture = picture(slow);
        picture != before && picture == self::picture(&fast)
    });
    assert!(drawn < usize::from(MOVES) / 2, "{drawn} frames");
}
