//! The log of reviews.

use super::*;

#[test]
fn the_last_review_of_each_reader_is_read_back_with_its_screen() {
    let (_folder, _, mut store) = new_store();
    let mut bob = entry(1, "unsure");
    bob.token = "bob".into();
    bob.review.reviewer = "bob".into();
    for (row, entry) in [
        entry(1, "agree"),
        bob,
        entry(2, "agree"),
        entry(1, "disagree"),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(store.append(entry).unwrap().row, row as i64 + 1);
    }
    let words = words(&store);
    let found: Vec<_> = words
        .iter()
        .map(|w| (w.reviewer.as_str(), w.opinion.verdict, w.entries))
        .collect();
    assert_eq!(
        found,
        [
            ("ann", Some(Verdict::Disagree), 2),
            ("bob", Some(Verdict::Unsure), 1),
            ("ann", Some(Verdict::Agree), 1),
        ]
    );
    let first = &words[0];
    assert_eq!(first.image, entry(1, "agree").image);
    assert_eq!(first.last_at, "2026-01-31T12:00:00.124Z");
    assert_eq!(first.seen["window"]["centre"], 2048.0);
    let finding = &first.seen["prediction"]["findings"][0];
    assert_eq!(finding["score"], 0.3);
    assert_eq!(finding["prevalence"], 0.05);
    assert_eq!(finding["positive"], true);
    let of_ann = store.standings("ann").unwrap();
    assert_eq!(of_ann.len(), 2);
    assert_eq!(of_ann[1].opinion.verdict, Some(Verdict::Disagree));
}

#[test]
fn a_review_that_is_written_twice_is_in_the_log_once() {
    let (_folder, _, mut store) = new_store();
    assert_eq!(store.append(&entry(1, "agree")).unwrap().row, 1);
    assert_eq!(store.append(&entry(2, "agree")).unwrap().row, 2);
    assert_eq!(store.append(&entry(1, "agree")).unwrap().row, 1);
    assert_eq!(store.verify().unwrap().rows, 2);
}

#[test]
fn the_log_refuses_edits_deletions_and_replacements() {
    let (_folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE review SET verdict = 'disagree'",
        "DELETE FROM review",
        "REPLACE INTO review SELECT * FROM review",
        "INSERT INTO review SELECT 7, 'x', image, path, reviewer, at_ms, act, verdict, label,
            key_image, note, seen, program, previous, hash, calls, marks FROM review",
    ] {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(store.verify().unwrap().faults, []);
}

#[test]
fn an_audit_finds_every_kind_of_change_and_its_place() {
    let cases: [(&str, &[ChainFault]); 8] = [
        ("", &[]),
        (
            "UPDATE review SET note = 'x' WHERE id = 3",
            &[ChainFault::Edited(3)],
        ),
        (
            "UPDATE review SET seen = replace(seen, '0.3', '0.4') WHERE id = 5",
            &[ChainFault::Edited(5)],
        ),
        (
            "DELETE FROM review WHERE id IN (2, 3)",
            &[
                ChainFault::Missing { first: 2, last: 3 },
                ChainFault::Unlinked(4),
            ],
        ),
        (
            "DELETE FROM review WHERE id = 5",
            &[ChainFault::Missing { first: 5, last: 5 }],
        ),
        (
            "INSERT INTO review SELECT 6, 'x', image, path, reviewer, at_ms, act, verdict, label,
                key_image, note, seen, program, hash, hash, calls, marks FROM review WHERE id = 5",
            &[ChainFault::Edited(6), ChainFault::Uncounted(6)],
        ),
        (
            "UPDATE review SET hash = zeroblob(32) WHERE id = 5",
            &[ChainFault::Edited(5), ChainFault::AnotherEnd(5)],
        ),
        (
            "DELETE FROM review",
            &[ChainFault::Missing { first: 1, last: 5 }],
        ),
    ];
    for (sql, expected) in cases {
        let (_folder, path, mut store) = new_store();
        for n in 1..=5 {
            store.append(&entry(n, "agree")).unwrap();
        }
        assert_eq!(tampered(&path, sql), expected, "{sql}");
    }
}

/// Hashed by Python: `hashlib.sha256(b"cxr review 1\n" + bytes(32) + fields)`, each field one byte 1
/// (0 for None), its length `<Q`, its bytes; see `tests/data/chain.py`.
#[test]
fn a_rows_hash_is_the_documented_one() {
    let mut link = chain::Link {
        id: 1,
        token: "t".into(),
        image: "aa".into(),
        path: b"/x/\xff.png".to_vec(),
        reviewer: "ann".into(),
        at_ms: 1_769_860_800_123,
        act: "verdict".into(),
        verdict: Some("disagree".into()),
        label: None,
        key_image: true,
        note: "Müller".into(),
        seen: "{}".into(),
        program: "0.1.0".into(),
        calls: None,
        marks: None,
    };
    for (calls, marks, expected) in [
        (
            None,
            None,
            "abcb5525220c6e9189cf0094b6d8fa13056f5fa3693a235640096e2a5a6341d5",
        ),
        (
            None,
            Some("[1]"),
            "b6b906b0b96acf6c3bf7a41d2676f644bf37e4106b4e8715d98a45c51e5e6617",
        ),
        (
            Some("{}"),
            Some("[1]"),
            "5cc0c94c427bf1667151a761bf5080aaf8a83a48df8dac8888d150321965d615",
        ),
    ] {
        link.calls = calls.map(str::to_owned);
        link.marks = marks.map(str::to_owned);
        assert_eq!(hex(&link.hash(&[0; 32])), expected);
    }
}

/// The marks of two readers, of whom one takes a mark back and gives another a label.
#[test]
fn marks_are_kept_for_each_reader_and_covered_by_the_chain() {
    let (_folder, path, mut store) = new_store();
    let all = super::super::stored_mark::tests::all_kinds();
    let mut say = |token: &str, reader: &str, change: OpinionChange| {
        let mut row = entry(1, "agree");
        row.token = token.to_owned();
        row.review.reviewer = reader.to_owned();
        row.review.act = Act::Marked;
        row.review.change = change;
        store.append(&row).unwrap().opinion.marks
    };
    let marked = |marks: &[Mark]| Opinion {
        marks: marks.to_vec(),
        ..Opinion::default()
    };
    let two = say("1", "ann", OpinionChange::to(&marked(&all[..2])));
    assert_eq!(two, all[..2]);
    say("2", "bob", OpinionChange::to(&marked(&all[3..])));
    // The same review again.
    say("2", "bob", OpinionChange::to(&marked(&all[3..])));
    let other = all[1].labelled("heart").unwrap();
    let labelled = [all[0].clone(), other.clone()];
    let change = OpinionChange::between(&marked(&two), &marked(&labelled));
    assert_eq!(say("3", "ann", change), labelled);
    let change = OpinionChange::between(&marked(&labelled), &marked(&[]));
    let back = OpinionChange::between(&marked(&labelled[..1]), &marked(&[]));
    assert_eq!(say("4", "ann", back), [other]);
    // What is gone already is not an error.
    assert!(say("5", "ann", change).is_empty());
    let mut verdict = entry(1, "agree");
    verdict.token = "6".into();
    verdict.review.reviewer = "bob".into();
    let merged = store.append(&verdict).unwrap();
    assert_eq!(
        merged.opinion.marks,
        all[3..],
        "a verdict takes no mark away"
    );
    let content = entry(1, "agree").image.sha256.parse().unwrap();
    let of_bob = store.standing("bob", content).unwrap().unwrap();
    assert_eq!(of_bob.marks, all[3..]);
    let of_ann = store.standing("ann", content).unwrap().unwrap();
    assert_eq!(of_ann.marks, []);
    assert_eq!(words(&store)[1].opinion.marks, all[3..]);
    let audit = store.verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (6, vec![]));
    drop(store);
    let sql = "UPDATE review SET marks = replace(marks, 'nodule', 'scar') WHERE id = 2";
    assert_eq!(tampered(&path, sql), [ChainFault::Edited(2)]);
}

/// A store of the schema before marks: it opens, stays whole, and takes marks.
#[test]
fn a_log_without_marks_stays_whole_and_continues_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut connection = Connection::open(&path).unwrap();
    migrate(&mut connection, &MIGRATIONS[..5]).unwrap();
    let sql = "INSERT INTO image (sha256, path) VALUES ('aa', x'61');
        INSERT INTO review VALUES (1, 't', 'aa', x'2f782fff2e706e67', 'ann', 1769860800123, 'verdict',
            'disagree', NULL, 1, 'Müller', '{}', '0.1.0', zeroblob(32),
            x'abcb5525220c6e9189cf0094b6d8fa13056f5fa3693a235640096e2a5a6341d5', NULL);
        UPDATE chain SET rows = 1, head =
            x'abcb5525220c6e9189cf0094b6d8fa13056f5fa3693a235640096e2a5a6341d5'";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let mut store = Store::open(&path).unwrap();
    assert_eq!(words(&store)[0].opinion.marks, []);
    let marks = super::super::stored_mark::tests::all_kinds();
    let mut marked = entry(2, "agree");
    marked.review.act = Act::Marked;
    marked.review.change = OpinionChange::to(&Opinion {
        marks: marks.clone(),
        ..Opinion::default()
    });
    store.append(&marked).unwrap();
    let audit = store.verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (2, vec![]));
    // By path: /x/ward/2.png, then a name that is no text.
    assert_eq!(words(&store)[1].opinion.note, "Müller");
    assert_eq!(words(&store)[0].opinion.marks, marks);
}

/// Marks that a newer version wrote in a form of its own are not overwritten.
#[test]
fn marks_of_an_unknown_form_stay_as_they_are() {
    let (_folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    let sql =
        "DROP TRIGGER review_is_not_edited; UPDATE review SET marks = '[{\"kind\":\"spiral\"}]'";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let mut store = Store::open(&path).unwrap();
    let mut more = entry(1, "unsure");
    more.review.change = OpinionChange::to(&Opinion {
        verdict: Some(Verdict::Unsure),
        marks: super::super::stored_mark::tests::all_kinds(),
        ..Opinion::default()
    });
    store.append(&more).unwrap();
    let connection = Connection::open(&path).unwrap();
    let kept: String = connection
        .query_row("SELECT marks FROM review WHERE id = 2", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(kept, "[{\"kind\":\"spiral\"}]");
}

/// A log of the first schema continues in the newest one, with its own hashes.
#[test]
fn an_older_log_stays_whole_and_continues_with_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut connection = Connection::open(&path).unwrap();
    migrate(&mut connection, &MIGRATIONS[..1]).unwrap();
    let sql = "INSERT INTO image VALUES ('aa', x'61', NULL, NULL, NULL, NULL);
        INSERT INTO review VALUES (1, 't', 'aa', x'2f782fff2e706e67', 'ann', 1769860800123, 'verdict',
            'disagree', NULL, 1, 'Müller', '{}', '0.1.0', zeroblob(32),
            x'abcb5525220c6e9189cf0094b6d8fa13056f5fa3693a235640096e2a5a6341d5');
        UPDATE chain SET rows = 1, head =
            x'abcb5525220c6e9189cf0094b6d8fa13056f5fa3693a235640096e2a5a6341d5'";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let readable = Store::open_read_only(&path).unwrap();
    assert_eq!(readable.verify().unwrap().rows, 1);
    assert_eq!(readable.standings("ann").unwrap().len(), 1);
    drop(readable);
    assert_eq!(fs::read(&path).unwrap(), before, "reading changes nothing");

    let mut store = Store::open(&path).unwrap();
    let mut called = entry(2, "agree");
    let opinion = Opinion {
        blinded: Some(BlindedReading {
            asked: vec!["Pneumonia".into()],
            ..BlindedReading::default()
        }),
        verdict: Some(Verdict::Agree),
        ..Opinion::default()
    };
    called.review.change = OpinionChange::to(&opinion);
    store.append(&called).unwrap();
    let audit = store.verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (2, vec![]));
    let standings = store.standings("ann").unwrap();
    assert_eq!(standings[0].opinion.note, "Müller");
    assert_eq!(standings[1].opinion, opinion);
    drop(store);
    let sql = "UPDATE review SET calls = replace(calls, 'Pneumonia', 'COVID-19') WHERE id = 2";
    assert_eq!(tampered(&path, sql), [ChainFault::Edited(2)]);
}

#[test]
fn a_clock_before_1970_loses_no_review() {
    let (_folder, _, mut store) = new_store();
    let mut old = entry(1, "agree");
    old.review.at = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
    store.append(&old).unwrap();
    assert_eq!(words(&store)[0].last_at, "1970-01-01T00:00:00.000Z");
}

/// A row holds the changes of all sessions, and the model's answer as soon as it is known, so that the chain
/// covers it.
#[test]
fn a_row_holds_the_opinion_before_and_the_models_answer() {
    let (_folder, path, mut store) = new_store();
    let reading = BlindedReading {
        model_sha256: "ab".into(),
        ..BlindedReading::default()
    };
    let called = Opinion {
        blinded: Some(reading.clone()),
        ..Opinion::default()
    };
    let mut first = entry(1, "call");
    first.review.change = OpinionChange::to(&called);
    first.prediction = None;
    store.append(&first).unwrap();
    assert_eq!(words(&store)[0].answer, None, "the model had not answered");
    let merged = store.append(&entry(1, "agree")).unwrap();
    let both = Opinion {
        verdict: Some(Verdict::Agree),
        ..called
    };
    assert_eq!((merged.row, &merged.opinion), (2, &both));
    let word = words(&store).remove(0);
    assert_eq!(word.opinion, both);
    let answer = word.answer.unwrap();
    assert_eq!(answer["findings"][0]["positive"], true);
    drop(store);
    let sql = "UPDATE review SET calls = replace(calls, 'true', 'false') WHERE id = 2";
    assert_eq!(tampered(&path, sql), [ChainFault::Edited(2)]);
}

#[test]
fn calls_of_a_newer_version_are_carried_on() {
    let (_folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let strange = r#"{"asked":"in another way"}"#;
    let sql = format!("DROP TRIGGER review_is_not_edited; UPDATE review SET calls = '{strange}'");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&sql).unwrap();
    let mut called = entry(1, "unsure");
    let opinion = Opinion {
        blinded: Some(BlindedReading::default()),
        ..Opinion::default()
    };
    called.review.change = OpinionChange::to(&opinion);
    store.append(&called).unwrap();
    let calls: String = connection
        .query_row("SELECT calls FROM review WHERE id = 2", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(calls, strange);
}

/// A review that waited in a file since an earlier session is older than the reviews since.
#[test]
fn a_late_review_reverts_no_newer_change() {
    let (_folder, _, mut store) = new_store();
    let noted = |note: &str, seconds| {
        let mut entry = entry(1, note);
        entry.review.at = UNIX_EPOCH + Duration::from_secs(seconds);
        entry.review.change = OpinionChange::to(&Opinion {
            note: note.to_owned(),
            verdict: (note == "late").then_some(Verdict::Unsure),
            ..Opinion::default()
        });
        entry
    };
    store.append(&noted("first", 10)).unwrap();
    store.append(&noted("newest", 30)).unwrap();
    let late = LogLine {
        is_late: true,
        ..LogLine::from(&noted("late", 20))
    };
    let merged = store.append_line(&late).unwrap();
    let expected = Opinion {
        verdict: Some(Verdict::Unsure),
        note: "newest".into(),
        ..Opinion::default()
    };
    assert_eq!((merged.row, merged.opinion), (3, expected));
}

/// Both reviews of a session that ended early are older than a note that was written before them.
#[test]
fn several_late_reviews_revert_no_newer_change() {
    let (_folder, _, mut store) = new_store();
    let late = |number: u64, at: u64, opinion: Opinion| {
        let mut entry = entry(1, "agree");
        entry.token = format!("late {number}");
        entry.review.at = UNIX_EPOCH + Duration::from_secs(at);
        entry.review.change = OpinionChange::to(&opinion);
        entry
    };
    let noted = |note: &str| Opinion {
        note: note.into(),
        ..Opinion::default()
    };
    let agreed = Opinion {
        verdict: Some(Verdict::Agree),
        ..Opinion::default()
    };
    store.append(&late(9, 300, noted("new"))).unwrap();
    for (number, at, opinion) in [(1, 100, agreed), (2, 101, noted("old"))] {
        let line = LogLine {
            is_late: true,
            ..LogLine::from(&late(number, at, opinion))
        };
        store.append_line(&line).unwrap();
    }
    let standing = store.standings("ann").unwrap().remove(0);
    assert_eq!(standing.opinion.note, "new");
    assert_eq!(standing.opinion.verdict, Some(Verdict::Agree));
}

/// Ann reviewed one image in two wards, and another one later under the first one's path.
#[test]
fn a_standing_has_every_path_at_which_it_was_reviewed() {
    let (_folder, _, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let mut copy = entry(1, "unsure");
    copy.image.path = "/x/ward2/1.png".into();
    store.append(&copy).unwrap();
    let mut moved = entry(1, "agree").image;
    moved.path = "/x/moved.png".into();
    let nothing = Origin::default();
    store
        .cache_prediction(&moved, &nothing, &prediction(), "b")
        .unwrap();
    let standing = store.standings("ann").unwrap().remove(0);
    let mut places = standing.places;
    places.sort();
    let expected = ["/x/moved.png", "/x/ward/1.png", "/x/ward2/1.png"];
    assert_eq!(places, expected.map(PathBuf::from));

    let mut other = entry(2, "agree");
    other.image.path = "/x/ward/1.png".into();
    store.append(&other).unwrap();
    let places: Vec<_> = store.standings("ann").unwrap();
    let of = |n: usize| places[n].places.contains(&PathBuf::from("/x/ward/1.png"));
    assert_eq!(
        (of(0), of(1)),
        (false, true),
        "the last image that was reviewed there"
    );
}
