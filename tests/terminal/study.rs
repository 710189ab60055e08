//! A reader study from `cxr study new` to the page of results: three readers, two sittings each, in a real terminal.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::session::Session;
use crate::{CXR, samples};

/// Films that open, and whether they are to be positive.
const FILMS: [(&str, bool); 4] = [
    ("pneumonia_1.png", true),
    ("covid_like_1.webp", true),
    ("clear_1.png", false),
    ("clear_3.png", false),
];

struct StudyFolder {
    folder: tempfile::TempDir,
}

impl StudyFolder {
    /// Films with telling names, a copy of one, one that does not open, and a reference standard.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let films = folder.path().join("films");
        fs::create_dir(&films).unwrap();
        let mut manifest = String::from("path,Pneumonia\n");
        for (name, is_positive) in FILMS {
            fs::copy(samples().join(name), films.join(name)).unwrap();
            manifest += &format!("films/{name},{}\n", u8::from(is_positive));
        }
        fs::copy(samples().join("clear_1.png"), films.join("copy.png")).unwrap();
        fs::copy(samples().join("truncated.dcm"), films.join("truncated.dcm")).unwrap();
        fs::write(folder.path().join("cases.csv"), manifest).unwrap();
        StudyFolder { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(CXR);
        command.current_dir(self.folder.path()).args(arguments);
        command.env("CXR_CONFIG", "");
        command.env("XDG_STATE_HOME", self.path("state"));
        command.output().unwrap()
    }

    /// For one reader. `days` lie between the sittings.
    fn make_independent(&self, days: &str) {
        let design = ["--design", "independent", "--washout-days", days];
        self.make(&[&["--reader", "ann"], &design[..]].concat());
    }

    fn make(&self, arguments: &[&str]) {
        let common = [
            "study",
            "new",
            "films",
            "-o",
            "study.toml",
            "-m",
            "cases.csv",
        ];
        let columns = [
            "--label-column",
            "Pneumonia=Pneumonia",
            "--question",
            "Pneumonia",
        ];
        let all: Vec<&str> = [&common[..], &columns, arguments].concat();
        let made = self.run(&all);
        assert!(made.status.success(), "{}", text(&made.stderr));
    }

    fn open(&self, reader: &str) -> Session {
        let mut command = CommandBuilder::new(CXR);
        command.cwd(self.folder.path());
        command.args([
            "--study",
            "study.toml",
            "--reviewer",
            reader,
            "--no-background",
        ]);
        Session::spawn(30, 110, command)
    }

    /// Reads a whole sitting: sees pneumonia where `sees` says, by the number of the case in the reader's order.
    /// Returns the screens before and after each call; before a call beside the answer, the answer is there.
    fn read(&self, reader: &str, beside: bool, sees: impl Fn(usize) -> bool) -> String {
        let (mut session, screens) = self.call_all(reader, beside, sees);
        session.press("q");
        assert_eq!(session.wait_for_end(), 0);
        screens
    }

    /// The same, and the screen stays open.
    fn call_all(
        &self,
        reader: &str,
        beside: bool,
        sees: impl Fn(usize) -> bool,
    ) -> (Session, String) {
        let session = self.open(reader);
        let mut screens = String::new();
        for number in 1..=FILMS.len() {
            session.wait_for_cursor(&format!("{number}."));
            if beside {
                session.wait_for_text("Extent ");
            }
            screens += &session.screen();
            ask(&session);
            session.press(if sees(number) { "1" } else { "0" });
            session.wait_for_text("[x]");
            session.press(if sees(number) { "\x1b[C" } else { "\x1b[D" });
            session.wait_for_text(if sees(number) { "· 60" } else { "· 40" });
            session.press("\r");
            session.wait_for_mark('c', &format!("{number}."));
            screens += &session.screen();
            session.press("\t");
        }
        (session, screens)
    }

    fn status(&self) -> String {
        text(&self.run(&["study", "status", "study.toml"]).stdout)
    }
}

/// Opens the question, as soon as the film is on the screen.
fn ask(session: &Session) {
    open_by("\r", session, "Your call?");
}

/// Presses a key until it opens what it should: it is refused while the film before is still on the screen.
fn open_by(key: &str, session: &Session, words: &str) {
    const REFUSED: &str = "nothing to judge";
    session.wait_for("a radiograph", |session| session.painted_cells() > 200);
    session.wait_for(words, |session| {
        session.press(key);
        // Not pressed again before it is answered: the same key may close what it opens.
        for _ in 0..25 {
            std::thread::sleep(std::time::Duration::from_millis(200));
            let screen = session.screen();
            if screen.contains(words) {
                return true;
            }
            if screen.contains(REFUSED) {
                session.dismiss(REFUSED);
                break;
            }
        }
        false
    });
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn three_readers_read_in_both_modes_from_the_plan_to_the_page() {
    let study = StudyFolder::new();
    study.make(&[
        "--reader",
        "ann",
        "--reader",
        "bob",
        "--reader",
        "cy",
        "--adjudicator",
        "dee",
        "--design",
        "independent",
        "--washout-days",
        "0",
        "--seed",
        "7",
        "--hide",
        "header",
    ]);
    let check = study.run(&["study", "check", "study.toml"]);
    let page = text(&check.stdout);
    assert!(check.status.success(), "{page}{}", text(&check.stderr));
    assert!(page.contains("6 films: 4 to read, 2 left out"), "{page}");
    assert!(
        page.contains("Pneumonia: 2 positive, 2 negative, 0 without"),
        "{page}"
    );
    let list = fs::read_to_string(study.path("study.cases.csv")).unwrap();
    assert!(
        list.contains("again") && list.contains("truncated.dcm,,"),
        "{list}"
    );

    // The balanced order: some begin with the answer, some without.
    let firsts: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("  reader "))
        .map(|line| line.rsplit(": 4 cases, ").next().unwrap())
        .collect();
    assert!(
        firsts.contains(&"unaided, then aided") && firsts.contains(&"aided, then unaided"),
        "{page}"
    );
    for round in 0..2 {
        for (at, reader) in ["ann", "bob", "cy"].into_iter().enumerate() {
            let is_unaided = firsts[at].starts_with("unaided") == (round == 0);
            let screens = study.read(reader, !is_unaided, |number| (number + at) % 2 == 0);
            // Neither a file's name nor, without it, an answer is anywhere on the screen.
            for name in ["covid_", "clear_", "pneumonia_1"] {
                assert!(!screens.contains(name), "{screens}");
            }
            assert_eq!(screens.contains("Extent "), !is_unaided, "{screens}");
            assert_eq!(
                screens.contains("The answer stays hidden"),
                is_unaided,
                "{reader}: {screens}"
            );
            // Nothing of it leaves by a table before all have read.
            if round == 0 {
                for command in [&["export", "--all"][..], &["agreement"]] {
                    let store = ["--store", "study.sqlite"];
                    let refused = study.run(&[command, &store[..]].concat());
                    assert_eq!(refused.status.code(), Some(2));
                    assert!(refused.stdout.is_empty());
                    assert!(text(&refused.stderr).contains("still to be made"));
                }
            }
        }
    }
    assert!(
        study.status().contains("24 of 24 readings made"),
        "{}",
        study.status()
    );

    // The readers' calls stay hidden from the adjudicator, too.
    for command in [
        &["export", "--all", "--store", "study.sqlite"][..],
        &["agreement", "--study", "study.toml"],
    ] {
        let refused = study.run(command);
        assert_eq!(refused.status.code(), Some(2));
        assert!(refused.stdout.is_empty());
        let words = text(&refused.stderr);
        assert!(words.contains("still to be decided"), "{words}");
    }
    let verify = study.run(&["study", "verify", "study.toml"]);
    assert!(verify.status.success(), "{}", text(&verify.stderr));
    assert!(text(&verify.stdout).contains("24 reviews, head "));
    adjudicate(&study);

    let report = study.run(&["agreement", "--study", "study.toml", "--format", "json"]);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let found = &report["studies"][0];
    assert_eq!(
        (found["readers"].as_u64(), found["readings"].as_u64()),
        (Some(3), Some(12))
    );
    assert_eq!(
        (found["positives"].as_u64(), found["negatives"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(
        (found["unaided_only"].as_u64(), found["aided_only"].as_u64()),
        (Some(0), Some(0))
    );
    let figures: Vec<&str> = found["comparisons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|comparison| comparison["figure"].as_str().unwrap())
        .collect();
    assert_eq!(figures, ["sensitivity", "specificity", "AUC"]);

    edits_are_found(&study);
}

/// Disagreements go to the adjudicator, and the table that comes out is one that `cxr evaluate` takes.
fn adjudicate(study: &StudyFolder) {
    let undecided = study.run(&["study", "reference", "study.toml", "-o", "first.csv"]);
    assert_eq!(
        undecided.status.code(),
        Some(1),
        "{}",
        text(&undecided.stderr)
    );
    let table = fs::read_to_string(study.path("first.csv")).unwrap();
    let open = table.lines().filter(|line| line.ends_with(",,,")).count();
    assert!(open > 0, "{table}");
    let session = study.open("dee");
    for number in 1..=open {
        session.wait_for_cursor(&format!("{number}."));
        ask(&session);
        session.press("1");
        session.wait_for_text("[x]");
        session.press("\r");
        session.wait_for_mark('c', &format!("{number}."));
        session.press("\t");
    }
    session.press("q");
    let mut session = session;
    assert_eq!(session.wait_for_end(), 0);
    let decided = study.run(&["study", "reference", "study.toml", "-o", "reference.csv"]);
    assert!(decided.status.success(), "{}", text(&decided.stderr));
    let table = fs::read_to_string(study.path("reference.csv")).unwrap();
    assert_eq!(table.matches(",adjudicated,dee,").count(), open, "{table}");
    assert_eq!(table.lines().count(), 1 + FILMS.len());
    let again = study.run(&[
        "agreement",
        "--study",
        "study.toml",
        "-m",
        "reference.csv",
        "--label-column",
        "Pneumonia=Pneumonia",
    ]);
    assert!(
        text(&again.stdout).contains("0 without reference"),
        "{}",
        text(&again.stderr)
    );
}

/// Each edit is named, and none of the files that it is made in stays edited.
fn edits_are_found(study: &StudyFolder) {
    let edit = |name: &str, change: &dyn Fn(&str) -> String, words: &str| {
        let path = study.path(name);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(&before)).unwrap();
        let found = study.run(&["study", "verify", "study.toml"]);
        fs::write(&path, before).unwrap();
        assert_eq!(found.status.code(), Some(1), "{name}");
        assert!(
            text(&found.stderr).contains(words),
            "{name}: {}",
            text(&found.stderr)
        );
    };
    edit(
        "study.cases.csv",
        &|text| text.replacen("films/clear", "films/Clear", 1),
        "not the file that the study names",
    );
    edit(
        "cases.csv",
        &|text| text.replacen(",1", ",0", 1),
        "not the file that the study names",
    );
    edit(
        "study.toml",
        &|text| text.replace("seed = 7", "seed = 8"),
        "the study is another one",
    );
    let copy = study.path("before.sqlite");
    fs::copy(study.path("study.sqlite"), &copy).unwrap();
    let connection = rusqlite::Connection::open(study.path("study.sqlite")).unwrap();
    let sql = "DROP TRIGGER review_is_not_edited; UPDATE review SET calls = replace(calls, 'Pneumonia', 'COVID-19') WHERE id = 3";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let found = study.run(&["study", "verify", "study.toml"]);
    assert_eq!(found.status.code(), Some(1));
    assert!(
        text(&found.stderr).contains("row 3 was edited"),
        "{}",
        text(&found.stderr)
    );
}

/// Lesions of two films, by file: in the middle, where a mark begins, and in a corner.
const LESIONS: [(&str, &str); 2] = [
    ("pneumonia_1.png", "0.4 0.4 0.2 0.2"),
    ("covid_like_1.webp", "0.05 0.05 0.1 0.1"),
];

impl StudyFolder {
    /// A sequential study of marks in the boxes of its reference standard.
    fn of_marks() -> Self {
        let study = StudyFolder::new();
        let mut manifest = String::from("path,Pneumonia,boxes\n");
        for (name, is_positive) in FILMS {
            let boxes = LESIONS.iter().find(|lesion| lesion.0 == name);
            let boxes = boxes.map_or("", |lesion| lesion.1);
            manifest += &format!("films/{name},{},{boxes}\n", u8::from(is_positive));
        }
        fs::write(study.path("cases.csv"), manifest).unwrap();
        study.make(&[
            "--reader",
            "ann",
            "--reader",
            "bob",
            "--seed",
            "7",
            "--marks",
            "inside",
            "--boxes-column",
            "boxes",
        ]);
        study
    }

    /// The file of each case, in the order of a reader.
    fn order(&self, number: usize) -> Vec<String> {
        let folder = self.path(&format!("study.sittings/{number}-sequential"));
        let mut links: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|link| link.unwrap().path())
            .collect();
        links.sort();
        let name = |link: PathBuf| fs::read_link(link).unwrap().file_name().unwrap().to_owned();
        let names = links.into_iter().map(name);
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

/// A mark in the middle of the film, and its rating.
fn mark(session: &Session, rating: &str) {
    open_by("M", session, "r ruler");
    session.press("p");
    session.wait_for_text("the place");
    session.press("\r");
    session.wait_for_text("how sure, 0 to 100");
    session.press(rating);
    session.wait_for_text(&format!("rating: {rating} "));
    session.press("\r");
    session.wait_for_text(&format!("{rating} %"));
    session.press("M");
    session.wait_for_text("Findings");
}

fn call(session: &Session, key: &str, number: usize) {
    ask(session);
    session.press(key);
    session.wait_for_text("[x]");
    session.press("\r");
    session.wait_for_mark('c', &format!("{number}."));
}

/// Marks that were made before the call count unaided, and those that stand at the end count aided. By hand: Ann marks the
/// lesion in the middle with 80, and one normal film with 30. Of the two normal films, the lesion wins against both, and
/// the one that was not marked ties with one: (2 + ½) / 4. Beside the answer she takes the mark of the normal film back, and
/// marks the other film beside its lesion: (2 + ½ + ½) / 4. Bob marks nothing: ½.
#[test]
fn marks_of_a_sitting_become_the_figure_of_marks_on_lesions() {
    let study = StudyFolder::of_marks();
    let check = text(&study.run(&["study", "check", "study.toml"]).stdout);
    assert!(
        check.contains("marks      Pneumonia: 2 cases with 2 lesions, 2 without"),
        "{check}"
    );
    let mut session = study.open("ann");
    session.wait_for_cursor("1.");
    let order = study.order(1);
    for (number, name) in (1..).zip(&order) {
        session.wait_for_cursor(&format!("{number}."));
        session.wait_for("a radiograph", |session| session.painted_cells() > 200);
        match name.as_str() {
            "pneumonia_1.png" => mark(&session, "80"),
            "clear_1.png" => mark(&session, "30"),
            _ => {}
        }
        let sees = name.starts_with("pneu") || name.starts_with("covid");
        call(&session, if sees { "1" } else { "0" }, number);
        match name.as_str() {
            "covid_like_1.webp" => mark(&session, "60"),
            "clear_1.png" => {
                session.press("M");
                session.wait_for_text("30 %");
                session.press("\t");
                session.wait_for_text("▸1 point");
                session.press("x");
                session.wait_for_text("no marks here yet");
                session.press("M");
            }
            _ => {}
        }
        session.press("\t");
    }
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    let mut session = study.open("bob");
    for number in 1..=FILMS.len() {
        session.wait_for_cursor(&format!("{number}."));
        session.wait_for("a radiograph", |session| session.painted_cells() > 200);
        call(&session, "0", number);
        session.press("\t");
    }
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    marks_are_compared(&study);
}

fn marks_are_compared(study: &StudyFolder) {
    let agreement = ["agreement", "--study", "study.toml"];
    let all = [
        "--format",
        "json",
        "--report",
        "study.html",
        "--figures",
        "figures.csv",
        "--marks",
        "marks.csv",
    ];
    let report = study.run(&[&agreement[..], &all].concat());
    assert!(report.status.success(), "{}", text(&report.stderr));
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let found = &report["studies"][0];
    let figure = found["comparisons"].as_array().unwrap().last().unwrap();
    assert_eq!(figure["figure"], "wAFROC");
    let difference = figure["difference"]["value"].as_f64().unwrap();
    assert!((difference - 0.0625).abs() < 1e-12, "{difference}");
    let marks = &found["localisation"];
    assert_eq!(
        (&marks["lesion_images"], &marks["normal_images"]),
        (&2.into(), &2.into())
    );
    for (at, value, on_lesions, on_normal, beside) in [
        (0, 0.75, 1, 0, 1),
        (1, 0.625, 1, 1, 0),
        (2, 0.5, 0, 0, 0),
        (3, 0.5, 0, 0, 0),
    ] {
        let own = &marks["by_reader"][at];
        assert_eq!(own["value"], value, "{own}");
        let counts = [
            &own["on_lesions"],
            &own["on_normal"],
            &own["beside_lesions"],
        ];
        assert_eq!(
            counts,
            [&on_lesions.into(), &on_normal.into(), &Value::from(beside)]
        );
    }
    let table = fs::read_to_string(study.path("marks.csv")).unwrap();
    let rows = || table.lines().skip(1);
    let count = |word: &str| rows().filter(|line| line.contains(word)).count();
    // Two lesions in two modes by two readers, of which Ann marked one in each.
    assert_eq!(
        (count(",lesion,"), count(",missed,"), count(",no lesion,")),
        (2, 6, 2),
        "{table}"
    );
    let figures = fs::read_to_string(study.path("figures.csv")).unwrap();
    assert!(
        figures.contains("Pneumonia,wAFROC,4,ann,unaided,jackknife over patients,0.625000,"),
        "{figures}"
    );
    assert!(
        figures.contains("Pneumonia,wAFROC,4,,aided - unaided,random readers and cases,0.062500,"),
        "{figures}"
    );
    let page = fs::read_to_string(study.path("study.html")).unwrap();
    assert!(page.contains("<td>wAFROC</td>") && page.contains("<td>0.625</td>"));
    for table in ["figures.parquet", "marks.parquet"] {
        let option = format!("--{}", table.split_once('.').unwrap().0);
        let written = study.run(&[&agreement[..], &[&option, table]].concat());
        assert!(written.status.success(), "{}", text(&written.stderr));
        assert!(fs::read(study.path(table)).unwrap().starts_with(b"PAR1"));
        let text = text(&written.stdout);
        assert!(
            text.contains("each reader's marks") && text.contains("wAFROC by U-statistics: n/a")
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 130),
            "{text}"
        );
    }
    // Nothing is replaced, and a table by other means has no boxes unless they are named.
    let again = study.run(&[&agreement[..], &["--marks", "marks.csv"]].concat());
    assert_eq!(again.status.code(), Some(2));
    let columns = ["-m", "cases.csv", "--label-column", "Pneumonia=Pneumonia"];
    let without = study.run(&[&agreement[..], &columns].concat());
    assert!(without.status.success() && !text(&without.stdout).contains("wAFROC"));
    assert!(text(&without.stdout).contains("No figure of marks"));
    let boxes = ["--boxes-column", "boxes"];
    let with = study.run(&[&agreement[..], &columns, &boxes].concat());
    assert!(
        text(&with.stdout).contains("wAFROC (4)"),
        "{}",
        text(&with.stderr)
    );
}

/// The wash-out is enforced, and the attempt is in the log.
#[test]
fn the_second_sitting_waits_for_the_wash_out() {
    let study = StudyFolder::new();
    study.make_independent("28");
    study.read("ann", false, |_| true);
    let mut session = study.open("ann");
    session.wait_for_text("wash-out of 28 days ends at");
    assert_eq!(session.wait_for_end(), 2);
    let status = study.status();
    assert!(status.contains("refused ann: the wash-out"), "{status}");
    assert!(status.contains("4 of 8 readings made"), "{status}");
    // Without --study, the same films are not shown from the store of the study.
    let mut command = CommandBuilder::new(CXR);
    command.cwd(study.folder.path());
    command.args(["films", "--store", "study.sqlite", "--reviewer", "ann"]);
    let mut session = Session::spawn(30, 110, command);
    session.wait_for_text("still to be made");
    assert_eq!(session.wait_for_end(), 2);
    assert!(status.contains(" left ann ["), "{status}");
    // A stranger does not read, and the study can be closed with a reason.
    let mut session = study.open("zoe");
    session.wait_for_text("no reader of the study");
    assert_eq!(session.wait_for_end(), 2);
    let closed = study.run(&[
        "study",
        "close",
        "study.toml",
        "--reason",
        "one reader left",
    ]);
    assert!(closed.status.success(), "{}", text(&closed.stderr));
    let table = study.run(&["export", "--all", "--store", "study.sqlite"]);
    assert!(table.status.success() && text(&table.stdout).contains("ann ["));
    let page = text(&study.run(&["agreement", "--study", "study.toml"]).stdout);
    assert!(
        page.contains("4 readings of 4 images") && page.contains("only one mode"),
        "{page}"
    );
}

/// Otherwise the answers of the one could be seen beside the other. A screen that is gone, however it went, is none.
#[test]
fn a_sitting_that_is_still_on_a_screen_keeps_the_other_one_shut() {
    let study = StudyFolder::new();
    study.make_independent("0");
    let check = text(&study.run(&["study", "check", "study.toml"]).stdout);
    let is_aided_first = check.contains("4 cases, aided, then unaided");
    let (mut first, _) = study.call_all("ann", is_aided_first, |_| true);
    let mut second = study.open("ann");
    second.wait_for_text("sitting is still on a screen");
    assert_eq!(second.wait_for_end(), 2);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let mut second = study.open("ann");
    second.wait_for_cursor("1.");
    second.press("q");
    assert_eq!(second.wait_for_end(), 0);
}

/// A film that was overwritten after the study began opens no sitting, and the reader is not told its name.
#[test]
fn a_film_that_was_replaced_is_not_read() {
    let study = StudyFolder::new();
    study.make(&["--reader", "ann"]);
    let film = study.path("films").join(FILMS[0].0);
    fs::copy(samples().join("clear_2.jpg"), &film).unwrap();
    let mut session = study.open("ann");
    session.wait_for_text("is not the film of the case list");
    let screen = session.screen();
    assert!(!screen.contains("pneumonia_1"), "{screen}");
    assert_eq!(session.wait_for_end(), 2);
    let check = study.run(&["study", "check", "study.toml"]);
    assert!(text(&check.stderr).contains("pneumonia_1.png: not the film of the list"));
    let status = study.status();
    assert!(status.contains("refused ann: case "), "{status}");
    fs::remove_file(&film).unwrap();
    let mut session = study.open("ann");
    session.wait_for_text("is not there, or cannot be read");
    assert_eq!(session.wait_for_end(), 2);
    fs::copy(samples().join(FILMS[0].0), &film).unwrap();
    let mut session = study.open("ann");
    session.wait_for_cursor("1.");
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
}

/// What is no study, or not the model of the study, is one line.
#[test]
fn a_study_that_cannot_be_used_is_one_line() {
    let study = StudyFolder::new();
    study.make(&["--reader", "ann"]);
    let path = study.path("study.toml");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, words) in [
        ("\"sequential\"", "\"parallel\"", "design: \"parallel\""),
        ("format = 1", "format = [", "line "),
        (
            "readers = [\"ann\"]",
            "readers = [\"a\\u001b[31mnn\"]",
            "readers: ",
        ),
        ("study.cases.csv", "no.csv", "no.csv"),
    ] {
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        for command in ["check", "status", "verify"] {
            let refused = study.run(&["study", command, "study.toml"]);
            assert_eq!(refused.status.code(), Some(2), "{to} {command}");
            let line = text(&refused.stderr);
            assert!(
                line.contains(words) && !line.contains('\u{1b}'),
                "{to}: {line}"
            );
        }
    }
    fs::write(&path, &good).unwrap();
    let again = study.run(&[
        "study",
        "new",
        "films",
        "-o",
        "study.toml",
        "--reader",
        "bob",
    ]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        good,
        "nothing is replaced without --force"
    );
}
