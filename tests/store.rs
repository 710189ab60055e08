//! The store under many processes, and under processes that are killed. The processes run this test binary
//! itself, which an environment variable turns into a writer.

mod skip;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use cxr::domain::{
    Act, ImageIdentity, InputCheck, Opinion, OpinionChange, Prediction, Review, Seen, Uids, Verdict,
};
use cxr::store::{ReviewEntry, Store};

const STORE: &str = "CXR_TEST_STORE";
const WRITER: &str = "CXR_TEST_WRITER";
const COUNT: &str = "CXR_TEST_COUNT";
const STRANGER: &str = "CXR_TEST_STRANGER";
/// Number of processes that are killed; a study of the store uses 500.
const KILLS: &str = "CXR_KILLS";

fn entry(writer: &str, number: usize) -> ReviewEntry {
    ReviewEntry {
        token: format!("{writer}-{number}"),
        image: ImageIdentity {
            // All writers review the same images.
            sha256: format!("{:064x}", number % 10),
            path: PathBuf::from(format!("/x/{}.png", number % 10)),
            uids: Uids::default(),
            patient_id: None,
        },
        review: Review {
            reviewer: writer.to_owned(),
            at: SystemTime::now(),
            act: Act::Noted,
            change: OpinionChange::to(&Opinion {
                verdict: Some(Verdict::Agree),
                note: number.to_string(),
                ..Opinion::default()
            }),
            seen: Seen::default(),
        },
        prediction: None,
    }
}

fn prediction() -> Prediction {
    Prediction {
        content: Default::default(),
        findings: vec![],
        severity: None,
        input: InputCheck::Refused(vec!["dark".into()]),
        model_sha256: "ab".into(),
        preprocess: "cxr-1".into(),
        elapsed_ms: 0.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

/// Not a test by itself: another program that uses SQLite and not cxr. It opens the file, counts rows and
/// closes it, again and again, until it is killed.
#[test]
fn a_stranger() {
    let Ok(store) = std::env::var(STRANGER) else {
        return;
    };
    let times = std::env::var(COUNT).map_or(u64::MAX, |count| count.parse().unwrap());
    for _ in 0..times {
        // There may be no table yet.
        let _ = rusqlite::Connection::open(&store).and_then(|connection| {
            let sql = "SELECT count(*) FROM review";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        });
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A second handle of this process must not release the locks of the first one: another program would take
/// itself for the only one, and remove the log that this process is writing to.
#[test]
fn another_program_does_not_take_the_log_away_after_a_second_handle() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut store = Store::open(&path).unwrap();
    store.append(&entry("ann", 0)).unwrap();
    let log = folder.path().join("reviews.sqlite-wal");
    let Ok(before) = std::fs::metadata(&log) else {
        skip::skip_on_this_machine("this file system has no shared memory, so there is no log");
        return;
    };
    for open in [Store::open, Store::open_read_only] {
        drop(open(&path).unwrap());
        let _second = open(&path).unwrap();
        let status = stranger(&path, 1).status().unwrap();
        assert!(status.success());
        let now = std::fs::metadata(&log).expect("the log was removed");
        assert_eq!(now.ino(), before.ino());
    }
}

/// Not a test by itself: a process that acknowledges each review once it is on the disk.
#[test]
fn a_writer() {
    let (Ok(store), Ok(writer)) = (std::env::var(STORE), std::env::var(WRITER)) else {
        return;
    };
    let count: usize = std::env::var(COUNT).unwrap().parse().unwrap();
    let path = PathBuf::from(store);
    let mut store = Store::open(&path).unwrap();
    // A session has a second handle, for the prediction cache. Here it is opened and closed repeatedly.
    let mut cache = None;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nopen").unwrap();
    for number in 0..count {
        if number % 8 == 0 {
            drop(cache.take());
            cache = Some(Store::open(&path).unwrap());
        }
        let entry = entry(&writer, number);
        let cache = cache.as_mut().unwrap();
        cache
            .cache_prediction(&entry.image, &Default::default(), &prediction(), "basis")
            .unwrap();
        store.append(&entry).unwrap();
        writeln!(out, "ack {writer}-{number}").unwrap();
        out.flush().unwrap();
    }
}

fn start(store: &Path, writer: &str, count: usize) -> Child {
    this_binary("a_writer")
        .env(STORE, store)
        .env(WRITER, writer)
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn this_binary(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
}

/// Another program that opens and closes the store five times a second, this number of times. It is the
/// installed SQLite: the version that is linked here checks another lock before it removes a log, and older
/// versions do not.
fn stranger(store: &Path, times: u32) -> Command {
    const SHELL: &str = "i=0; while [ $i -lt $2 ]; do i=$((i + 1));
        sqlite3 \"$1\" 'select count(*) from review' || :; sleep 0.2; done";
    const PYTHON: &str = "
import sqlite3, sys, time
for _ in range(int(sys.argv[2])):
    try:
        store = sqlite3.connect(sys.argv[1])
        store.execute('select count(*) from review').fetchone()
        store.close()
    except sqlite3.Error:
        pass
    time.sleep(0.2)";
    let has = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let mut command = if has("sqlite3", &["--version"]) {
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh"]);
        shell
    } else if has("python3", &["-c", "import sqlite3"]) {
        let mut python = Command::new("python3");
        python.args(["-c", PYTHON]);
        python
    } else {
        skip::skip("sqlite3 is not installed; this program stands in for it");
        let mut other = this_binary("a_stranger");
        other.env(STRANGER, store).env(COUNT, times.to_string());
        return quiet(other);
    };
    command.arg(store).arg(times.to_string());
    quiet(command)
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that is killed at the end of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The reviews that a process acknowledged before its end.
fn acknowledged(child: &mut Child) -> BTreeSet<String> {
    let out = BufReader::new(child.stdout.take().unwrap());
    let lines = out.lines().map_while(Result::ok);
    lines
        .filter_map(|line| line.strip_prefix("ack ").map(str::to_owned))
        .collect()
}

fn tokens(path: &Path) -> BTreeSet<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT token FROM review").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn eight_processes_lose_nothing_and_see_no_lock() {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    // All of them find no store, and create it at the same time.
    let path = folder.path().join("reviews.sqlite");
    let mut writers: Vec<Child> = (0..WRITERS)
        .map(|n| start(&path, &format!("reader {n}"), EACH))
        .collect();
    for writer in &mut writers {
        let acknowledged = acknowledged(writer);
        let (is_success, complaint) = end(writer);
        assert!(is_success, "{complaint}");
        assert_eq!(acknowledged.len(), EACH);
    }
    let store = Store::open(&path).unwrap();
    let audit = store.verify().unwrap();
    assert_eq!(
        (audit.rows as usize, audit.faults),
        (WRITERS * EACH, vec![])
    );
    assert_eq!(tokens(&path).len(), WRITERS * EACH);
    for n in 0..WRITERS {
        let held = store.standings(&format!("reader {n}")).unwrap();
        let notes: BTreeSet<_> = held.into_iter().map(|s| s.opinion.note).collect();
        let last: BTreeSet<_> = (EACH - 10..EACH).map(|note| note.to_string()).collect();
        assert_eq!(notes, last);
    }
}

/// Whether the process succeeded, and its error messages.
fn end(child: &mut Child) -> (bool, String) {
    let mut complaint = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut complaint);
    }
    (child.wait().unwrap().success(), complaint)
}

/// Two sessions write to one store and are killed, while another program opens and closes it five times a
/// second. Each round continues with the file as the last kill left it.
#[test]
fn killed_at_any_moment_it_opens_again_with_every_acknowledged_review() {
    let kills: u64 = match std::env::var(KILLS) {
        Ok(kills) => kills.parse().unwrap(),
        Err(_) => 100,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    drop(Store::open(&path).unwrap());
    let _stranger = Killed(stranger(&path, 1_000_000).spawn().unwrap());
    let (mut promised, mut done) = (BTreeSet::new(), 0);
    // A simple generator (Knuth's MMIX) for moments that differ.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    // On a slow disk, a session may be killed before it has written anything.
    while done < kills || (promised.len() as u64 <= kills && done < 10 * kills) {
        let names = ["one", "other"].map(|name| format!("{name} {done}"));
        let mut sessions = names.map(|name| Killed(start(&path, &name, 100_000)));
        for Killed(session) in &mut sessions {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // From before the store is open until it is being written, and beyond the next visit of the other
            // program.
            std::thread::sleep(Duration::from_micros(500 + (random >> 33) % 140_000));
            session.kill().unwrap();
            done += 1;
        }
        for Killed(session) in &mut sessions {
            promised.extend(acknowledged(session));
            session.wait().unwrap();
        }
        let audit = Store::open(&path).unwrap().verify().unwrap();
        assert_eq!(audit.faults, [], "after {done} kills");
        let kept = tokens(&path);
        assert_eq!(audit.rows as usize, kept.len());
        let lost = promised.difference(&kept).count();
        assert_eq!(lost, 0, "lost of {} after {done} kills", promised.len());
    }
    let kept = tokens(&path).len();
    println!("{done} kills, {} acknowledged, {kept} kept", promised.len());
    assert!(promised.len() as u64 > kills, "nothing was being written");
}
