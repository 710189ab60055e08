//! Times networks for `side_by_side.py` and `any_model.py`: `side_by_side kernels|candle f32|bf16|split
//! MODEL.safetensors…`, each with its card beside it. A line `MODEL BATCH` on standard input (models are counted from 0) is
//! answered by the milliseconds of one forward pass, which directly follows another. A line `memory` is answered by the
//! peak memory in MiB.

use std::io::{BufRead, stdin};
use std::path::Path;
use std::time::Instant;

use cxr::inference::{Classifier, Compute, Engine, ModelFiles, Precision, set_threads};

#[allow(
    unsafe_code,
    reason = "sets environment variables while there is one thread"
)]
fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let (Some(engine), Some(precision)) = (arguments.next(), arguments.next()) else {
        eprintln!("side_by_side: run benches/side_by_side/side_by_side.py or any_model.py");
        return;
    };
    let compute = Compute {
        engine: if engine == "candle" {
            Engine::Candle
        } else {
            Engine::Kernels
        },
        precision: match precision.as_str() {
            "bf16" => Precision::Bf16,
            "split" => Precision::Split,
            _ => Precision::F32,
        },
        ..Compute::default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // SAFETY: no other thread runs yet.
    unsafe { set_threads(cores) };
    let models: Vec<Classifier> = arguments.map(|path| load(&path, compute)).collect();
    println!("ready");
    for line in stdin().lock().lines() {
        let line = line.expect("a line of text");
        match line.split_once(' ') {
            Some((model, batch)) => {
                let model = &models[model.parse::<usize>().expect("a model")];
                println!("{}", milliseconds(model, batch.parse().expect("a batch")));
            }
            None => println!("{}", peak_mib()),
        }
    }
}

fn load(path: &str, compute: Compute) -> Classifier {
    let files = ModelFiles::read(Path::new(path)).expect("a model");
    files.classifier(compute).expect("a model")
}

/// The input values are those of `side_by_side.py`.
fn milliseconds(model: &Classifier, batch: usize) -> f64 {
    let (channels, side) = (model.preprocess().channels(), model.preprocess().size());
    let count = batch * channels * side * side;
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
    // A first pass wakes the threads, which sleep between lines. Those of the other engines spin from pass to pass.
    model.logits_of_values(values.clone()).expect("logits");
    let start = Instant::now();
    model.logits_of_values(values).expect("logits");
    start.elapsed().as_secs_f64() * 1e3
}

/// The peak memory from `/proc/self/status`; 0 on systems without that file.
fn peak_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
