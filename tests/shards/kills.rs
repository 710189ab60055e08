//! A shard that is killed at any moment, and run again with the same command line.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::Archive;

const FILMS: usize = 10;

#[test]
fn a_shard_that_was_killed_goes_on_and_the_table_is_the_same() {
    killed(6);
}

/// As the one above, for longer.
#[test]
#[ignore = "takes minutes"]
fn a_shard_that_was_killed_a_hundred_times_goes_on() {
    killed(100);
}

/// Kills a run so many times, each time a little later; beyond the time that it takes, it begins anew.
fn killed(kills: u32) {
    let archive = Archive::new(FILMS);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    let expected = archive.rows("whole.csv");
    let arguments = [
        "predict", "archive", "--shard", "1/1", "-o", "p.csv", "--quiet", "--resume", "--jobs", "1",
    ];
    let begin = Instant::now();
    archive.run(&arguments);
    let whole = begin.elapsed();
    fs::remove_file(archive.at("p.csv")).unwrap();
    let (mut interrupted, mut finished) = (0, 0);
    for kill in 0..kills {
        let share = f64::from(kill % 25 + 1) / 25.0;
        let mut child = archive.command(&arguments).spawn().unwrap();
        thread::sleep(whole.mul_f64(share).max(Duration::from_millis(1)));
        child.kill().unwrap();
        // Its decoder processes end by themselves, and hold no lock.
        if child.wait().unwrap().code().is_none() {
            interrupted += 1;
        }
        if archive.at("p.csv").exists() {
            finished += 1;
            let merged = archive.merge(&["p.csv".to_owned()], &["-o", "all.csv", "--force"]);
            assert_eq!(merged.code, 0, "{}", merged.stderr);
            assert_eq!(archive.rows("all.csv"), expected, "kill {kill}");
            fs::remove_file(archive.at("p.csv")).unwrap();
            let _ = fs::remove_file(archive.at("p.csv.partial"));
        } else {
            let merged =
                archive.merge(&["p.csv.partial".to_owned()], &["-o", "all.csv", "--force"]);
            if archive.at("p.csv.partial").exists() && merged.code == 0 {
                // It had its end already, and only lacked its name.
                assert_eq!(archive.rows("all.csv"), expected);
            }
        }
    }
    let outcome = archive.run(&arguments);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    let merged = archive.merge(&["p.csv".to_owned()], &["-o", "all.csv", "--force"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert_eq!(archive.rows("all.csv"), expected);
    assert!(interrupted > 0, "no run was interrupted");
    println!("{kills} kills: {interrupted} runs interrupted, {finished} parts whole");
}
