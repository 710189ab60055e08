//! Order, filter and selection.

use super::*;
use crate::domain::{
    BlindedReading, Calibrated, Finding, InputCheck, LabelCard, ModelCard, OperatingPoint, Opinion,
    OpinionChange, Pathology, Prevalence, Prevalences, Question, Score, ScoreKind, Verdict,
};
use crate::library::Touched;
use crate::tui::model_choice::ModelChoice;

fn path(name: &str) -> Arc<Path> {
    Arc::from(Path::new(name))
}

/// A content id made from a number.
pub fn id(number: u8) -> ContentId {
    ContentId::from_digest([number; 32])
}

fn scored(value: f32) -> EntryState {
    read(ContentId::default(), value)
}

/// An answer for an image.
pub fn read(content: ContentId, value: f32) -> EntryState {
    EntryState::Read(Box::new(Prediction {
        content,
        findings: vec![Finding {
            label: Pathology("COVID-19".into()),
            question: Question::Presence,
            logit: 0.0,
            score: Score::new(value, ScoreKind::Sigmoid).unwrap(),
            operating_point: None,
            sensitive_point: None,
            calibrated: None,
            conformal: None,
            factors: None,
        }],
        severity: None,
        input: InputCheck::Accepted,
        model_sha256: String::new(),
        preprocess: String::new(),
        elapsed_ms: 0.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }))
}

fn names(list: &Worklist) -> Vec<String> {
    (0..list.len())
        .map(|i| list.row(i).unwrap().name())
        .collect()
}

fn list() -> Worklist {
    let mut list = Worklist::default();
    list.set_roots(vec!["".into()]);
    list.add(["w/a.png", "w/b.png", "v/c.png", "v/d.png"].map(path));
    list
}

#[test]
fn sorting_by_score_puts_the_highest_first_and_unknown_scores_last() {
    let mut list = list();
    list.record(Path::new("w/b.png"), scored(0.2));
    list.record(Path::new("v/d.png"), scored(0.9));
    list.set_sort(Sort::Score("COVID-19".into()));
    assert_eq!(names(&list), ["d.png", "b.png", "a.png", "c.png"]);
    assert_eq!(list.read(), 2);
}

#[test]
fn the_cursor_stays_on_its_image_through_sorting_and_filtering() {
    let mut list = list();
    list.go_to(3);
    list.record(Path::new("v/d.png"), scored(0.9));
    list.set_sort(Sort::Score("COVID-19".into()));
    assert_eq!(list.selected().unwrap().name(), "d.png");
    list.set_filter("V/".into());
    assert_eq!(names(&list), ["d.png", "c.png"]);
    assert_eq!(list.selected().unwrap().name(), "d.png");
    list.set_filter("nothing is called this".into());
    assert!(list.is_empty() && list.selected().is_none());
    list.set_filter(String::new());
    assert_eq!(list.len(), 4);
}

#[test]
fn after_a_filter_that_nothing_matched_the_image_from_before_is_selected() {
    let mut list = Worklist::default();
    list.add(["a.png", "b.png", "c.png"].map(path));
    list.go_to(2);
    list.set_filter("nothing".into());
    assert!(list.selected().is_none());
    list.set_filter("nothing at all".into());
    list.set_filter(String::new());
    assert_eq!(list.selected().unwrap().name(), "c.png");
}

#[test]
fn a_filter_matches_states_too_and_new_files_obey_it() {
    let mut list = list();
    list.record(Path::new("w/a.png"), EntryState::Failed("cut short".into()));
    list.set_filter("error".into());
    assert_eq!(names(&list), ["a.png"]);
    list.set_filter("v".into());
    list.add(["v/new.png", "w/new.png"].map(path));
    assert_eq!(names(&list), ["c.png", "d.png", "new.png"]);
}

#[test]
fn a_filter_looks_below_the_folder_that_was_opened() {
    let mut list = Worklist::default();
    list.set_roots(vec!["/covid-study".into()]);
    list.add(["/covid-study/ward1/a.png", "/covid-study/covid/b.png"].map(path));
    list.set_filter("covid".into());
    assert_eq!(names(&list), ["b.png"]);
}

#[test]
fn reversed_by_score_the_lowest_comes_first_and_unknown_scores_still_last() {
    let mut list = list();
    list.record(Path::new("w/b.png"), scored(0.2));
    list.record(Path::new("v/d.png"), scored(0.9));
    list.set_sort(Sort::Score("COVID-19".into()));
    list.reverse();
    assert_eq!(names(&list)[..2], ["b.png", "d.png"]);
    list.record(Path::new("w/a.png"), scored(0.1));
    assert!(
        list.is_stale(),
        "the title shows it until the list is sorted again"
    );
}

#[test]
fn a_new_state_makes_a_filter_by_state_stale_and_one_by_name_not() {
    let mut list = list();
    list.set_filter("w/".into());
    list.record(Path::new("w/a.png"), scored(0.1));
    assert!(!list.is_stale());
    list.set_filter("unread".into());
    list.record(Path::new("w/b.png"), scored(0.1));
    assert!(list.is_stale());
}

#[test]
fn a_position_is_restored() {
    let mut list = list();
    list.go_to(2);
    let position = list.position();
    list.set_filter("w/a".into());
    assert_eq!(list.selected().unwrap().name(), "a.png");
    list.restore(position);
    assert_eq!(
        (list.len(), list.selected().unwrap().name().as_str()),
        (4, "c.png")
    );
}

#[test]
fn a_result_for_an_unknown_image_changes_nothing() {
    let mut list = list();
    list.record(Path::new("elsewhere.png"), scored(1.0));
    assert_eq!(list.read(), 0);
}

fn answer_with(findings: Vec<Finding>, input: InputCheck) -> EntryState {
    let EntryState::Read(prediction) = scored(0.0) else {
        unreachable!("it is read");
    };
    EntryState::Read(Box::new(Prediction {
        content: Default::default(),
        findings,
        input,
        ..*prediction
    }))
}

fn finding(label: &str, score: f32, point: Option<f32>) -> Finding {
    Finding {
        label: Pathology(label.into()),
        question: Question::Presence,
        logit: 0.0,
        score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
        operating_point: point.map(OperatingPoint),
        sensitive_point: None,
        calibrated: None,
        conformal: None,
        factors: None,
    }
}

fn answer(findings: &[(&str, f32, f32)]) -> EntryState {
    let findings = findings
        .iter()
        .map(|(label, s, p)| finding(label, *s, Some(*p)));
    answer_with(findings.collect(), InputCheck::Accepted)
}

#[test]
fn uncertain_images_come_first_and_those_without_an_operating_point_last() {
    let mut list = list();
    list.add(["z/e.png", "z/f.png"].map(path));
    // In ln odds, 0.1 is 2.2 from 0.5, and 0.02 is 0.7 from 0.01.
    list.record(
        Path::new("w/b.png"),
        answer(&[("COVID-19", 0.1, 0.5), ("Edema", 0.02, 0.01)]),
    );
    list.record(Path::new("v/c.png"), answer(&[("COVID-19", 0.45, 0.5)]));
    list.record(
        Path::new("v/d.png"),
        answer_with(vec![finding("COVID-19", 0.5, None)], InputCheck::Accepted),
    );
    list.record(Path::new("z/e.png"), answer(&[("COVID-19", 1.0, 0.5)]));
    list.set_sort(Sort::Uncertainty);
    assert_eq!(
        names(&list),
        ["c.png", "b.png", "e.png", "a.png", "d.png", "f.png"]
    );
    list.reverse();
    assert_eq!(
        names(&list),
        ["e.png", "b.png", "c.png", "a.png", "d.png", "f.png"]
    );
}

/// COVID-19 without pneumonia has no score on the screen, and none to sort by.
#[test]
fn rows_are_sorted_by_the_scores_that_are_shown() {
    let mut list = list();
    for (name, pneumonia, covid) in [("w/a", 0.2, 0.9), ("w/b", 0.9, 0.6), ("v/c", 0.9, 0.7)] {
        let both = [("Pneumonia", pneumonia), ("COVID-19", covid)];
        let findings = both.map(|(label, score)| finding(label, score, Some(0.5)));
        let path = format!("{name}.png");
        list.record(
            Path::new(&path),
            answer_with(findings.into(), InputCheck::Accepted),
        );
    }
    list.set_sort(Sort::Score("COVID-19".into()));
    assert_eq!(names(&list)[..2], ["c.png", "b.png"]);
    list.set_sort(Sort::Score("Pneumonia".into()));
    assert_eq!(names(&list)[..3], ["b.png", "c.png", "a.png"]);
}

#[test]
fn an_assumed_prevalence_does_not_change_the_uncertainty() {
    let half = Prevalence::new(0.5).unwrap();
    let calibrated = Finding {
        calibrated: Some(Calibrated {
            log_odds: 2.0,
            prevalence: half,
        }),
        ..finding("COVID-19", 0.880_797, Some(0.4))
    };
    let distance = |finding: &Finding| {
        let EntryState::Read(prediction) = answer_with(vec![finding.clone()], InputCheck::Accepted)
        else {
            unreachable!("it is read");
        };
        nearest(&prediction).unwrap().1
    };
    let moved = calibrated.assuming(Prevalence::new(0.01).unwrap());
    assert!((distance(&calibrated) - distance(&moved)).abs() < 1e-5);
}

#[test]
fn two_models_disagree_on_common_labels_relative_to_their_operating_points() {
    let [first, second] = ["first", "second"].map(|name| ModelChoice {
        name: name.into(),
        sha256: name.into(),
    });
    let mut list = list();
    list.record(Path::new("w/a.png"), answer(&[("COVID-19", 0.5, 0.5)]));
    list.record(
        Path::new("w/b.png"),
        answer(&[("COVID-19", 0.9, 0.5), ("Edema", 0.9, 0.5)]),
    );
    list.record(Path::new("v/c.png"), answer(&[("COVID-19", 0.9, 0.5)]));
    list.change_model(&first, &second);
    // Each model scores this one exactly at its operating point.
    list.record(Path::new("w/a.png"), answer(&[("COVID-19", 0.1, 0.1)]));
    list.record(
        Path::new("w/b.png"),
        answer(&[("COVID-19", 0.05, 0.1), ("Mass", 0.9, 0.5)]),
    );
    list.record(Path::new("v/c.png"), answer(&[("Mass", 0.9, 0.5)]));
    list.record(Path::new("v/d.png"), answer(&[("COVID-19", 0.9, 0.5)]));
    list.set_sort(Sort::Disagreement);
    assert_eq!(names(&list), ["b.png", "a.png", "c.png", "d.png"]);
    let (finding, by) = list.disagreement(0).unwrap();
    // 0.9 of 0.5 is 0.9, and 0.05 of 0.1 is 0.25.
    assert_eq!(finding.label.name(), "COVID-19");
    assert!((by - 0.65).abs() < 1e-6, "{by}");
    assert!(list.disagreement(1).unwrap().1 < 1e-6);
    assert!(list.disagreement(2).is_none() && list.disagreement(3).is_none());
}

#[test]
fn unreviewed_images_come_first_and_a_new_verdict_makes_that_order_stale() {
    let mut list = list();
    let verdict = |list: &mut Worklist, name: &str, verdict| {
        let opinion = Opinion {
            verdict: Some(verdict),
            ..Opinion::default()
        };
        let content = ContentId::default();
        list.set_opinion(Path::new(name), content, &OpinionChange::to(&opinion));
    };
    verdict(&mut list, "w/a.png", Verdict::Agree);
    verdict(&mut list, "w/b.png", Verdict::Unsure);
    list.set_sort(Sort::Review);
    assert_eq!(names(&list), ["c.png", "d.png", "b.png", "a.png"]);
    verdict(&mut list, "v/c.png", Verdict::Disagree);
    assert!(list.is_stale());
    list.set_sort(Sort::Review);
    assert_eq!(names(&list), ["d.png", "b.png", "c.png", "a.png"]);
}

#[test]
fn the_next_unreviewed_image_is_one_that_can_be_judged() {
    let mut list = list();
    list.record(Path::new("w/b.png"), EntryState::Failed("damaged".into()));
    list.record(
        Path::new("v/c.png"),
        EntryState::NoPicture("a report".into()),
    );
    assert_eq!(list.next_unreviewed(), Some(3));
    for name in ["w/a.png", "v/d.png"] {
        let opinion = Opinion {
            verdict: Some(Verdict::Agree),
            ..Opinion::default()
        };
        list.set_opinion(Path::new(name), id(1), &OpinionChange::to(&opinion));
    }
    assert_eq!((list.next_unreviewed(), list.not_to_be_judged()), (None, 2));
}

/// The files whose times are requested now.
fn requested(list: &mut Worklist) -> Vec<u32> {
    let files = list
        .request_times()
        .map_or_else(Vec::new, |undated| undated.0);
    files.into_iter().map(|(index, _)| index).collect()
}

#[test]
fn a_file_that_was_written_to_has_its_time_asked_for_again() {
    let mut list = list();
    list.set_sort(Sort::Time);
    requested(&mut list);
    list.set_times(
        (0..)
            .zip([Some(1.0), Some(2.0), Some(3.0), Some(4.0)])
            .collect(),
    );
    let touched = |name: &str, exists| {
        vec![Touched {
            path: path(name),
            exists,
            stamp: None,
            unread: None,
        }]
    };
    let order = names(&list);
    list.apply_disk_changes(touched("w/a.png", true));
    assert_eq!(requested(&mut list), [0]);
    list.set_times(vec![(0, Some(1.0))]);
    assert!(!list.is_stale(), "it is where it was");
    list.apply_disk_changes(touched("w/a.png", true));
    list.apply_disk_changes(touched("v/d.png", false));
    assert_eq!(requested(&mut list), [0, 3]);
    list.set_times(vec![(0, Some(9.0)), (3, None)]);
    assert!(list.is_stale());
    assert_eq!(
        names(&list),
        order,
        "rows stay until the reader sorts again"
    );
    list.set_sort(Sort::Time);
    assert_eq!(names(&list), ["b.png", "c.png", "a.png", "d.png"]);
    // Under another order nothing has a place to keep.
    list.set_sort(Sort::Name);
    list.apply_disk_changes(touched("w/b.png", true));
    list.set_sort(Sort::Time);
    assert_eq!(requested(&mut list), [1]);
    list.set_times(vec![(1, Some(5.0))]);
    assert_eq!(names(&list), ["c.png", "b.png", "a.png", "d.png"]);
    list.date_all_again();
    assert_eq!(requested(&mut list), [0, 1, 2, 3]);
}

#[test]
fn times_are_requested_once_and_files_without_one_come_last() {
    let mut list = list();
    assert!(
        list.request_times().is_none(),
        "the list is not sorted by time"
    );
    list.set_sort(Sort::Time);
    assert_eq!(requested(&mut list), [0, 1, 2, 3]);
    list.add(["new.png"].map(path));
    assert_eq!(requested(&mut list), [4]);
    assert!(list.request_times().is_none());
    list.set_times(vec![(4, Some(15.0))]);
    let times = [Some(30.0), None, Some(10.0), Some(20.0)];
    list.set_times((0..).zip(times).collect());
    assert_eq!(
        names(&list),
        ["c.png", "new.png", "d.png", "a.png", "b.png"]
    );
    list.reverse();
    assert_eq!(
        names(&list),
        ["a.png", "d.png", "new.png", "c.png", "b.png"]
    );
}

#[test]
fn each_image_is_counted_once_after_its_state_has_changed() {
    let mut list = list();
    let refused = || answer_with(vec![], InputCheck::Refused(vec!["no chest".into()]));
    list.record(Path::new("w/a.png"), EntryState::Failed("cut short".into()));
    list.record(Path::new("w/b.png"), refused());
    list.record(Path::new("v/c.png"), scored(0.5));
    let counts = WorklistCounts {
        read: 3,
        refused: 1,
        failed: 1,
        skipped: 0,
    };
    assert_eq!(list.counts(), counts);
    list.record(Path::new("w/a.png"), refused());
    list.record(Path::new("w/a.png"), EntryState::Failed("gone".into()));
    assert_eq!(list.counts(), counts);
    let [first, second] = ["first", "second"].map(|name| ModelChoice {
        name: name.into(),
        sha256: name.into(),
    });
    list.change_model(&first, &second);
    assert_eq!(list.counts(), WorklistCounts::default());
    list.change_model(&second, &first);
    assert_eq!(list.counts(), counts);
}

#[test]
fn an_invalid_filter_changes_nothing_and_one_that_became_invalid_gives_the_reason() {
    let card = |label: &str| ModelCard {
        labels: vec![LabelCard::new(label, Question::Presence, None)],
        ..ModelCard::default()
    };
    let terms = |label: &str| FilterTerms::new(&card(label), &Prevalences::default());
    let mut list = list();
    list.record(Path::new("w/a.png"), scored(0.9));
    list.set_filter("covid>0.5".into());
    assert!(list.is_empty(), "no model is loaded");
    list.set_terms(terms("COVID-19"));
    assert!(
        list.is_stale() && list.is_empty(),
        "rows stay where they are"
    );
    list.set_filter("covid>0.5".into());
    assert_eq!(names(&list), ["a.png"]);
    list.set_filter("covid>0.5 &".into());
    assert_eq!((list.filter(), list.len()), ("covid>0.5", 1));
    assert!(list.check("covid>0.5 &").is_err() && list.check("covid<0.5").is_ok());
    assert_eq!(list.understood_filter().as_deref(), Some("COVID-19>0.5"));
    list.set_terms(terms("Edema"));
    assert!(list.filter_error().unwrap().to_string().contains("covid"));
}

/// Three files of one image, of which the last one is not read yet.
fn equal_films() -> Worklist {
    let mut list = Worklist::default();
    list.add(["a", "b", "c"].map(path));
    for name in ["a", "b"] {
        list.record(&path(name), read(id(1), 0.9));
    }
    list
}

fn are_hidden(list: &Worklist) -> [bool; 3] {
    [0, 1, 2].map(|row| list.is_hidden(list.row(row).unwrap()))
}

fn called() -> Opinion {
    Opinion {
        blinded: Some(BlindedReading::default()),
        ..Opinion::default()
    }
}

/// Its answer is shown once the call is in the log, and no sooner, wherever the film lies.
#[test]
fn in_blinded_reading_a_call_shows_the_answer_of_equal_films_once_it_is_saved() {
    for mode in [ReadingMode::Sequential, ReadingMode::Unaided] {
        let mut list = equal_films();
        list.read_for_study(mode);
        list.set_opinion(&path("a"), id(1), &OpinionChange::to(&called()));
        list.record(&path("c"), read(id(1), 0.9));
        assert_eq!(are_hidden(&list), [true; 3], "{mode:?}");
        assert_eq!(list.reviewed(), 3);
        list.confirm(&path("a"), id(1), called());
        let stays_hidden = mode == ReadingMode::Unaided;
        assert_eq!(are_hidden(&list), [stays_hidden; 3], "{mode:?}");
    }
}

/// What was said beside an answer would tell it, also in the row of a copy.
#[test]
fn in_blinded_reading_an_opinion_beside_an_answer_is_hidden_on_equal_films_too() {
    let mut list = equal_films();
    list.read_blinded(None);
    let flagged = Opinion {
        key_image: true,
        ..Opinion::default()
    };
    list.mark_answers_seen(vec![(path("a"), id(1), true)]);
    list.set_saved_opinions(vec![(path("a"), id(1), flagged.clone())]);
    list.record(&path("c"), read(id(1), 0.9));
    for row in 0..3 {
        assert_eq!(list.row(row).unwrap().opinion(), flagged);
        assert!(list.shown_opinion(row).is_none() && list.was_answer_seen(row));
    }
}

/// A copy that was written to may hold another patient's film.
#[test]
fn a_verdict_does_not_reach_a_file_that_may_hold_another_image_by_now() {
    let mut list = equal_films();
    list.record(&path("c"), read(id(1), 0.9));
    let touched = Touched {
        path: path("b"),
        exists: true,
        stamp: None,
        unread: None,
    };
    list.apply_disk_changes(vec![touched]);
    let agreed = Opinion {
        verdict: Some(Verdict::Agree),
        ..Opinion::default()
    };
    list.set_opinion(&path("a"), id(1), &OpinionChange::to(&agreed));
    let verdicts = |list: &Worklist| [0, 1, 2].map(|row| list.row(row).unwrap().verdict());
    let agree = Some(Verdict::Agree);
    assert_eq!(verdicts(&list), [agree, None, agree]);
    list.record(&path("b"), read(id(2), 0.9));
    list.confirm(&path("a"), id(1), agreed.clone());
    assert_eq!(verdicts(&list), [agree, None, agree]);
    // It holds the same image again.
    list.record(&path("b"), read(id(1), 0.9));
    assert_eq!(verdicts(&list), [agree; 3]);
    assert_eq!(list.reviewed(), 3);
}
