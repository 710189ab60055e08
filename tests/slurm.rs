//! The examples of `examples/slurm` in a real Slurm of one host (`tools/slurm_host.sh`): an array whose task is killed, a
//! merge that refuses and names it, the rest by the same line again, and a table that equals that of a single run.

#![cfg(target_os = "linux")]

mod skip;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SHARDS: usize = 4;
/// What the node says it has: enough for all tasks at once, which ask for four each.
const CORES: &str = "16";
const KILLED: &str = "2";
/// Each sample is there as often, so that a task runs for long enough to be killed.
const COPIES: usize = 16;
const SAMPLES: [&str; 4] = [
    "clear_1.png",
    "pneumonia_1.png",
    "covid_like_1.webp",
    "pneumonia_12bit_mono1.dcm",
];
/// A build for tests on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(240);
/// The column that is never the same twice.
const TIME: &str = "elapsed_ms";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn said(output: &Output) -> String {
    let [out, error] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{}: {out}{error}", output.status)
}

/// A Slurm that runs until this is dropped, or until this process is gone: the script ends with its standard input.
struct SlurmHost {
    folder: tempfile::TempDir,
    script: Child,
}

impl SlurmHost {
    /// `None`, after a skip, if Slurm is not installed.
    fn start() -> Option<Self> {
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        for program in ["munged", "mungekey", "slurmctld", "slurmd", "sbatch"] {
            if !std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
                skip::skip(format_args!("no {program}, which is part of Slurm"));
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut script = Command::new("bash")
            .arg(root().join("tools/slurm_host.sh"))
            .arg(folder.path().join("slurm"))
            .args(["sh", "-c", "echo ready; exec cat"])
            .env("SLURM_HOST_CPUS", CORES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(script.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let host = SlurmHost { folder, script };
        assert_eq!(line, "ready\n", "Slurm did not start");
        Some(host)
    }

    /// A command in this Slurm, with the program under test as `cxr`.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_cxr")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(program.as_ref());
        command
            .env("SLURM_CONF", self.folder.path().join("slurm/slurm.conf"))
            .env("PATH", path)
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .env("TABLE", "all.csv")
            .env_remove("CXR_MODEL")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn output(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().unwrap()
    }

    /// The state of each task or job, as `squeue` says it: `1_2` and its `COMPLETED`.
    /// `None` if it does not answer.
    fn states(&self) -> Option<BTreeMap<String, String>> {
        let listed = self.output("squeue", &["-h", "-r", "-t", "all", "-o", "%i|%j|%T"]);
        if !listed.status.success() {
            return None;
        }
        let text = String::from_utf8(listed.stdout).unwrap();
        let job = |line: &str| {
            let (job, state) = line.rsplit_once('|').unwrap();
            (job.to_owned(), state.to_owned())
        };
        Some(text.lines().map(job).collect())
    }

    /// Waits until no job is left that waits or runs.
    fn all_have_ended(&self) -> BTreeMap<String, String> {
        let is_over = |states: &BTreeMap<String, String>| {
            let ends = ["COMPLETED", "FAILED", "CANCELLED"];
            let mut all = states.values();
            !states.is_empty() && all.all(|state| ends.contains(&state.as_str()))
        };
        eventually("an end of all jobs", || self.states().filter(is_over))
    }

    /// What a job printed.
    fn log(&self, job: &str) -> String {
        let folder = self.folder.path().join("run/logs");
        let entries = fs::read_dir(&folder).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let end = format!("-{job}.log");
        let path = paths.find(|path| path.to_string_lossy().ends_with(&end));
        fs::read_to_string(path.unwrap()).unwrap()
    }
}

impl Drop for SlurmHost {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // It returns when all daemons are gone.
        let _ = self.script.wait();
    }
}

fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// An archive with a file that is no image and one that is broken among its films.
fn archive(folder: &Path) {
    let samples = root().join("samples");
    for copy in 0..COPIES {
        let ward = folder.join(format!("ward {copy}"));
        fs::create_dir_all(&ward).unwrap();
        for name in SAMPLES {
            fs::copy(samples.join(name), ward.join(name)).unwrap();
        }
    }
    fs::copy(samples.join("truncated.dcm"), folder.join("truncated.dcm")).unwrap();
    fs::copy(samples.join("not_an_xray.png"), folder.join("no.png")).unwrap();
}

/// The rows of a table in their order, each as its cells by column, without the time that they took.
fn rows(table: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(table).unwrap();
    let columns = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        let cells = columns.iter().zip(&record);
        let kept = cells.filter(|(column, _)| *column != TIME);
        kept.map(|(column, cell)| (column.to_owned(), cell.to_owned()))
            .collect()
    };
    reader
        .records()
        .map(|record| row(record.unwrap()))
        .collect()
}

/// Submits what is to be done, and returns the array that was submitted and the number of the merge.
fn submit(slurm: &SlurmHost) -> (String, String) {
    let shards = SHARDS.to_string();
    let output = slurm.output(
        root().join("examples/slurm/submit.sh"),
        &["archive", "run", &shards],
    );
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (array, rest) = text.trim().split_once(": job ").unwrap();
    let (_, merge) = rest.split_once("; merge: job ").unwrap();
    (array.to_owned(), merge.to_owned())
}

/// The number and name of the task of a shard that runs or waits.
fn task_of(slurm: &SlurmHost, shard: &str) -> Option<String> {
    let states = slurm.states()?;
    let mut jobs = states.keys();
    let end = format!("_{shard}|cxr-score");
    let job = jobs.find(|job| job.ends_with(&end))?;
    Some(job.split('|').next().unwrap().to_owned())
}

/// Kills the task of a shard as soon as it writes rows.
fn kill(slurm: &SlurmHost, shard: &str) {
    let partial = slurm
        .folder
        .path()
        .join(format!("run/parts/{shard}.csv.partial"));
    let has_rows = || fs::read_to_string(&partial).is_ok_and(|text| text.lines().count() > 1);
    eventually("a row of the task to be killed", || {
        has_rows().then_some(())
    });
    let task = task_of(slurm, shard).unwrap();
    let output = slurm.output("scancel", &["--full", "--signal=KILL", &task]);
    assert!(output.status.success(), "{}", said(&output));
}

fn state_of<'a>(states: &'a BTreeMap<String, String>, job: &str) -> &'a str {
    let prefix = format!("{job}|");
    let found = states.iter().find(|(key, _)| key.starts_with(&prefix));
    found.unwrap_or_else(|| panic!("no {job}: {states:?}")).1
}

fn part(slurm: &SlurmHost, shard: &str) -> PathBuf {
    slurm.folder.path().join(format!("run/parts/{shard}.csv"))
}

#[test]
fn an_array_whose_task_was_killed_is_completed_into_the_table_of_a_single_run() {
    let Some(slurm) = SlurmHost::start() else {
        return;
    };
    archive(&slurm.folder.path().join("archive"));
    let table = slurm.folder.path().join("run/all.csv");

    let (array, merge) = submit(&slurm);
    assert_eq!(array, format!("--array=1-{SHARDS}"));
    kill(&slurm, KILLED);
    let states = slurm.all_have_ended();
    let log = slurm.log(&merge);
    assert_eq!(state_of(&states, &merge), "FAILED", "{states:?} {log}");
    assert!(log.contains(&format!("--array={KILLED}\n")), "{log}");
    assert!(!table.exists() && !part(&slurm, KILLED).exists());
    for shard in (1..=SHARDS).map(|shard| shard.to_string()) {
        assert_eq!(part(&slurm, &shard).exists(), shard != KILLED, "{shard}");
    }
    let others: Vec<_> = ["1", "3", "4"]
        .map(|shard| fs::read(part(&slurm, shard)).unwrap())
        .into();

    let (array, merge) = submit(&slurm);
    assert_eq!(array, format!("--array={KILLED}"));
    let states = slurm.all_have_ended();
    let log = slurm.log(&merge);
    assert_eq!(state_of(&states, &merge), "COMPLETED", "{states:?} {log}");
    let again: Vec<_> = ["1", "3", "4"]
        .map(|shard| fs::read(part(&slurm, shard)).unwrap())
        .into();
    assert!(others == again, "a part that was whole was written again");

    let single = slurm.output(
        env!("CARGO_BIN_EXE_cxr"),
        &["predict", "archive", "-o", "single.csv", "--quiet"],
    );
    // One file cannot be read.
    assert_eq!(single.status.code(), Some(1), "{}", said(&single));
    let mut expected = rows(&slurm.folder.path().join("single.csv"));
    assert_eq!(expected.len(), COPIES * SAMPLES.len() + 2);
    let whole = |row: &mut BTreeMap<String, String>| {
        // `submit.sh` names the archive by its absolute path.
        let path = slurm.folder.path().join(&row["path"]);
        let path = fs::canonicalize(path).unwrap();
        row.insert("path".to_owned(), path.to_str().unwrap().to_owned());
    };
    expected.iter_mut().for_each(whole);
    assert_eq!(rows(&table), expected);
}
