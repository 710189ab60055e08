//! Measures what decoding in a confined process costs, film by film: `cargo bench --bench confinement --
//! FOLDER`. Two threads, like two jobs of `cxr predict`, each open every film in this process and in a
//! decoder process, in turn, and then score it. Turns of some milliseconds see the same machine, however
//! busy it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use cxr::imaging::{self, DecodeLimits, Decoder};
use cxr::inference::{Classifier, Classify};

const JOBS: usize = 2;
const TURNS: usize = 15;

#[allow(
    unsafe_code,
    reason = "sets environment variables while there is one thread"
)]
fn main() -> ExitCode {
    let Some(folder) = std::env::args().skip(1).find(|a| !a.starts_with('-')) else {
        println!("skipped: cargo bench --bench confinement -- FOLDER names the films");
        return ExitCode::SUCCESS;
    };
    // SAFETY: no other thread runs yet.
    unsafe { cxr::inference::set_threads(1) };
    let films = films(Path::new(&folder));
    let classifier = Classifier::bundled().expect("the bundled model");
    let sums: Vec<Seconds> = thread::scope(|scope| {
        let job = || scope.spawn(|| measure(&films, &classifier));
        let jobs: Vec<_> = (0..JOBS).map(|_| job()).collect();
        jobs.into_iter()
            .map(|job| job.join().expect("a job"))
            .collect()
    });
    for [own, confined, score] in sums {
        println!(
            "{} films: decoding {own:.3} s in this process, {confined:.3} s in another, scoring {score:.3} s; \
             whole path {:.3}",
            films.len(),
            (confined + score) / (own + score)
        );
    }
    ExitCode::SUCCESS
}

/// Files that can be opened.
fn films(folder: &Path) -> Vec<PathBuf> {
    let files = folder
        .read_dir()
        .expect("a folder")
        .map(|file| file.expect("an entry").path());
    let limits = DecodeLimits::default();
    let mut films: Vec<_> = files
        .filter(|file| imaging::open(file, &limits).is_ok())
        .collect();
    films.sort();
    films
}

/// The sums over all films of the medians, in seconds: decoding in this process, decoding in a decoder
/// process, and scoring.
type Seconds = [f64; 3];

fn measure(films: &[PathBuf], classifier: &Classifier) -> Seconds {
    let limits = DecodeLimits::default();
    let decoder = Decoder::new(limits.clone(), Some(env!("CARGO_BIN_EXE_cxr").into()));
    let mut sums = [0.0; 3];
    for film in films {
        let mut turns: [Vec<Duration>; 3] = Default::default();
        for turn in 0..TURNS {
            let own = || timed(|| imaging::open(film, &limits)).0;
            let confined = || timed(|| decoder.open(film));
            let (own, (confined, opened)) = if turn % 2 == 0 {
                (own(), confined())
            } else {
                let confined = confined();
                (own(), confined)
            };
            let opened = opened.expect("it could be opened before");
            let score = timed(|| classifier.classify(&opened)).0;
            for (times, time) in turns.iter_mut().zip([own, confined, score]) {
                times.push(time);
            }
        }
        for (sum, times) in sums.iter_mut().zip(&mut turns) {
            times.sort();
            *sum += times[TURNS / 2].as_secs_f64();
        }
    }
    assert!(decoder.notice().is_none(), "decoded in this process");
    sums
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}
