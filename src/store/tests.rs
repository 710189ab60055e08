use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::schema::{MIGRATIONS, migrate};
use super::*;
use crate::domain::{
    Act, BlindedReading, Calibrated, Finding, Fingerprint, InputCheck, Issuer, OperatingPoint,
    OpinionChange, Origin, Pathology, PatientIdentity, Prevalence, Question, Score, ScoreKind,
    Seen, Severity, Uids,
};

/// The review by `ann` of the image number `n`.
pub fn entry(n: u64, verdict: &str) -> ReviewEntry {
    ReviewEntry {
        token: format!("{n}-{verdict}"),
        image: ImageIdentity {
            sha256: format!("{n:064x}"),
            path: format!("/x/ward/{n}.png").into(),
            uids: Uids {
                study: Some("1.2.3".into()),
                ..Uids::default()
            },
            patient_id: Some("P7".into()),
        },
        review: Review {
            reviewer: "ann".into(),
            at: UNIX_EPOCH + Duration::from_millis(1_769_860_800_123 + n),
            act: Act::Judged,
            change: OpinionChange::to(&Opinion {
                verdict: Verdict::named(verdict),
                ..Opinion::default()
            }),
            seen: Seen {
                prediction: Some(prediction()),
                window: Some((2048.0, 4096.0)),
                ..Seen::default()
            },
        },
        prediction: Some(prediction()),
    }
}

pub fn prediction() -> Prediction {
    Prediction {
        content: Default::default(),
        findings: vec![Finding {
            label: Pathology("COVID-19".into()),
            question: Question::Presence,
            logit: 0.1,
            score: Score::new(0.3, ScoreKind::Calibrated).unwrap(),
            operating_point: Some(OperatingPoint(0.25)),
            sensitive_point: None,
            calibrated: Some(Calibrated {
                log_odds: 0.0,
                prevalence: Prevalence::new(0.05).unwrap(),
            }),
            conformal: None,
        }],
        severity: Some(Severity {
            geographic_extent: 3.1,
            opacity: 2.2,
            geographic_extent_error: Some(1.0),
            opacity_error: Some(1.0),
        }),
        input: InputCheck::Caution(vec!["dark".into()]),
        model_sha256: "ab".into(),
        preprocess: "cxr-1".into(),
        elapsed_ms: 11.0,
        activation: None,
    }
}

fn new_store() -> (tempfile::TempDir, PathBuf, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/cxr/reviews.sqlite");
    let store = Store::open(&path).unwrap();
    (folder, path, store)
}

fn words(store: &Store) -> Vec<LastWord> {
    let mut all = Vec::new();
    let done: Result<(), ()> = store
        .last_words(&[], |word| {
            all.push(word);
            Ok(())
        })
        .unwrap();
    done.unwrap();
    all
}

/// As somebody would who has the file and an SQLite shell, triggers out of the way.
fn tampered(path: &Path, sql: &str) -> Vec<ChainFault> {
    let connection = Connection::open(path).unwrap();
    for trigger in ["edited", "deleted", "replaced"] {
        let drop = format!("DROP TRIGGER review_is_not_{trigger}");
        connection.execute_batch(&drop).unwrap();
    }
    connection.execute_batch(sql).unwrap();
    Store::open_read_only(path)
        .unwrap()
        .verify()
        .unwrap()
        .faults
}

#[test]
fn the_last_word_of_each_reader_comes_back_with_what_they_saw() {
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
    let said: Vec<_> = words
        .iter()
        .map(|w| (w.reviewer.as_str(), w.opinion.verdict, w.entries))
        .collect();
    assert_eq!(
        said,
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
fn a_prediction_is_kept_by_image_model_and_preprocessing() {
    let (_folder, _, mut store) = new_store();
    store.keep(&entry(1, "agree").image, &prediction()).unwrap();
    let image = format!("{:064x}", 1);
    let found = store.prediction(&image, "ab", "cxr-1").unwrap().unwrap();
    assert_eq!(found["severity"]["geographic_extent"], 3.1);
    assert_eq!(store.prediction(&image, "ab", "cxr-2").unwrap(), None);
    assert_eq!(store.prediction(&image, "cd", "cxr-1").unwrap(), None);
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
fn only_the_owner_can_read_it_and_the_log_beside_it() {
    let (folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&folder.path().join("state")), 0o700);
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
            key_image, note, seen, program, previous, hash, calls FROM review",
    ] {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(store.verify().unwrap().faults, []);
}

#[test]
fn an_audit_finds_every_kind_of_change_and_says_where() {
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
                key_image, note, seen, program, hash, hash, calls FROM review WHERE id = 5",
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
fn a_rows_hash_is_the_one_that_the_documentation_says() {
    let link = chain::Link {
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
    };
    let hash: String = link
        .hash(&[0; 32])
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        hash,
        "abcb5525220c6e9189cf0094b6d8fa13056f5fa3693a235640096e2a5a6341d5"
    );
}

/// A log of the first schema goes on in the newest, with the hashes that it has.
#[test]
fn an_older_log_is_whole_and_goes_on_with_calls() {
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
fn files_that_are_no_store_are_refused_by_name_and_stay_as_they_were() {
    let (folder, path, mut store) = new_store();
    for n in 0..200 {
        store.append(&entry(n, "agree")).unwrap();
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("text"), "reviews of ward 3\n").unwrap();
    fs::write(place("short"), &whole[..60]).unwrap();
    fs::write(place("cut"), &whole[..whole.len() / 2]).unwrap();
    let mut scrambled = whole.clone();
    scrambled[4096..].fill(0x5a);
    fs::write(place("scrambled"), scrambled).unwrap();
    for (name, pragma) in [
        ("theirs", "user_version = 3"),
        ("other", "application_id = 7"),
    ] {
        let connection = Connection::open(place(name)).unwrap();
        let sql = format!("CREATE TABLE t (a); PRAGMA {pragma}");
        connection.execute_batch(&sql).unwrap();
    }
    let newer = place("newer");
    fs::write(&newer, &whole).unwrap();
    let connection = Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 9).unwrap();
    drop(connection);

    for (name, says) in [
        ("text", "--store"),
        ("short", "cut short"),
        ("cut", "damaged"),
        ("scrambled", "damaged"),
        ("theirs", "another program's"),
        ("other", "another program's"),
        ("newer", "version 9"),
    ] {
        let before = fs::read(place(name)).unwrap();
        for opened in [
            Store::open(&place(name)),
            Store::open_read_only(&place(name)),
        ] {
            let error = opened.err().unwrap_or_else(|| panic!("{name} was opened"));
            let error = error.to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
        assert_eq!(fs::read(place(name)).unwrap(), before, "{name} was changed");
    }
    let missing = Store::open_read_only(&place("missing")).err().unwrap();
    assert!(matches!(missing, StoreError::Absent { .. }));
    assert!(!place("missing").exists());
}

/// One that came from elsewhere may have been made to hang who opens it, or to change what is written.
#[test]
fn a_schema_that_is_not_ours_is_refused_before_it_is_asked() {
    let endless =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n";
    for (what, sql) in [
        (
            "view review",
            format!("DROP TABLE review; CREATE VIEW review AS {endless}"),
        ),
        ("view more", "CREATE VIEW more AS SELECT 1".to_owned()),
        (
            "trigger gone",
            "CREATE TRIGGER gone AFTER INSERT ON review BEGIN DELETE FROM chain; END".to_owned(),
        ),
        (
            "trigger review_is_not_edited",
            "DROP TRIGGER review_is_not_edited;
             CREATE TRIGGER review_is_not_edited BEFORE UPDATE ON review BEGIN SELECT 1; END"
                .to_owned(),
        ),
        (
            "index slow",
            "CREATE INDEX slow ON review (hex(zeroblob(9)))".to_owned(),
        ),
        (
            "table image",
            "ALTER TABLE image ADD COLUMN much TEXT AS (hex(zeroblob(99)))".to_owned(),
        ),
    ] {
        let (_folder, path, store) = new_store();
        store.close();
        Connection::open(&path)
            .unwrap()
            .execute_batch(&sql)
            .unwrap();
        let before = fs::read(&path).unwrap();
        for opened in [Store::open(&path), Store::open_read_only(&path)] {
            let error = opened.err().unwrap().to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
        assert!(fs::read(&path).unwrap() == before, "{what}");
    }
}

#[test]
fn what_is_read_at_one_moment_does_not_see_what_comes_later() {
    let (_folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let reader = Store::open_read_only(&path).unwrap();
    let seen = reader.at_one_moment(|reader| {
        let before = words(reader).len();
        store.append(&entry(2, "agree")).unwrap();
        Ok::<_, StoreError>((before, words(reader).len()))
    });
    assert_eq!(seen.unwrap(), (1, 1));
    assert_eq!(words(&reader).len(), 2);
}

#[test]
fn a_clock_before_1970_is_no_reason_to_lose_a_review() {
    let (_folder, _, mut store) = new_store();
    let mut old = entry(1, "agree");
    old.review.at = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
    store.append(&old).unwrap();
    assert_eq!(words(&store)[0].last_at, "1970-01-01T00:00:00.000Z");
}

#[test]
fn what_is_remembered_outlives_a_review_of_it_and_a_move() {
    let (_folder, path, mut store) = new_store();
    let ReviewEntry { image, .. } = entry(1, "agree");
    let said = prediction();
    let recalled =
        |store: &Store, basis| store.recall(image.sha256.parse().unwrap(), "ab", "cxr-1", basis);
    assert_eq!(recalled(&store, "b").unwrap(), None);
    store
        .remember(&image, &Origin::default(), &said, "b")
        .unwrap();
    store.append(&entry(1, "agree")).unwrap();
    store.keep(&image, &said).unwrap();
    let expected = Prediction {
        content: image.sha256.parse().unwrap(),
        elapsed_ms: 0.0,
        ..said
    };
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(recalled(&store, "b").unwrap(), Some(expected));
    assert_eq!(recalled(&store, "another card").unwrap(), None);
}

#[test]
fn a_place_is_remembered_for_each_reader_and_each_set_of_folders() {
    let (_folder, path, mut store) = new_store();
    let (wards, ward) = (
        [PathBuf::from("/x/1"), "/x/2".into()],
        [PathBuf::from("/x/1")],
    );
    let mark = Bookmark {
        selected: Some(path_from(b"/x/1/\xff.png".to_vec())),
        row: 7,
        sort: "label COVID-19".into(),
        reversed: true,
        filter: "covid>0.5".into(),
    };
    store.mark("ann", &wards, &Bookmark::default()).unwrap();
    store.mark("ann", &wards, &mark).unwrap();
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(store.bookmark("ann", &wards).unwrap(), Some(mark));
    assert_eq!(store.bookmark("ann", &ward).unwrap(), None);
    assert_eq!(store.bookmark("bob", &wards).unwrap(), None);
}

/// One that an earlier version wrote, on a disk that is read-only now.
#[test]
fn an_older_store_can_be_read_where_it_cannot_be_brought_forward() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite");
    let mut old = Connection::open(&path).unwrap();
    schema::migrate(&mut old, &schema::MIGRATIONS[..1]).unwrap();
    old.execute("INSERT INTO image (sha256, path) VALUES ('a', x'62')", [])
        .unwrap();
    drop(old);
    let before = fs::read(&path).unwrap();
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(store.bookmark("ann", &[]).unwrap(), None);
    assert_eq!(store.verify().unwrap().rows, 0);
    let images: i64 = store
        .connection
        .query_row(
            "SELECT count(*) FROM image WHERE taken IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(images, 1);
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn whose_image_it_is_is_known_once_its_file_was_asked_for_all_of_it() {
    let (_folder, _, mut store) = new_store();
    let ReviewEntry { image, .. } = entry(1, "agree");
    let bare = ImageIdentity {
        uids: Uids::default(),
        patient_id: None,
        ..image.clone()
    };
    store.keep(&bare, &prediction()).unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), None);
    let expected = Origin {
        patient: PatientIdentity {
            id: Some("P7".into()),
            issuer: Issuer {
                local: Some("HOSPITAL".into()),
                universal: None,
            },
            name: Some(Fingerprint(u64::MAX)),
            birth_date: None,
            sex: Some(crate::domain::Sex::Male),
        },
        study: Some("1.2.3".into()),
        taken: Some("2020-03-01T10:20:30".into()),
    };
    let said = prediction();
    store.remember(&image, &expected, &said, "b").unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), Some(expected.clone()));
    // As an earlier version left it: the file is asked again, and the rest is written.
    let forget = "UPDATE image SET identity = NULL";
    store.connection.execute(forget, []).unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), None);
    store.remember(&image, &expected, &said, "b").unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), Some(expected.clone()));
    // As one left it that asked for less: it is read, and what is known today takes its place.
    let less = r#"UPDATE image SET identity = '{"name":"00000000000000aa"}'"#;
    store.connection.execute(less, []).unwrap();
    let known = store.origin(&image.sha256).unwrap().unwrap().patient;
    assert_eq!((known.name, known.sex), (Some(Fingerprint(0xaa)), None));
    store.remember(&image, &expected, &said, "b").unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), Some(expected.clone()));
    let spoil = "UPDATE image SET identity = '{\"name\": \"Doe\"}'";
    store.connection.execute(spoil, []).unwrap();
    assert_eq!(store.origin(&image.sha256).unwrap(), None);
    let ReviewEntry { image, .. } = entry(2, "agree");
    let bare = ImageIdentity {
        uids: Uids::default(),
        patient_id: None,
        ..image
    };
    let nothing = Origin::default();
    store.remember(&bare, &nothing, &said, "b").unwrap();
    let nothing = store.origin(&bare.sha256).unwrap();
    assert_eq!(nothing, Some(Origin::default()), "it was asked");
}

/// 1 is NORMAL, 3 is EXTRA.
#[test]
fn only_the_handle_that_asks_for_it_is_relaxed_and_only_with_a_write_ahead_log() {
    let (_folder, path, mut store) = new_store();
    let synchronous = |store: &Store| {
        let pragma = schema::pragma::<i64>(&store.connection, "synchronous");
        pragma.unwrap()
    };
    let wal = schema::pragma::<String>(&store.connection, "journal_mode").unwrap() == "wal";
    store.relax().unwrap();
    assert_eq!(synchronous(&store), if wal { 1 } else { 3 });
    assert_eq!(synchronous(&Store::open(&path).unwrap()), 3);
    drop(store);
    let mut store = Store::open(&path).unwrap();
    store
        .connection
        .pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
        .unwrap();
    store.relax().unwrap();
    assert_eq!(synchronous(&store), 3);
}

/// The file alone, though another program has the store open: what was in its log is in it.
#[test]
fn a_store_that_was_closed_is_whole_in_its_one_file() {
    let (folder, path, mut store) = new_store();
    let other = Store::open(&path).unwrap();
    for n in 0..5 {
        store.append(&entry(n, "agree")).unwrap();
    }
    let alone = folder.path().join("alone.sqlite");
    let rows = |alone: &Path| {
        fs::copy(&path, alone).unwrap();
        Store::open_read_only(alone).unwrap().verify().unwrap().rows
    };
    store.close();
    assert_eq!(rows(&alone), 5);
    drop(other);
}

/// A row holds all of it, whichever session said what; and what the model said goes into the row as
/// soon as it is known, so that the chain holds it.
#[test]
fn a_row_holds_what_was_held_before_and_what_the_model_said() {
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
    assert_eq!(words(&store)[0].answer, None, "it had not answered");
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
fn calls_that_a_newer_version_wrote_are_carried_on() {
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

/// What waited in a file since an earlier session is older than what was said since.
#[test]
fn what_comes_late_changes_nothing_that_is_newer() {
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

/// Both lines of a session that ended early are older than a note that came before they were taken up.
#[test]
fn what_comes_late_in_several_lines_changes_nothing_that_is_newer() {
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

/// Ann judged one image in two wards, and another was looked at last under the first's name.
#[test]
fn a_standing_is_known_by_every_place_where_it_was_said() {
    let (_folder, _, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let mut copy = entry(1, "unsure");
    copy.image.path = "/x/ward2/1.png".into();
    store.append(&copy).unwrap();
    let mut moved = entry(1, "agree").image;
    moved.path = "/x/moved.png".into();
    let nothing = Origin::default();
    store
        .remember(&moved, &nothing, &prediction(), "b")
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
    assert_eq!((of(0), of(1)), (false, true), "the last one judged there");
}

/// Nothing but SQLite may open them.
#[test]
fn the_files_of_a_store_are_known_under_any_name() {
    let (folder, path, mut store) = new_store();
    store.append(&entry(1, "agree")).unwrap();
    let link = folder.path().join("link.png");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fs::write(folder.path().join("a.png"), "").unwrap();
    let beside = |suffix| file::with_suffix(&path, suffix);
    for file in [path.clone(), link, beside("-wal"), beside("-shm")] {
        assert!(is_part_of(&path, &file), "{}", file.display());
    }
    for name in ["a.png", "gone.png"] {
        assert!(!is_part_of(&path, &folder.path().join(name)));
    }
}
