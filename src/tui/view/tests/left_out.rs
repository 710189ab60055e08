//! Files of a folder that are not rows, and rows without a picture.

use std::ops::ControlFlow;

use super::*;
use crate::library::{UnreadFormat, WalkItem, scan};

/// Files with these names and the format of each, as a walk finds them.
fn unread(names: &[&str]) -> Vec<(Arc<Path>, UnreadFormat)> {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let mut found = Vec::new();
    scan(&[folder.path().to_owned()], |thing| {
        if let WalkItem::Unread { path, format } = thing {
            let name = path.file_name().unwrap();
            found.push((Path::new("ward").join(name).into(), format));
        }
        ControlFlow::Continue(())
    });
    found
}

/// A screen over one image, with files beside it that are not read.
fn model(size: (u16, u16), left_out: &[&str], problems: &[&str]) -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(size.0, size.1), "half-blocks");
    model.worklist.set_roots(vec!["ward".into()]);
    lay_out(&mut model);
    let images = vec![Arc::from(PathBuf::from("ward/a.png"))];
    let problems = problems.iter().map(|text| (*text).to_owned()).collect();
    update(&mut model, Message::LeftOut(unread(left_out)));
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    model
}

#[test]
fn files_that_are_not_read_are_counted_and_listed() {
    let names = ["b.jxl", "c.zip", "d.nii", "notes.txt"];
    for size in [(80, 24), (120, 35), (200, 50)] {
        let mut model = model(size, &names, &[]);
        let text = screen(&model);
        assert!(text.contains("3 files not read · ! lists them"), "{text}");
        press(&mut model, 'j');
        let text = screen(&model);
        assert!(
            text.lines().next().unwrap().contains("3 not read"),
            "{text}"
        );
        press(&mut model, '!');
        let text = screen(&model);
        for line in [
            "b.jxl: a JPEG XL image",
            "c.zip: a zip archive: unpack it first",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("notes.txt"), "{text}");
        press(&mut model, 'x');
        assert!(!screen(&model).contains("unpack"));
    }
}

#[test]
fn a_small_screen_counts_them_too_and_lists_problems_with_them() {
    let mut model = model((40, 15), &["b.rar"], &["ward/x: permission denied"]);
    let text = screen(&model);
    assert!(text.contains("2 not read · !"), "{text}");
    press(&mut model, '!');
    let text = screen(&model);
    assert!(text.contains("ward/x: permission denied"), "{text}");
    assert!(text.contains("b.rar: a RAR archive"), "{text}");
}

#[test]
fn where_every_file_is_a_row_there_is_no_notice() {
    let mut model = model((80, 24), &[], &[]);
    assert!(!screen(&model).contains("not read"));
    press(&mut model, '!');
    assert!(model.overlay.is_none());
    assert!(screen(&model).contains("no file was left out"));
}

#[test]
fn a_long_list_ends_with_the_number_of_the_rest_and_no_name_moves_the_cursor() {
    let mut model = model((120, 35), &["b\u{1b}[2J.zip"], &[]);
    let (_, format) = unread(&["a.zip"])[0];
    let more = (0..1_500).map(|n| (Path::new("ward").join(format!("{n:04}.zip")).into(), format));
    update(&mut model, Message::LeftOut(more.collect()));
    assert!(screen(&model).contains(&format!("{} not read", text::count(1_501))));
    press(&mut model, '!');
    let text = screen(&model);
    assert!(
        !text.contains('\u{1b}') && text.contains("0000.zip"),
        "{text}"
    );
    model.overlay = Some(Overlay::LeftOut { scroll: i32::MAX });
    assert!(screen(&model).contains("and 501 more"));
}

#[test]
fn a_file_without_a_picture_is_not_a_failure() {
    let mut model = model((120, 35), &[], &[]);
    let report = Failure::NoPicture("structured report".into());
    answer(&mut model, Err(report));
    let text = screen(&model);
    assert!(text.contains("no picture: structured report"), "{text}");
    assert!(text.contains("1 without picture"), "{text}");
    assert!(!text.contains("failed") && !text.contains('✗'), "{text}");
    model.worklist.set_filter("skipped".into());
    assert_eq!(model.worklist.len(), 1);
    model.worklist.set_filter("error".into());
    assert_eq!(model.worklist.len(), 0);
}
