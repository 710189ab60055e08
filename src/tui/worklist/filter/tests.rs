//! Filters are understood as they read, and no text breaks them.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::{
    Calibrated, Finding, InputCheck, LabelCard, OperatingPoint, Pathology, Prediction, Prevalence,
    Score, ScoreKind, Severity, SeverityLine, SeverityLineCard, Verdict,
};
use crate::tui::worklist::{EntryState, OpinionState};

const LABELS: [(&str, Question); 6] = [
    ("Pneumonia", Question::Presence),
    ("COVID-19", Question::Presence),
    ("Lung Opacity", Question::Presence),
    ("Lung Lesion", Question::Presence),
    ("Bacterial", Question::GivenPneumonia),
    ("COVID-19 given pneumonia", Question::GivenPneumonia),
];

fn terms() -> FilterTerms {
    let line = SeverityLine {
        slope: 1.0,
        intercept: 0.0,
    };
    let card = ModelCard {
        labels: LABELS
            .map(|(name, question)| LabelCard::new(name, question, None))
            .to_vec(),
        severity_line: Some(SeverityLineCard {
            label: "Pneumonia".into(),
            geographic_extent: line,
            opacity: line,
        }),
        ..ModelCard::default()
    };
    FilterTerms::new(&card, &Prevalences::default())
}

fn unread(path: &str) -> WorklistEntry {
    WorklistEntry {
        path: Arc::from(Path::new(path)),
        state: EntryState::Unread,
        opinion_state: None,
        content: None,
        stamp: None,
        has_header: false,
        is_outdated: false,
        disk: Default::default(),
        view: Default::default(),
        age: None,
    }
}

fn finding(label: &str, score: f32) -> Finding {
    Finding {
        label: Pathology(label.into()),
        question: Question::Presence,
        logit: 0.0,
        score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
        operating_point: Some(OperatingPoint(0.5)),
        sensitive_point: None,
        calibrated: None,
        conformal: None,
        factors: None,
    }
}

fn read(path: &str, findings: Vec<Finding>, input: InputCheck) -> WorklistEntry {
    let prediction = Prediction {
        content: Default::default(),
        findings,
        severity: None,
        input,
        model_sha256: String::new(),
        preprocess: String::new(),
        elapsed_ms: 0.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    };
    WorklistEntry {
        state: EntryState::Read(Box::new(prediction)),
        ..unread(path)
    }
}

fn judged(entry: WorklistEntry, verdict: Verdict) -> WorklistEntry {
    let mut state = OpinionState::default();
    state.opinion.verdict = Some(verdict);
    WorklistEntry {
        opinion_state: Some(Box::new(state)),
        ..entry
    }
}

fn is_match(text: &str, entry: &WorklistEntry) -> bool {
    let filter = WorklistFilter::new(text.into(), Some(&terms()));
    assert_eq!(filter.error(), None, "{text}");
    filter.is_match(
        entry,
        entry.opinion_state.as_deref(),
        &["".into()],
        Some(&terms()),
    )
}

fn understood(text: &str) -> String {
    match parse::parse(text, Some(&terms())) {
        Ok(expr) => expr.map(|expr| expr.to_string()).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_filter_is_understood_as_it_reads() {
    for (text, reading) in [
        ("", ""),
        ("  ", ""),
        ("ward3 im-00", "ward3 & im-00"),
        (
            "covid>0.5 & !reviewed & path:ward3",
            "COVID-19>0.5 & !reviewed & path:ward3",
        ),
        ("a b|c d", "a & b | c & d"),
        ("a & (b | !(c d))", "a & (b | !(c & d))"),
        ("a && b || c", "a & b | c"),
        ("PNEU >= 50 %", "Pneumonia>=0.5"),
        ("!covid<50%", "!COVID-19<0.5"),
        ("bact≤.25", "Bacterial<=0.25"),
        ("given>0.5", "\"COVID-19 given pneumonia\">0.5"),
        ("\"Lung Op\" > 0.7", "\"Lung Opacity\">0.7"),
        ("opacity>2 extent<3.5", "opacity>2 & extent<3.5"),
        ("path:\"ward 3\" \"a|b\"", "path:\"ward 3\" & \"a|b\""),
        ("a!b C:/x", "a!b & C:/x"),
    ] {
        assert_eq!(understood(text), reading, "{text}");
    }
}

#[test]
fn an_error_is_one_line_with_its_place() {
    for (text, error) in [
        ("covid>", "at 7: a number is missing here: 0.5 or 50%"),
        ("covid>x", "at 7: \"x\" is not a number: 0.5 or 50%"),
        ("covid>NaN", "at 7: \"NaN\" is not a number: 0.5 or 50%"),
        ("covid>50", "at 7: a score goes from 0 to 1: 0.5 or 50%"),
        ("extent>9", "at 8: extent goes from 0 to 8"),
        ("opacity>50%", "at 9: opacity goes from 0 to 6"),
        ("ä & flu>0.5", "at 5: no label is called flu"),
        ("lung>0.5", "at 1: lung may be Lung Opacity or Lung Lesion"),
        ("\"\">0.5", "at 1: a label is missing here"),
        (">0.5", "at 1: a label is missing here"),
        ("a &", "at 4: a word or a label is missing here"),
        ("a | | b", "at 5: a word or a label is missing here"),
        ("(a", "at 1: no ) for this ("),
        ("a)", "at 2: no ( for this )"),
        ("a \"b", "at 3: the quote is not closed"),
        ("path: x", "at 1: path: takes a part of a path"),
        (
            "covid=0.5",
            "at 6: compare with >, >=, < or <=; \"=\" in a name takes quotes",
        ),
    ] {
        assert_eq!(understood(text), error, "{text}");
    }
}

#[test]
fn without_severity_its_words_are_labels_and_without_a_model_every_name_is_valid() {
    let without = FilterTerms {
        has_severity: false,
        ..terms()
    };
    let parsed = |text, terms| parse::parse(text, terms).map(|expr| expr.unwrap().to_string());
    assert_eq!(
        parsed("opacity>0.2", Some(&without)).unwrap(),
        "\"Lung Opacity\">0.2"
    );
    let error = parsed("extent>2", Some(&without)).unwrap_err();
    assert!(error.to_string().contains("no severity"));
    assert_eq!(parsed("flu>2", None).unwrap(), "flu>2");
    let filter = WorklistFilter::new("flu<2 | !flu<2".into(), None);
    let entry = read("a.png", vec![finding("flu", 0.5)], InputCheck::Accepted);
    assert!(!filter.is_match(&entry, None, &[], None));
}

#[test]
fn an_image_without_a_value_matches_neither_side_of_a_comparison() {
    let refused = read("r.png", vec![], InputCheck::Refused(vec![]));
    let failed = WorklistEntry {
        state: EntryState::Failed("cut short".into()),
        ..unread("f.png")
    };
    for entry in [unread("u.png"), refused, failed] {
        for text in [
            "covid<=1",
            "covid>=0",
            "!covid>0.5",
            "extent<8",
            "!extent<8",
            "found",
            "!found",
        ] {
            assert!(!is_match(text, &entry), "{text}");
        }
        assert!(is_match("covid>0.5 | png", &entry));
        assert!(is_match("!(covid>0.5 & jpg)", &entry));
    }
}

#[test]
fn scores_severity_states_and_verdicts_can_be_combined() {
    let findings = || vec![finding("Pneumonia", 0.6), finding("COVID-19", 0.7)];
    let mut high = read("ward3/x.png", findings(), InputCheck::Caution(vec![]));
    if let EntryState::Read(prediction) = &mut high.state {
        prediction.severity = Some(Severity {
            geographic_extent: 3.1,
            opacity: 2.0,
            geographic_extent_error: None,
            opacity_error: None,
        });
    }
    for (text, expected) in [
        ("covid>0.5 & !reviewed & path:ward3", true),
        ("covid>=70%", true),
        ("covid>70%", false),
        ("pneu>0.5 | covid>0.5", true),
        ("pneu>0.65 covid>0.5", false),
        ("found caution read", true),
        ("refused | error | unread | ok", false),
        ("extent>3 & !opacity>2", true),
        ("path:caution", false),
        ("reviewed", false),
    ] {
        assert_eq!(is_match(text, &high), expected, "{text}");
    }
    let judged = judged(high, Verdict::Disagree);
    assert!(is_match("reviewed & DISAGREE & !agree", &judged));
    assert!(is_match(
        "!found",
        &read(
            "y.png",
            vec![finding("Pneumonia", 0.2)],
            InputCheck::Accepted
        )
    ));
}

/// Odds of 9 at 50 % are odds of 9/19 at 5 %: 0.32.
#[test]
fn scores_are_compared_as_they_are_shown() {
    let half = Prevalence::new(0.5).unwrap();
    let calibrated = Finding {
        calibrated: Some(Calibrated {
            log_odds: 9_f64.ln(),
            prevalence: half,
        }),
        ..finding("COVID-19", 0.9)
    };
    let entry = read("a.png", vec![calibrated], InputCheck::Accepted);
    let mut assumed = Prevalences::default();
    let card = ModelCard {
        labels: vec![LabelCard {
            calibration: Some(crate::domain::Calibration {
                slope: 1.0,
                intercept: 0.0,
                prevalence: half,
            }),
            ..LabelCard::new("COVID-19", Question::Presence, None)
        }],
        ..ModelCard::default()
    };
    for (assumption, expected) in [("COVID-19=50%", true), ("COVID-19=5%", false)] {
        assumed.assume(&card, assumption).unwrap();
        let terms = FilterTerms::new(&card, &assumed);
        let filter = WorklistFilter::new("covid>0.5".into(), Some(&terms));
        assert_eq!(
            filter.is_match(&entry, None, &[], Some(&terms)),
            expected,
            "{assumption}"
        );
    }
}

/// A score that the screen does not show matches neither side of a comparison, and a score that it limits is
/// compared with the limit.
#[test]
fn a_filter_uses_scores_as_the_screen_shows_them() {
    let cause = Finding {
        question: Question::GivenPneumonia,
        operating_point: None,
        ..finding("COVID-19 given pneumonia", 0.959)
    };
    let calibrated = |label, score: f32| Finding {
        calibrated: Some(Calibrated {
            log_odds: crate::domain::prevalence::log_odds(score.into()),
            prevalence: Prevalence::new(0.5).unwrap(),
        }),
        ..finding(label, score)
    };
    let entry = |pneumonia, covid| {
        let alone = [
            calibrated("Pneumonia", pneumonia),
            calibrated("COVID-19", covid),
        ];
        let findings = alone.into_iter().chain([cause.clone()]).collect();
        read("a.png", findings, InputCheck::Accepted)
    };
    let (denied, ill) = (entry(0.2, 0.9), entry(0.908, 0.998));
    for (text, of_denied, of_ill) in [
        ("found", false, true),
        ("!found", true, false),
        ("covid>0.5", false, true),
        ("!covid>0.5", false, false),
        ("covid>0.95", false, false),
        ("given>0.5", false, true),
        ("given<=0.5", false, false),
        ("pneu>0.1", true, true),
    ] {
        assert_eq!(is_match(text, &denied), of_denied, "{text}");
        assert_eq!(is_match(text, &ill), of_ill, "{text}");
    }
}

#[test]
fn a_word_is_completed_as_far_as_all_candidates_agree() {
    let completed = |text: &str| {
        let completion = complete(text, Some(&terms()))?;
        Some((completion.text, completion.candidates.len()))
    };
    for (text, expected) in [
        ("pneu", Some(("Pneumonia", 1))),
        ("a & !rev", Some(("a & !reviewed", 1))),
        ("(un", Some(("(un", 3))),
        ("unr", Some(("unre", 2))),
        ("cov", Some(("COVID-19", 2))),
        ("giv", Some(("\"COVID-19 given pneumonia\"", 1))),
        ("lu", Some(("\"Lung ", 2))),
        ("\"Lung o", Some(("\"Lung Opacity\"", 1))),
        ("pat", Some(("path:", 1))),
        ("covid>0", None),
        ("path:co", None),
        ("path:\"co", None),
        ("reviewed", None),
        ("qqq", None),
        ("", None),
    ] {
        let expected = expected.map(|(text, n)| (text.to_owned(), n));
        assert_eq!(completed(text), expected, "{text}");
    }
}

#[test]
fn depth_is_limited_and_length_is_not() {
    for deep in [
        "(".repeat(100_000),
        "!".repeat(100_000),
        "(!".repeat(50_000),
    ] {
        assert!(understood(&deep).contains("too many"));
    }
    let long = "a ".repeat(100_000);
    assert!(is_match(&long, &unread("a.png")));
    let chain = format!("{}b", "b|".repeat(100_000));
    assert!(!is_match(&chain, &unread("a.png")));
}

fn term() -> impl Strategy<Value = Expr> {
    let value = prop_oneof![
        proptest::sample::select(&LABELS[..])
            .prop_map(|(label, _)| FilterValue::Score(label.into())),
        Just(FilterValue::Extent),
        Just(FilterValue::Opacity),
    ];
    let operator = proptest::sample::select(vec![
        Operator::Greater,
        Operator::AtLeast,
        Operator::Less,
        Operator::AtMost,
    ]);
    let words: Vec<&str> = STATES.iter().chain(&REVIEWS).copied().collect();
    prop_oneof![
        any::<String>().prop_map(Expr::Word),
        any::<String>().prop_map(Expr::Path),
        proptest::sample::select(words).prop_map(|word| Expr::Word(word.into())),
        "[ab]{1,2}".prop_map(Expr::Word),
        "(path:|!|\"|\\\\|%|=| ){0,3}[ab]?".prop_map(Expr::Word),
        (value, operator, 0.0_f32..=1.0).prop_map(|(v, o, b)| Expr::Compare(v, o, b)),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    term().prop_recursive(5, 40, 4, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            several().prop_map(Expr::All),
            several().prop_map(Expr::Any),
        ]
    })
}

fn entry() -> impl Strategy<Value = WorklistEntry> {
    let score = 0.0_f32..=1.0;
    let verdict = proptest::sample::select(vec![
        None,
        Some(Verdict::Agree),
        Some(Verdict::Disagree),
        Some(Verdict::Unsure),
    ]);
    (0..4, "[ab]{1,3}", score, verdict).prop_map(|(kind, name, score, verdict)| {
        let entry = match kind {
            0 => unread(&name),
            1 => read(&name, vec![], InputCheck::Refused(vec![])),
            2 => WorklistEntry {
                state: EntryState::Failed("cut short".into()),
                ..unread(&name)
            },
            _ => {
                let findings = vec![
                    finding("Pneumonia", score),
                    finding("COVID-19", 1.0 - score),
                ];
                read(&name, findings, InputCheck::Accepted)
            }
        };
        match verdict {
            Some(verdict) => judged(entry, verdict),
            None => entry,
        }
    })
}

fn not(expr: &Expr) -> Expr {
    Expr::Not(Box::new(expr.clone()))
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text: String, likely in "([ab!&|()<>=≤%\"\\\\ ]|path:|covid|0\\.5|reviewed){0,24}") {
        for text in [text, likely] {
            for terms in [Some(&terms()), None] {
                match parse::parse(&text, terms) {
                    Ok(Some(expr)) => {
                        let again = parse::parse(&expr.to_string(), terms);
                        prop_assert_eq!(again, Ok(Some(expr)));
                    }
                    Ok(None) => prop_assert!(text.trim().is_empty()),
                    Err(error) => {
                        prop_assert!(text.is_char_boundary(error.at), "{error}");
                        prop_assert!(!error.to_string().contains('\n') || text.contains('\n'));
                    }
                }
                if let Some(completion) = complete(&text, terms) {
                    prop_assert!(!completion.candidates.is_empty());
                }
            }
        }
    }

    #[test]
    fn an_expression_is_printed_so_that_it_is_parsed_again(expr in expr()) {
        let text = expr.to_string();
        prop_assert_eq!(parse::parse(&text, Some(&terms())), Ok(Some(expr)), "{}", text);
    }

    #[test]
    fn de_morgan(a in expr(), b in expr(), entry in entry()) {
        let terms = terms();
        let candidate = Candidate::new(&entry, None, &[], Some(&terms));
        let (all, any) = (Expr::All, Expr::Any);
        let neither = not(&any(vec![a.clone(), b.clone()]));
        prop_assert_eq!(candidate.is(&neither), candidate.is(&all(vec![not(&a), not(&b)])));
        let not_both = not(&all(vec![a.clone(), b.clone()]));
        prop_assert_eq!(candidate.is(&not_both), candidate.is(&any(vec![not(&a), not(&b)])));
        prop_assert_eq!(candidate.is(&not(&not(&a))), candidate.is(&a));
    }
}
