use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;

use super::*;

const TILES: WayCandidate = WayCandidate {
    name: "bf16 by tiles",
    is_model: false,
};
const PAIRS: WayCandidate = WayCandidate {
    name: "bf16 by pairs",
    is_model: false,
};
const MODEL: WayCandidate = WayCandidate {
    name: "bf16 by modelled tiles",
    is_model: true,
};
/// The index of `f32` beside [`TILES`] and [`PAIRS`].
const EXACT: usize = 2;

fn milliseconds(times: &[f64]) -> Vec<Duration> {
    let times = times.iter();
    times
        .map(|time| Duration::from_secs_f64(time / 1e3))
        .collect()
}

fn question(precision: Precision, threads: usize) -> WayQuestion {
    WayQuestion {
        precision,
        network: "small 1".to_owned(),
        key: ChoiceKey {
            processor: "a processor".to_owned(),
            kernels: "avx512".to_owned(),
            threads,
            cxr: "0.1.0".to_owned(),
            precision: precision.name().to_owned(),
            sha256: "3f9a".to_owned(),
            image: [1, 64, 64],
        },
    }
}

/// The choice among tiles, pairs and `f32` by these times in milliseconds; it is kept in `file`.
fn chosen(file: &Path, threads: usize, times: [f64; 3]) -> usize {
    let times = milliseconds(&times);
    let kept = Some(KeptChoices::in_file(file));
    let question = question(Precision::Bf16, threads);
    choose(question, &[TILES, PAIRS], kept, |at| Ok(times[at])).unwrap()
}

/// The same, where the choice must be kept already.
fn remembered(file: &Path, threads: usize) -> usize {
    let kept = Some(KeptChoices::in_file(file));
    let question = question(Precision::Bf16, threads);
    choose(question, &[TILES, PAIRS], kept, |_| {
        panic!("measured again")
    })
    .unwrap()
}

#[test]
fn the_fastest_way_is_chosen_if_it_saves_enough() {
    for (times, expected) in [
        ([3.0, 4.0, 10.0], 0),
        ([4.0, 3.0, 10.0], 1),
        ([9.6, 11.0, 10.0], 0),
        ([9.8, 9.9, 10.0], EXACT),
        ([12.0, 11.0, 10.0], EXACT),
    ] {
        assert_eq!(pick(&milliseconds(&times)), expected, "{times:?}");
    }
}

#[test]
fn candidates_run_in_turn_and_their_least_times_count() {
    let mut calls = Vec::new();
    // The first round is quick, and does not count. Each later one is slower than the one before.
    let least = least_times(3, |at| {
        calls.push(at);
        let round = (calls.len() - 1) / 3;
        Ok(Duration::from_millis(if round == 0 {
            1
        } else {
            100 * round as u64 + at as u64
        }))
    });
    assert_eq!(least.unwrap(), milliseconds(&[100.0, 101.0, 102.0]));
    assert_eq!(calls, [0, 1, 2].repeat(1 + FEWEST_ROUNDS));
}

#[test]
fn quick_candidates_run_more_often_within_limits() {
    let rounds = |time: Duration| {
        let mut calls = 0;
        let least = least_times(2, |_| {
            calls += 1;
            Ok(time)
        });
        assert_eq!(least.unwrap(), [time; 2]);
        calls / 2 - 1
    };
    assert_eq!(rounds(Duration::ZERO), MOST_ROUNDS);
    let many = rounds(Duration::from_millis(10));
    assert!(many > FEWEST_ROUNDS && many < MOST_ROUNDS, "{many}");
    assert!(Duration::from_millis(10) * 2 * (many as u32 + 1) <= BUDGET);
    assert_eq!(rounds(Duration::from_secs(1)), FEWEST_ROUNDS);
}

#[test]
fn a_processor_without_the_precision_is_an_error_that_says_what_it_needs() {
    for (precision, words) in [
        (Precision::Bf16, "AVX-512 BF16 or AMX"),
        (Precision::Split, "AMX"),
    ] {
        let never = |_| panic!("measured");
        let error = choose(question(precision, 1), &[], None, never).unwrap_err();
        let error = error.to_string();
        let name = format!("--precision {} needs", precision.name());
        assert!(error.starts_with(&name) && error.contains(words), "{error}");
    }
}

#[test]
fn the_model_of_tiles_is_taken_without_measuring() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ways.toml");
    let kept = Some(KeptChoices::in_file(&file));
    let never = |_| panic!("measured");
    let question = question(Precision::Bf16, 1);
    assert_eq!(choose(question, &[MODEL, PAIRS], kept, never).unwrap(), 0);
    assert!(!file.exists());
}

#[test]
fn a_choice_is_kept_for_its_key_and_its_ways() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/cxr/ways.toml");
    assert_eq!(chosen(&file, 1, [3.0, 4.0, 10.0]), 0);
    assert_eq!(remembered(&file, 1), 0);
    // Another number of threads is another question.
    assert_eq!(chosen(&file, 2, [11.0, 12.0, 10.0]), EXACT);
    assert_eq!((remembered(&file, 1), remembered(&file, 2)), (0, EXACT));

    let all = KeptChoices::in_file(&file).all();
    let first = &all[0];
    assert_eq!((all.len(), first.way.as_str()), (2, TILES.name));
    let times: Vec<(&str, f64)> = first
        .milliseconds
        .iter()
        .map(|(k, v)| (k.as_str(), *v))
        .collect();
    assert_eq!(times, [(PAIRS.name, 4.0), (TILES.name, 3.0), ("f32", 10.0)]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(&file), 0o600);

    // A processor that lost its tiles, or a virtual one without them, is asked again.
    let kept = Some(KeptChoices::in_file(&file));
    let question = question(Precision::Bf16, 1);
    let times = milliseconds(&[12.0, 10.0]);
    assert_eq!(
        choose(question, &[PAIRS], kept, |at| Ok(times[at])).unwrap(),
        1
    );
    assert_eq!(
        KeptChoices::in_file(&file).all().len(),
        2,
        "it takes the place of the old one"
    );
}

#[test]
fn a_damaged_or_foreign_file_is_measured_again_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ways.toml");
    chosen(&file, 1, [3.0, 4.0, 10.0]);
    let good = fs::read_to_string(&file).unwrap();
    let later = good.replace("format = 1", "format = 2");
    let unknown = good.replace("way = \"bf16 by tiles\"", "way = \"by hand\"");
    assert!(later != good && unknown != good, "{good}");
    for text in [
        &good[..good.len() / 2],
        &later,
        &unknown,
        "",
        "\0",
        "[[choice]]",
    ] {
        fs::write(&file, text).unwrap();
        assert_eq!(chosen(&file, 1, [4.0, 3.0, 10.0]), 1, "{text}");
        assert_eq!(remembered(&file, 1), 1, "{text}");
    }
    fs::write(&file, [0xff_u8; 64]).unwrap();
    assert_eq!(chosen(&file, 1, [3.0, 4.0, 10.0]), 0, "not text");
    fs::write(&file, good + &" ".repeat(1 << 20)).unwrap();
    assert_eq!(chosen(&file, 1, [4.0, 3.0, 10.0]), 1, "too large");
}

#[test]
fn the_choice_of_a_process_that_was_faster_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ways.toml");
    let times = milliseconds(&[3.0, 4.0, 10.0]);
    let question = question(Precision::Bf16, 1);
    let kept = Some(KeptChoices::in_file(&file));
    let with_another = |at: usize| {
        chosen(&file, 1, [11.0, 12.0, 10.0]);
        Ok(times[at])
    };
    assert_eq!(
        choose(question, &[TILES, PAIRS], kept, with_another).unwrap(),
        EXACT
    );
    assert_eq!(remembered(&file, 1), EXACT);
}

#[test]
fn a_file_that_cannot_be_written_costs_a_measurement_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cxr"), "no folder").unwrap();
    let file = folder.path().join("cxr/ways.toml");
    assert_eq!(chosen(&file, 1, [3.0, 4.0, 10.0]), 0);
    assert_eq!(chosen(&file, 1, [4.0, 3.0, 10.0]), 1);
    let question = question(Precision::Bf16, 1);
    let times = milliseconds(&[4.0, 3.0, 10.0]);
    assert_eq!(
        choose(question, &[TILES, PAIRS], None, |at| Ok(times[at])).unwrap(),
        1
    );
}

/// The plan of a network is the way itself, and one in `f32`, or every other one, takes its time.
fn fastest_if(precision: Precision, f32_is_slow: bool) -> Result<Products, InferenceError> {
    let network = NetworkIdentity {
        name: "small",
        version: "1",
        sha256: "3f9a",
    };
    let pass = |way: &Products, input: &Tensor| {
        assert_eq!(input.dims(), [1, 3, 4, 5]);
        if (*way == Products::F32) == f32_is_slow {
            sleep(Duration::from_millis(3));
        }
        Ok(())
    };
    fastest(precision, network, [3, 4, 5], |_, way| Ok(way), pass)
}

#[test]
fn the_plan_is_of_the_way_that_is_fastest_here() {
    for precision in [Precision::Bf16, Precision::Split] {
        let ways = Products::ways(precision.of_kernels(), Kernels::best());
        match ways.first() {
            None => assert!(fastest_if(precision, true).is_err()),
            Some(model) if model.is_model() => {
                assert_eq!(fastest_if(precision, false).unwrap(), *model);
            }
            Some(_) => {
                let quick = fastest_if(precision, true).unwrap();
                assert_eq!(Precision::from(quick.precision()), precision);
                assert_eq!(fastest_if(precision, false).unwrap(), Products::F32);
            }
        }
    }
}

#[test]
fn f32_is_never_measured() {
    let network = NetworkIdentity {
        name: "small",
        version: "1",
        sha256: "3f9a",
    };
    let never = |_: &Products, _: &Tensor| panic!("measured");
    let plan = fastest(Precision::F32, network, [1, 2, 2], |_, way| Ok(way), never);
    assert_eq!(plan.unwrap(), Products::F32);
}

#[test]
fn the_ways_of_this_processor_have_names() {
    let report = processor_ways();
    assert_eq!(report.ways[0], "f32");
    let has_split = report.ways.contains(&"split by tiles");
    assert_eq!(report.has_tiles, has_split);
    assert!(report.choices.is_empty(), "no file was named");
}
