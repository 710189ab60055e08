//! Tables of many rows, and such as only state many: what evaluating them takes of memory.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cxr::export::{FlatReader, FlatRow, FlatWriter, TableFormat};

use super::{Archive, Outcome};
use crate::parquet_files::{bombs, column, file, nothing, repeated, texts};

/// Kilobytes of address space: what a program of this size needs anyway, and some more.
const LIMIT: u32 = 1_500_000;
/// Rows of a table that is not held as a whole, and of one that is.
const MANY: usize = 200_000;
const FEW: usize = 1_000;
/// How much more memory the many rows may take, in MiB. Held as a whole they would take two hundred.
const MORE: u64 = 64;

#[test]
fn a_small_file_that_asks_for_much_is_refused_in_a_line() {
    let archive = Archive::new(0);
    fs::write(archive.at("cases.csv"), "path,finding\na.png,Pneumonia\n").unwrap();
    for (name, bytes, words) in bombs() {
        assert!(bytes.len() < 100_000, "{name}: {}", bytes.len());
        fs::write(archive.at("bomb.parquet"), bytes).unwrap();
        let outcome = limited(&archive, "bomb.parquet");
        assert_eq!(outcome.code, 2, "{name}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{name}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("bomb.parquet"),
            "{name}: {}",
            outcome.stderr
        );
        assert_eq!(
            outcome.stderr.lines().count(),
            1,
            "{name}: {}",
            outcome.stderr
        );
        // Nor does a merge take it for a part, or a run for an earlier table.
        let merged = archive.run(&["merge", "bomb.parquet", "-o", "all.csv"]);
        assert_eq!(merged.code, 2, "{name}: {}", merged.stderr);
    }
    // Rows of nothing take no memory, however many they are, and are no table of scores.
    const ROWS: u64 = 3_000_000;
    let empty = ["path", "status", "x"].map(|name| column(name, vec![nothing(ROWS)]));
    fs::write(archive.at("empty.parquet"), file(ROWS as i64, &empty)).unwrap();
    let outcome = limited(&archive, "empty.parquet");
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("no column of scores"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_is_written_by_hand_is_read_where_it_keeps_its_word() {
    let archive = Archive::new(0);
    fs::write(
        archive.at("cases.csv"),
        "path,finding\na.png,Pneumonia\nb.png,No Finding\n",
    )
    .unwrap();
    let columns = [
        column("path", vec![texts(&["a.png", "b.png"])]),
        column("status", repeated(2, "ok")),
        column("Pneumonia", vec![texts(&["0.75", "0.25"])]),
    ];
    fs::write(archive.at("t.parquet"), file(2, &columns)).unwrap();
    let outcome = limited(&archive, "t.parquet");
    assert!(outcome.code < 2, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("Pneumonia"), "{}", outcome.stdout);
}

/// Evaluates a table with little memory.
fn limited(archive: &Archive, table: &str) -> Outcome {
    let program = env!("CARGO_BIN_EXE_cxr");
    let script = format!(
        "ulimit -v {LIMIT}; exec '{program}' evaluate --manifest cases.csv --predictions {table} --quiet"
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .current_dir(archive.0.path())
        .env("CXR_CONFIG", "")
        // Each thread takes address space for its stack and its arena: a machine of many cores has many.
        .env("MALLOC_ARENA_MAX", "2")
        .env("RAYON_NUM_THREADS", "2")
        .env("XDG_STATE_HOME", archive.at("state"));
    Outcome::of(command.output().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn evaluating_many_rows_takes_no_more_memory_than_few() {
    let archive = Archive::new(1);
    archive.run(&["predict", "archive", "-o", "one.csv", "--quiet"]);
    cases(&archive);
    for ending in ["csv", "parquet"] {
        let peak = |rows: usize| {
            let table = format!("{rows}.{ending}");
            invented(&archive, rows, &table);
            let peak = evaluated(&archive, &table);
            fs::remove_file(archive.at(&table)).unwrap();
            peak
        };
        let (few, many) = (peak(FEW), peak(MANY));
        println!("{ending}: {few} MiB for {FEW} rows, {many} MiB for {MANY}");
        assert!(many < few + MORE, "{ending}: {few} and {many} MiB");
    }
}

/// A table of so many rows, like the one of one film.
fn invented(archive: &Archive, rows: usize, table: &str) {
    let one = fs::read_to_string(archive.at("one.csv")).unwrap();
    let head = one.lines().next().unwrap();
    let columns: Vec<String> = head.split(',').map(str::to_owned).collect();
    let from = Box::new(std::io::Cursor::new(one.clone().into_bytes()));
    let mut reader = FlatReader::new(TableFormat::Csv, from, &columns).unwrap();
    let (mut row, mut line) = (FlatRow::new(), Vec::new());
    assert!(reader.next(&mut row, &mut line).unwrap());
    let format = TableFormat::of(None, Some(table.as_ref())).unwrap();
    let out = fs::File::create(archive.at(table)).unwrap();
    let mut writer = FlatWriter::begin(out, format, &columns).unwrap();
    let content = columns
        .iter()
        .position(|name| name == "image_sha256")
        .unwrap();
    for number in 0..rows {
        let mut cells: Vec<String> = row.iter().map(str::to_owned).collect();
        cells[0] = format!("archive/w{}/IM-{number}.png", number / 1000);
        cells[3] = format!("0.{:06}", number * 7919 % 1_000_000);
        cells[content] = format!("{number:064x}");
        writer.row(&FlatRow::from(cells), &[]).unwrap();
    }
    writer.finish().unwrap();
}

fn cases(archive: &Archive) {
    let cases = (0..FEW).step_by(10).map(|number| {
        let finding = ["Pneumonia", "No Finding"][number / 10 % 2];
        format!("archive/w0/IM-{number}.png,{finding}\n")
    });
    let text = format!("path,finding\n{}", cases.collect::<String>());
    fs::write(archive.at("cases.csv"), text).unwrap();
}

/// The most memory that evaluating a table took, in MiB.
fn evaluated(archive: &Archive, table: &str) -> u64 {
    let arguments = [
        "evaluate",
        "--manifest",
        "cases.csv",
        "--predictions",
        table,
        "--quiet",
    ];
    let mut command = archive.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(high_water(&status).unwrap_or(0));
        thread::sleep(Duration::from_millis(1));
    }
    let outcome = Outcome::of(child.wait_with_output().unwrap());
    assert!(outcome.code < 2, "{table}: {}", outcome.stderr);
    assert!(outcome.stdout.contains("AUC"), "{}", outcome.stdout);
    peak
}

fn high_water(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}
