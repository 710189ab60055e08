//! Times the bundled network on each engine and precision: `cargo bench --bench network`. Engines of others and
//! other networks are in `benches/side_by_side`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use cxr::inference::{
    Classifier, Classify, Compute, Engine, ModelFiles, Precision, alone, set_threads,
};

const WAYS: [(&str, Engine, Precision); 4] = [
    ("kernels", Engine::Kernels, Precision::F32),
    ("kernels, bf16", Engine::Kernels, Precision::Bf16),
    ("kernels, split", Engine::Kernels, Precision::Split),
    ("candle", Engine::Candle, Precision::F32),
];

#[allow(
    unsafe_code,
    reason = "sets environment variables while there is one thread"
)]
fn networks(criterion: &mut Criterion) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // SAFETY: no other thread runs yet.
    unsafe { set_threads(cores) };
    let files = ModelFiles::bundled();
    let mut group = criterion.benchmark_group("network");
    group.sample_size(20);
    for (name, engine, precision) in WAYS {
        let compute = Compute {
            engine,
            precision,
            ..Compute::default()
        };
        // Some processors do not have the precision, and on some f32 is as fast.
        let model = Classifier::computed(files.card_text(), files.weights(), compute);
        let Some(model) = model.ok().filter(|model| model.why_f32().is_none()) else {
            continue;
        };
        let side = model.card().input_size;
        for batch in [1, 8] {
            let values: Vec<f32> = (0..batch * side * side)
                .map(|i| (i as f32 * 0.37).sin())
                .collect();
            let run = || model.logits_of_values(black_box(values.clone()));
            group.bench_function(BenchmarkId::new(name, batch), |b| b.iter(run));
            group.bench_function(
                BenchmarkId::new(format!("{name}, one thread"), batch),
                |b| {
                    b.iter(|| alone(run));
                },
            );
        }
    }
}

criterion_group!(benches, networks);
criterion_main!(benches);
