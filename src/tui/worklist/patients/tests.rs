use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::domain::{Fingerprint, InputCheck, Issuer, Prediction, Severity};
use crate::tui::worklist::{EntryState, Sort, Worklist};

fn origin(patient: &str, study: &str, taken: &str) -> Origin {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Origin {
        patient: PatientIdentity {
            id: text(patient),
            ..PatientIdentity::default()
        },
        study: text(study),
        taken: text(taken),
    }
}

fn read(model: &str, extent: Option<f32>) -> EntryState {
    EntryState::Read(Box::new(Prediction {
        content: Default::default(),
        findings: vec![],
        severity: extent.map(|geographic_extent| Severity {
            geographic_extent,
            opacity: 1.0,
            geographic_extent_error: Some(1.0),
            opacity_error: None,
        }),
        input: InputCheck::Accepted,
        model_sha256: model.to_owned(),
        preprocess: String::new(),
        elapsed_ms: 0.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }))
}

/// Files a, b, c … with these origins, sorted by patient.
fn list(origins: &[Origin]) -> Worklist {
    let mut list = Worklist::default();
    let names = ('a'..).take(origins.len());
    list.add(names.map(|name| -> Arc<Path> { Path::new(&name.to_string()).into() }));
    for (index, origin) in (0..).zip(origins) {
        list.set_origin_at(index, origin.clone());
    }
    list.set_sort(Sort::Patient);
    list
}

fn order(list: &Worklist) -> String {
    (0..list.len())
        .map(|row| list.row(row).unwrap().name())
        .collect()
}

#[test]
fn patients_are_sorted_by_name_their_studies_by_time_and_unknown_ones_last() {
    let list = &mut list(&[
        origin("", "", ""),                     // a
        origin("P2", "s2", "2020-03-05"),       // b
        origin("P1", "s9", "2020-01-01"),       // c
        origin("P2", "s1", "2020-03-01T11:00"), // d
        origin("P2", "s1", "2020-03-01T10:00"), // e
        origin("P2", "s1", ""),                 // f
        origin("", "s7", "2020-01-01"),         // g
        origin("P2", "s3", "2020-03-01T09:00"), // h
        origin("", "s7", "2019-01-01"),         // i
    ]);
    // The study s1 stays together before s2, with its image that has no time.
    assert_eq!(order(list), "hedfbciga");
    let tags: Vec<_> = (0..9)
        .map(|row| list.patient(row).map(|p| (p.number, p.id, p.is_first)))
        .collect();
    let p2 = |first| Some((1, Some("P2"), first));
    assert_eq!(
        tags[..5],
        [p2(true), p2(false), p2(false), p2(false), p2(false)]
    );
    assert_eq!(tags[5], Some((2, Some("P1"), true)));
    assert_eq!(
        tags[6..],
        [Some((3, None, true)), Some((3, None, false)), None]
    );
    list.reverse();
    assert_eq!(order(list), "gicbfdeha");
    list.set_filter("b".into());
    assert!(
        list.patient(0).unwrap().is_first,
        "of the rows that are shown"
    );
    list.set_filter(String::new());
    list.set_sort(Sort::Name);
    assert_eq!(list.patient(1), None);
}

#[test]
fn the_change_is_from_the_last_image_before_that_has_a_severity() {
    let mut list = list(&[
        origin("P1", "s1", "2020-03-13T08:00"), // a
        origin("P1", "s2", "2020-03-01"),       // b
        origin("P1", "s3", "2020-03-05"),       // c, refused
        origin("P1", "s1", "2020-03-13T08:00"), // d, taken with a
        origin("P2", "s4", "2020-02-01"),       // e
        origin("P1", "s1", ""),                 // f
        origin("P1", "s1", "2020-03-13"),       // g: before or after a?
    ]);
    for (name, extent) in [
        ("a", 3.5),
        ("b", 2.0),
        ("d", 1.5),
        ("e", 8.0),
        ("f", 7.0),
        ("g", 2.5),
    ] {
        list.record(Path::new(name), read("m", Some(extent)));
    }
    list.record(Path::new("c"), read("m", None));
    let change = |list: &Worklist, name: &str| {
        let row = list.row_of(Path::new(name)).unwrap();
        let change = list.progression(row)?;
        let before = change.before.geographic_extent;
        Some((before, change.extent, change.days, change.is_clear))
    };
    assert_eq!(change(&list, "a"), Some((2.0, 1.5, Some(12), true)));
    assert_eq!(change(&list, "d"), Some((2.0, -0.5, Some(12), false)));
    assert_eq!(change(&list, "g"), Some((2.0, 0.5, Some(12), false)));
    for name in ["b", "c", "e", "f"] {
        assert_eq!(change(&list, name), None, "{name}");
    }
    list.set_filter("!b".into());
    assert!(change(&list, "a").is_some(), "a hidden image counts too");
    list.set_filter(String::new());
    list.record(Path::new("b"), read("another", Some(2.0)));
    assert_eq!(change(&list, "a"), None, "two models are not compared");
}

#[test]
fn the_origin_of_a_file_may_come_late_and_change() {
    let mut list = list(&[
        origin("P1", "", "2020-01-02"),
        origin("P1", "", "2020-01-01"),
    ]);
    assert_eq!(order(&list), "ba");
    assert!(!list.is_stale());
    list.set_origin_at(1, origin("P1", "", "2020-01-01"));
    assert!(!list.is_stale(), "nothing new");
    list.set_origin_at(1, origin("P1", "", "2020-01-03"));
    assert!(list.is_stale());
    list.sort_again();
    assert_eq!(order(&list), "ab");
    list.set_origin_at(1, Origin::default());
    list.add([Path::new("c").into()]);
    list.set_origin_at(2, origin("P3", "", ""));
    assert_eq!(
        list.patient(2),
        None,
        "it has no number before the list is sorted"
    );
    list.sort_again();
    assert_eq!(order(&list), "acb");
    assert_eq!(list.patient(1).unwrap().number, 2);
    list.set_origin_at(9, origin("P1", "", ""));
}

/// The origin with the fingerprints of a name and a birth date (0: none) and an issuer (a space: none).
fn of(person: (u64, u64), issuer: &str, origin: Origin) -> Origin {
    let print = |print: u64| (print > 0).then_some(Fingerprint(print));
    Origin {
        patient: PatientIdentity {
            name: print(person.0),
            birth_date: print(person.1),
            issuer: Issuer {
                local: Some(issuer.to_owned()).filter(|issuer| issuer != " "),
                universal: None,
            },
            ..origin.patient
        },
        ..origin
    }
}

/// The patient of each row, by file name.
fn numbers(list: &Worklist) -> Vec<(String, u32, Option<Sharing>)> {
    let numbered = |row: usize| {
        let patient = list.patient(row)?;
        let name = list.row(row).unwrap().name();
        Some((name, patient.number, patient.sharing))
    };
    let mut numbers: Vec<_> = (0..list.len()).filter_map(numbered).collect();
    numbers.sort();
    numbers
}

fn row(name: &str, number: u32, sharing: Option<Sharing>) -> (String, u32, Option<Sharing>) {
    (name.to_owned(), number, sharing)
}

#[test]
fn two_people_with_one_identifier_are_two_patients_and_are_not_compared() {
    let mut list = list(&[
        of((1, 1), " ", origin("ANON", "s1", "2020-03-01")), // a
        of((2, 2), " ", origin("ANON", "s2", "2020-03-05")), // b
        of((1, 1), " ", origin("ANON", "s3", "2020-03-09")), // c
        of((0, 0), " ", origin("ANON", "s4", "2020-03-12")), // d
        of((3, 3), "H", origin("P7", "s5", "2020-03-01")),   // e
        of((4, 4), "K", origin("P7", "s6", "2020-03-02")),   // f
    ]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        list.record(Path::new(name), read("m", Some(2.0)));
    }
    let (person, issuer) = (Some(Sharing::OtherPerson), Some(Sharing::OtherIssuer));
    assert_eq!(
        numbers(&list),
        [
            row("a", 1, person),
            row("b", 2, person),
            row("c", 1, person),
            row("d", 3, Some(Sharing::Unsaid)),
            row("e", 4, issuer),
            row("f", 5, issuer),
        ]
    );
    let change = |list: &Worklist, name: &str| {
        let row = list.row_of(Path::new(name)).unwrap();
        list.progression(row).map(|change| change.days)
    };
    assert_eq!(change(&list, "c"), Some(Some(8)), "with a, not with b");
    for name in ["b", "d", "f"] {
        assert_eq!(change(&list, name), None, "{name}");
    }
}

#[test]
fn an_image_without_a_name_joins_no_patient_once_there_are_two_names() {
    let mut list = list(&[
        of((1, 0), " ", origin("P7", "s1", "2020-03-01")), // a
        of((0, 0), " ", origin("P7", "s2", "2020-03-05")), // b
        of((0, 0), " ", origin("P7", "s2", "2020-03-06")), // c
        of((0, 0), " ", origin("P7", "s3", "2020-03-07")), // d
    ]);
    let together = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    assert_eq!(numbers(&list), together.map(|(name, n)| row(name, n, None)));
    list.add([Path::new("e").into()]);
    list.set_origin_at(4, of((2, 0), " ", origin("P7", "s4", "2020-03-08")));
    list.sort_again();
    let (person, unsaid) = (Some(Sharing::OtherPerson), Some(Sharing::Unsaid));
    let apart = [
        row("a", 1, person),
        row("b", 2, unsaid),
        row("c", 2, unsaid),
        row("d", 3, unsaid),
        row("e", 4, person),
    ];
    assert_eq!(numbers(&list), apart);
    // The file of the other person was replaced: the rest is one patient again.
    list.set_origin_at(4, Origin::default());
    list.sort_again();
    assert_eq!(numbers(&list), together.map(|(name, n)| row(name, n, None)));
}

#[test]
fn many_identities_that_become_few_and_many_again_are_told_apart_as_before() {
    let several = MOST_PEOPLE as u32 + 4;
    let mut list = Worklist::default();
    let names = (0..several).map(|n| -> Arc<Path> { Path::new(&format!("{n:03}")).into() });
    list.add(names);
    let person = |n: u32| {
        let n = u64::from(n / 2) + 1;
        of((n, n), " ", origin("7", "", "2020-03-01"))
    };
    let alone = |n: u32| {
        let n = u64::from(n) + 1;
        of((n, n), " ", origin("7", "", "2020-03-01"))
    };
    let expected = |list: &mut Worklist| {
        list.set_sort(Sort::Name);
        list.set_sort(Sort::Patient);
        let all = numbers(list).into_iter();
        all.map(|(_, number, _)| number).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        (0..several).for_each(|n| list.set_origin_at(n, alone(n)));
        assert_eq!(expected(&mut list), (1..=several).collect::<Vec<_>>());
        (0..several).for_each(|n| list.set_origin_at(n, person(n)));
        let pairs = (0..several).map(|n| n / 2 + 1);
        assert_eq!(expected(&mut list), pairs.collect::<Vec<_>>());
    }
}

#[test]
fn many_identities_with_one_identifier_are_told_apart_by_name_and_birth_date() {
    let people = 3 * MOST_PEOPLE as u64;
    let origins: Vec<Origin> = (0..people)
        .map(|n| of((n % 30 + 1, n % 30 + 1), " ", origin("7", "", "2020-03-01")))
        .collect();
    let mut list = Worklist::default();
    let names = (0..people).map(|n| -> Arc<Path> { Path::new(&format!("{n:03}")).into() });
    list.add(names);
    for (index, origin) in (0..).zip(origins) {
        list.set_origin_at(index, origin);
    }
    list.set_sort(Sort::Patient);
    let numbers = numbers(&list);
    assert_eq!(numbers.len(), people as usize);
    for (at, (_, number, sharing)) in numbers.iter().enumerate() {
        assert_eq!(
            (*number as usize, *sharing),
            (at % 30 + 1, Some(Sharing::OtherPerson))
        );
    }
}
