//! Times the steps between a file and its scores, one by one: `cargo bench --bench pipeline`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use cxr::domain::{Canvas, View};
use cxr::imaging::{self, DecodeLimits};
use cxr::inference::{Classifier, Classify, Lungs, Preprocess};

const FILES: [&str; 4] = [
    "clear_1.png",
    "clear_2.jpg",
    "clear_16bit.dcm",
    "pneumonia_jpeg2000.dcm",
];

#[allow(
    unsafe_code,
    reason = "sets environment variables while there is one thread"
)]
fn steps(criterion: &mut Criterion) {
    // SAFETY: no other thread runs yet.
    unsafe { cxr::inference::set_threads(1) };
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let limits = DecodeLimits::default();
    for name in FILES {
        let path = samples.join(name);
        criterion.bench_function(&format!("open {name}"), |b| {
            b.iter(|| imaging::open(black_box(&path), &limits).expect("a sample"));
        });
    }
    let radiograph = imaging::open(&samples.join(FILES[0]), &limits).expect("a sample");
    let canvas = Canvas {
        width: 700,
        height: 700,
        pixel_aspect: 1.0,
    };
    criterion.bench_function("show, 700 × 700", |b| {
        b.iter(|| imaging::show(black_box(&radiograph), &View::default(), canvas));
    });
    let classifier = Classifier::bundled().expect("the bundled model");
    let find_lungs = |film| Lungs::of(film).expect("the network of the lungs");
    let lungs = find_lungs(&radiograph).region();
    criterion.bench_function("lungs", |b| b.iter(|| find_lungs(black_box(&radiograph))));
    let card = classifier.card();
    let preprocess =
        Preprocess::named(&card.preprocess, card.input_size).expect("the bundled preprocessing");
    criterion.bench_function("preprocess", |b| {
        b.iter(|| preprocess.apply(black_box(&radiograph), lungs));
    });
    let input = preprocess.apply(&radiograph, lungs);
    criterion.bench_function("network, one thread", |b| {
        b.iter(|| classifier.logits_of_values(black_box(input.clone())));
    });
}

criterion_group!(benches, steps);
criterion_main!(benches);
