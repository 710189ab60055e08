//! Returning to a folder.

use super::*;
use crate::domain::{Opinion, OpinionChange, Verdict};
use crate::store::{Bookmark, News, Request};
use crate::tui::model::Session;
use crate::tui::update::session::begin;
use crate::tui::worklist::Sort;

fn mark(selected: &str, row: usize) -> Bookmark {
    Bookmark {
        selected: Some(PathBuf::from("/none/ward").join(selected)),
        row,
        sort: Sort::Name.key(),
        ..Bookmark::default()
    }
}

/// A screen over the folder `/none/ward`, before anything is found.
fn back_at(mark: Option<Bookmark>) -> Model {
    let mut model = empty_model();
    begin(&mut model, Session::new(&["/none/ward".into()]), mark);
    model
}

fn find(model: &mut Model, names: &[&str]) -> Vec<Effect> {
    let images = names.iter().map(|name| path(&place(name))).collect();
    let problems = vec![];
    update(model, Message::Found { images, problems })
}

fn place(name: &str) -> String {
    format!("/none/ward/{name}")
}

fn load(model: &mut Model) -> Vec<Effect> {
    update(
        model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    )
}

/// The bookmark that is saved.
fn saved(effects: &[Effect]) -> Option<&Bookmark> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Ask(Request::Mark(_, mark)) => Some(mark),
        _ => None,
    })
}

#[test]
fn the_image_is_selected_as_soon_as_it_is_found() {
    let mut model = back_at(Some(mark("d.png", 3)));
    let effects = find(&mut model, &["a.png", "b.png"]);
    assert_eq!(selected(&model), "a.png");
    assert_eq!(
        saved(&effects),
        None,
        "the earlier bookmark is kept meanwhile"
    );
    let effects = find(&mut model, &["c.png", "d.png"]);
    assert_eq!(selected(&model), "d.png");
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Select(job) => Some(job.source.clone()),
        _ => None,
    });
    assert_eq!(asked, Some(path(&place("d.png"))));
    let effects = update(&mut model, Message::ScanFinished);
    assert_eq!(saved(&effects), Some(&mark("d.png", 3)));
}

#[test]
fn if_the_image_is_gone_its_row_is_selected() {
    let mut model = back_at(Some(mark("gone.png", 1)));
    find(&mut model, &["a.png", "b.png", "c.png"]);
    assert_eq!(selected(&model), "a.png");
    update(&mut model, Message::ScanFinished);
    assert_eq!(selected(&model), "b.png");
}

#[test]
fn a_reader_who_has_moved_stays_where_they_are() {
    let mut model = back_at(Some(mark("d.png", 3)));
    find(&mut model, &["a.png", "b.png"]);
    let effects = press(&mut model, "j");
    assert_eq!(saved(&effects), Some(&mark("b.png", 1)));
    find(&mut model, &["c.png", "d.png"]);
    update(&mut model, Message::ScanFinished);
    assert_eq!(selected(&model), "b.png");
}

#[test]
fn order_and_filter_are_restored_and_saved_when_they_change() {
    let mut model = back_at(Some(Bookmark {
        sort: Sort::Review.key(),
        reversed: true,
        filter: "ward & png".into(),
        ..mark("c.png", 0)
    }));
    find(&mut model, &["a.png", "b.png", "c.png", "d.jpg"]);
    load(&mut model);
    update(&mut model, Message::ScanFinished);
    update(&mut model, Message::Review(News::LookedUp(4)));
    let list = &model.worklist;
    assert_eq!((list.sort(), list.is_reversed()), (&Sort::Review, true));
    assert_eq!((list.filter(), list.len()), ("ward & png", 3));
    assert_eq!(selected(&model), "c.png");
    let words = "as you left it: by review, reversed, filter ward & png";
    assert_eq!(model.notice.as_deref(), Some(words));

    let typed = press(&mut model, "/ c");
    assert_eq!(
        saved(&typed),
        None,
        "a filter that is being typed does not count"
    );
    let kept = press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(saved(&kept).unwrap().filter, "ward & png c");
    let turned = press(&mut model, "S");
    assert!(!saved(&turned).unwrap().reversed);
    let again = update(&mut model, Message::Tick);
    assert_eq!(saved(&again), None);
}

/// Answers from the prediction cache arrive after the files.
#[test]
fn a_list_sorted_by_answers_sorts_itself_until_the_reader_presses_a_key() {
    let names: Vec<String> = (0..40).map(|n| format!("{n:02}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let label = Sort::Score("Pneumonia".into());
    let mut model = back_at(Some(Bookmark {
        sort: label.key(),
        filter: "pneumonia>0.1".into(),
        ..mark("20.png", 7)
    }));
    find(&mut model, &names);
    load(&mut model);
    update(&mut model, Message::ScanFinished);
    assert_eq!((model.worklist.sort(), model.worklist.len()), (&label, 0));
    for (n, name) in names.iter().enumerate() {
        let state = EntryState::Read(prediction(n as f32 / 40.0));
        model.worklist.record(Path::new(&place(name)), state);
        update(&mut model, Message::Tick);
    }
    assert_eq!(selected(&model), "20.png");
    let rows = (0..model.worklist.len()).map(|row| model.worklist.row(row).unwrap().name());
    let expected: Vec<String> = names[5..]
        .iter()
        .rev()
        .map(|name| name.to_string())
        .collect();
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    assert!(model.session.wanted.is_none() && !model.worklist.is_stale());
}

/// The verdicts of the last session arrive after the files, too.
#[test]
fn a_list_of_unreviewed_images_continues_after_the_last_verdict() {
    let mut model = back_at(Some(Bookmark {
        filter: "!reviewed".into(),
        ..mark("c.png", 0)
    }));
    find(&mut model, &["a.png", "b.png", "c.png", "d.png", "e.png"]);
    load(&mut model);
    update(&mut model, Message::ScanFinished);
    let verdict = Opinion {
        verdict: Some(Verdict::Agree),
        ..Opinion::default()
    };
    let opinions = ["a.png", "b.png", "c.png"]
        .map(|name| (path(&place(name)), Default::default(), verdict.clone()));
    update(
        &mut model,
        Message::Review(News::Standing(opinions.to_vec())),
    );
    let effects = update(&mut model, Message::Review(News::LookedUp(5)));
    assert_eq!(
        (model.worklist.len(), selected(&model)),
        (2, "d.png".into())
    );
    assert_eq!(
        saved(&effects),
        Some(&Bookmark {
            filter: "!reviewed".into(),
            ..mark("d.png", 0)
        })
    );

    // The saved row is that of the list after its next arrangement, not of the list on the screen.
    let (d, verdict) = (place("d.png"), OpinionChange::to(&verdict));
    let content = Default::default();
    model.worklist.set_opinion(Path::new(&d), content, &verdict);
    let effects = press(&mut model, "j");
    assert_eq!(
        (selected(&model), model.worklist.cursor()),
        ("e.png".into(), 1)
    );
    assert_eq!(saved(&effects).unwrap().row, 0);
}

#[test]
fn what_the_model_does_not_understand_is_dropped_with_a_notice() {
    let mut model = back_at(Some(Bookmark {
        sort: Sort::Score("Hernia".into()).key(),
        filter: "hernia>0.5".into(),
        ..mark("b.png", 0)
    }));
    find(&mut model, &["a.png", "b.png"]);
    assert!(model.worklist.is_empty(), "nothing has that value");
    load(&mut model);
    let list = &model.worklist;
    assert_eq!(
        (list.sort(), list.filter(), list.len()),
        (&Sort::Name, "", 2)
    );
    assert_eq!(selected(&model), "b.png");
    let notice = model.notice.clone().unwrap();
    assert!(
        notice.contains("the order by Hernia") && notice.contains("the filter hernia>0.5"),
        "{notice}"
    );
}

#[test]
fn a_folder_under_another_name_is_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().canonicalize().unwrap();
    let link = folder.path().join("link");
    std::fs::create_dir(real.join("ward")).unwrap();
    std::os::unix::fs::symlink(real.join("ward"), &link).unwrap();
    let session = Session::new(&[link.clone(), "/none/a.png".into()]);
    assert_eq!(*session.folders, [real.join("ward"), "/none/a.png".into()]);
    let image = real.join("ward/3/a.png");
    assert_eq!(session.real(&link.join("3/a.png")), image);
    assert_eq!(session.given(&image), link.join("3/a.png"));
    assert_eq!(
        session.given(Path::new("/none/a.png")),
        PathBuf::from("/none/a.png")
    );
}
