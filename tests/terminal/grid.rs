//! The grid in a real terminal.

use std::fs;
use std::path::Path;

use portable_pty::CommandBuilder;

use crate::session::{Kind, Session, is_block};
use crate::{CXR, samples};

/// A folder with so many links to the samples, and a file that is no film.
fn folder_of(links: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut films: Vec<_> = fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "png"))
        .collect();
    films.sort();
    for (n, film) in (0..links).zip(films.iter().cycle()) {
        let link = folder.path().join(format!("{n:04}.png"));
        std::os::unix::fs::symlink(film, link).unwrap();
    }
    fs::write(folder.path().join("0002z.png"), b"\x89PNG\r\n\x1a\nno film").unwrap();
    folder
}

fn start(kind: Kind, folder: &Path) -> Session {
    let mut command = CommandBuilder::new(CXR);
    command.arg(folder);
    // Each picture is sent once: over a line that seems slow, a coarse one would come first.
    command.args(["--no-background", "--coarse-above", "0"]);
    let session = Session::spawn_in(kind, 24, 80, command);
    session.wait_for_answer();
    session
}

/// Cells with a part of a picture within a tile of the grid: four columns of 20 cells, two rows of 11.
fn painted(session: &Session, tile: u16) -> usize {
    let parser = session.parser.lock().unwrap();
    let (row, column) = (1 + 11 * (tile / 4), 20 * (tile % 4));
    let cells = (row..row + 11).flat_map(|row| (column..column + 20).map(move |col| (row, col)));
    cells
        .filter_map(|(row, col)| parser.screen().cell(row, col))
        .filter(|cell| is_block(cell.contents()))
        .count()
}

#[test]
fn the_grid_shows_pictures_scrolls_and_opens_an_image() {
    let folder = folder_of(60);
    let mut session = start(Kind::Silent, folder.path());
    session.press("#");
    session.wait_for_text("Grid 61");
    session.wait_for("the pictures of the page", |session| {
        (0..8).all(|tile| tile == 3 || painted(session, tile) > 20)
    });
    assert_eq!(painted(&session, 3), 0, "{}", session.screen());
    session.wait_for("the reason in place of a picture", |session| {
        session.screen().contains('✗')
    });
    session.press("\x1b[6~");
    session.wait_for_text("0007.png");
    session.wait_for("the next page", |session| {
        (0..8).all(|tile| painted(session, tile) > 20)
    });
    session.press("\x1b[F");
    session.wait_for_text("61/61");
    session.press("\r");
    session.wait_for("the image", |session| {
        session.screen().contains("Worklist 61") && session.painted_cells() > 100
    });
    session.wait_for_cursor("0059.png");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    assert!(
        !session.screen().contains("This sitting"),
        "nothing was reviewed"
    );
}

/// In kitty each picture is sent once, and all are deleted at the end.
#[test]
fn kitty_gets_each_picture_once_and_none_stays() {
    let folder = folder_of(12);
    let mut session = start(Kind::Kitty, folder.path());
    let sent = |session: &Session, escape: &str| {
        let bytes = session.bytes.lock().unwrap();
        String::from_utf8_lossy(&bytes).matches(escape).count()
    };
    session.press("#");
    session.wait_for_text("Grid 13");
    session.wait_for("the pictures of the page", |session| {
        sent(session, "\x1b_Ga=p,") >= 7
    });
    let first = sent(&session, "\x1b_Ga=t,");
    session.press("\x1b[F");
    session.wait_for("the last page", |session| sent(session, "\x1b_Ga=t,") >= 12);
    session.press("\x1b[H");
    session.wait_for_text("1/13");
    session.wait_for("the first page again", |session| {
        sent(session, "\x1b_Ga=p,") >= 7 + 8 + 3
    });
    assert!(first >= 7 && sent(&session, "\x1b_Ga=t,") == 12);
    session.press("\r");
    session.wait_for_text("Worklist 13");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    assert!(sent(&session, "\x1b_Ga=d,d=I,i=") >= 12);
}

/// The summary of the sitting is on the shell's screen, and says nothing of the patient or the file.
#[test]
fn a_sitting_with_a_verdict_ends_with_a_summary() {
    let mut session = start(Kind::Silent, &samples());
    session.press("a");
    session.wait_for("the mark of the verdict", |session| {
        session.screen().contains('✓')
    });
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    session.wait_for_text("This sitting: 1 image seen, 1 reviewed");
    session.wait_for_text("1 agree · 0 disagree · 0 unsure");
    session.wait_for_text("time an image");
    assert!(!session.screen().contains(".png"), "{}", session.screen());
}
