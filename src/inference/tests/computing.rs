//! The ways of computing: what each engine, device and precision gives, what is refused, and what the card says of it.

use super::*;

/// The precisions that some processors have beside `f32`, what others lack, and how far a logit may move.
const OTHERS: [(Precision, &str, f32); 2] = [
    (Precision::Bf16, "AVX-512 BF16 or AMX tiles", 0.25),
    (Precision::Split, "AMX tiles", 1e-4),
];

fn bundled(engine: Engine, precision: Precision) -> Result<Classifier, InferenceError> {
    let compute = Compute {
        engine,
        precision,
        ..Compute::default()
    };
    Classifier::computed(weights::BUNDLED_CARD, weights::BUNDLED_WEIGHTS, compute)
}

/// Largest difference between the logits of two classifiers for one film.
fn difference(one: &Classifier, other: &Classifier) -> f32 {
    let [one, other] = [one, other].map(|classifier| classifier.logits(&film()).unwrap());
    let differences = one.iter().zip(&other).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn the_engines_agree() {
    let kernels = bundled(Engine::Kernels, Precision::F32).unwrap();
    let candle = bundled(Engine::Candle, Precision::F32).unwrap();
    assert!(difference(&kernels, &candle) < 1e-4);
    let prediction = kernels.classify(&film()).unwrap();
    assert_eq!(
        prediction.preprocess,
        candle.classify(&film()).unwrap().preprocess
    );
    let once_more = alone(|| kernels.logits(&film()).unwrap());
    assert_eq!(once_more, kernels.logits(&film()).unwrap());
}

#[test]
fn f16_is_near_f32_and_noted_on_the_card_and_in_predictions() {
    let half = bundled(Engine::Candle, Precision::F16).unwrap();
    let exact = bundled(Engine::Kernels, Precision::F32).unwrap();
    let difference = difference(&exact, &half);
    assert!(difference > 0.0 && difference < 0.15, "{difference}");
    let name = format!("{}+f16", exact.card().preprocess);
    assert_eq!(half.classify(&film()).unwrap().preprocess, name);
    let says_so = |model: &Classifier| model.card().limits.iter().any(|l| l.contains("f16"));
    assert!(says_so(&half) && !says_so(&exact));
}

#[test]
fn an_impossible_combination_is_refused_before_a_device_is_opened() {
    let compute = |device, engine, precision| Compute {
        device,
        engine,
        precision,
    };
    for (compute, words) in [
        (
            compute(DeviceChoice::Cpu, Engine::Kernels, Precision::F16),
            "f16 is for graphics",
        ),
        (
            compute(DeviceChoice::Cpu, Engine::Candle, Precision::Bf16),
            "candle computes in",
        ),
        (
            compute(DeviceChoice::Cpu, Engine::Candle, Precision::Split),
            "candle computes in",
        ),
        (
            compute(DeviceChoice::Cuda(0), Engine::Kernels, Precision::F32),
            "on the CPU only",
        ),
        (
            compute(DeviceChoice::Cuda(0), Engine::Candle, Precision::Bf16),
            "bf16 is for the CPU",
        ),
        (
            compute(DeviceChoice::Metal, Engine::Candle, Precision::Split),
            "split is for the CPU",
        ),
    ] {
        let made = Classifier::computed(weights::BUNDLED_CARD, weights::BUNDLED_WEIGHTS, compute);
        let Err(error) = made else {
            panic!("{compute:?} was taken");
        };
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_graphics_processor_has_more_callers_than_readers_up_to_a_limit() {
    let callers = |device, readers| {
        Compute {
            device,
            ..Compute::default()
        }
        .callers(readers)
    };
    assert_eq!(
        [1, 16, 300].map(|n| callers(DeviceChoice::Cpu, n)),
        [1, 16, 300]
    );
    let many = [1, 16, 32, 300].map(|n| callers(DeviceChoice::Cuda(0), n));
    assert_eq!(many, [4, 64, 96, 364]);
}

#[test]
fn every_precision_but_f32_is_noted_on_the_card() {
    let card = ModelFiles::bundled().card().unwrap();
    let plain = Precision::F32.noted_on(card.clone());
    assert_eq!(
        (&plain.preprocess, &plain.limits),
        (&card.preprocess, &card.limits)
    );
    for precision in [Precision::Bf16, Precision::Split, Precision::F16] {
        let noted = precision.noted_on(card.clone());
        let name = precision.name();
        assert_eq!(noted.preprocess, format!("{}+{name}", card.preprocess));
        let (before, new) = noted.limits.split_at(card.limits.len());
        assert_eq!(before, card.limits);
        assert!(
            new.len() == 1 && new[0].contains(&format!("--precision {name}")),
            "{new:?}"
        );
    }
}

#[test]
fn another_precision_is_named_where_it_is_used_and_else_the_model_is_the_one_in_f32() {
    let exact = bundled(Engine::Kernels, Precision::F32).unwrap();
    assert_eq!(exact.why_f32(), None);
    for (precision, needs, most) in OTHERS {
        let model = match bundled(Engine::Kernels, precision) {
            Ok(model) => model,
            Err(error) => {
                assert!(error.to_string().contains(needs), "{error}");
                crate::skip::skip_on_this_machine(error);
                continue;
            }
        };
        let is_used = model.why_f32().is_none();
        let used = if is_used { precision } else { Precision::F32 };
        let card = used.noted_on(exact.card().clone());
        assert_eq!(model.card().preprocess, card.preprocess);
        assert_eq!(model.card().limits, card.limits);
        assert_eq!(model.classify(&film()).unwrap().preprocess, card.preprocess);
        let difference = difference(&exact, &model);
        let is_other = difference > 0.0;
        assert!(
            is_other == is_used && difference < most,
            "{used:?}: {difference}"
        );
    }
}
