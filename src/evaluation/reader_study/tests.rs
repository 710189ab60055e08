use super::*;
use crate::evaluation::reader_study_table::terminal;

fn reading(
    reader: &str,
    image: usize,
    calls: [bool; 2],
    model: Option<bool>,
    truth: Option<bool>,
) -> StudyReading {
    StudyReading {
        reader: reader.to_owned(),
        image: format!("i{image}"),
        call: ReaderCall {
            patient: format!("p{}", image / 2),
            unaided: Some(calls[0]),
            aided: Some(calls[1]),
            ratings: [None; 2],
            model,
            truth,
        },
    }
}

/// Three readers and forty images, of which twenty are positive. Each reader misses some, and the answer helps.
fn readings() -> Vec<StudyReading> {
    let mut all = Vec::new();
    for (at, reader) in ["ann", "bob", "cy"].into_iter().enumerate() {
        for image in 0..40 {
            let ill = image < 20;
            let misses = image % (3 + at) == 0;
            let model = ill != (image % 7 == 0);
            let unaided = ill != misses;
            let aided = if image % 4 == 0 { model } else { unaided };
            all.push(reading(
                reader,
                image,
                [unaided, aided],
                Some(model),
                Some(ill),
            ));
        }
    }
    all
}

#[test]
fn counts_add_up_and_the_primary_result_is_that_of_the_calls() {
    let mut all = readings();
    all.push(reading("ann", 99, [true, true], None, None));
    let report = reader_study("Pneumonia", &all);
    assert_eq!(
        (report.readers, report.readings, report.images),
        (3, 121, 41)
    );
    assert_eq!(
        report.positives + report.negatives + report.without_reference,
        report.images
    );
    let sensitivity = &report.comparisons[0];
    let Known::Value(difference) = &sensitivity.difference else {
        panic!("{sensitivity:?}")
    };
    let mean = |aided: bool| {
        let ill = all
            .iter()
            .filter(|reading| reading.call.truth == Some(true));
        let found = ill.filter(|reading| {
            let call = &reading.call;
            let called = if aided { call.aided } else { call.unaided };
            called == Some(true)
        });
        found.count() as f64 / 60.0
    };
    assert!((difference.value - (mean(true) - mean(false))).abs() < 1e-12);
    assert!(difference.low < difference.value && difference.value < difference.high);
    let changes = report.changes.as_ref().unwrap();
    assert_eq!(changes.counts.all.images(), 120);
    let text = terminal(&report);
    assert!(text.contains("121 readings of 41 images of 21 patients (20 positive, 20 negative, 1 without reference)"), "{text}");
    assert!(
        text.contains("sensitivity (20)") && text.contains("between readers"),
        "{text}"
    );
    assert!(text.contains("ann, bob (40)"), "{text}");
}

#[test]
fn without_a_reference_standard_there_is_agreement_and_no_primary_result() {
    let mut all = readings();
    all.iter_mut().for_each(|reading| reading.call.truth = None);
    let report = reader_study("Pneumonia", &all);
    assert!(report.comparisons.is_empty() && report.paired.is_empty() && report.changes.is_none());
    assert_eq!(
        (
            report.agreement.len(),
            report.pairs.len(),
            report.without_reference
        ),
        (2, 3, 40)
    );
    assert_eq!(imrmc("Pneumonia", &all), Err(Undefined::NoCase));
}

#[test]
fn one_reader_and_one_class_have_reasons() {
    let one: Vec<StudyReading> = readings()
        .into_iter()
        .filter(|reading| reading.reader == "ann")
        .collect();
    let report = reader_study("Pneumonia", &one);
    let undefined = |reason: &str| Known::Undefined {
        undefined: reason.to_owned(),
    };
    assert_eq!(
        report.comparisons[0].difference,
        undefined("only one reader")
    );
    // The mean needs no second reader, and this reader's modes can be compared.
    assert!(matches!(
        report.comparisons[0].aided,
        Known::Value(StudyEstimate { low: None, .. })
    ));
    assert!(matches!(
        report.comparisons[0].fixed_readers,
        Known::Value(_)
    ));
    assert!(report.agreement.is_empty() && report.pairs.is_empty());
    let ill: Vec<StudyReading> = readings()
        .into_iter()
        .filter(|reading| reading.call.truth == Some(true))
        .collect();
    let report = reader_study("Pneumonia", &ill);
    let specificity = &report.comparisons[1];
    assert_eq!(specificity.difference, undefined("no negative case"));
    assert_eq!(
        (
            specificity.readers,
            specificity.left_out.len(),
            specificity.images
        ),
        (0, 3, 0)
    );
    assert!(terminal(&report).contains("specificity without bob: no negative case"));
}

/// A reader who read one mode only enters no comparison, and so the images that no other reader read do not either. A
/// study that is planned with them would be several times too large.
#[test]
fn a_comparison_is_of_the_images_of_the_readers_who_enter_it() {
    let mut all = readings();
    let without = reader_study("Pneumonia", &all);
    for image in 100..160 {
        let mut own = reading("dan", image, [true, true], Some(true), Some(image % 2 == 0));
        own.call.unaided = None;
        all.push(own);
    }
    let report = reader_study("Pneumonia", &all);
    assert_eq!((report.images, report.positives), (100, 50));
    for (found, before) in report.comparisons.iter().zip(&without.comparisons) {
        assert_eq!((found.readers, found.left_out.len()), (3, 1));
        assert_eq!((found.images, &found.components), (20, &before.components));
        assert_eq!(found.difference, before.difference);
    }
}

/// Two κ of unlike numbers of images: the one of fewer does not hide behind the other.
#[test]
fn a_pair_of_readers_shows_how_many_images_each_kappa_is_of() {
    let mut all = readings();
    for reading in &mut all {
        let image: usize = reading.image[1..].parse().unwrap();
        reading.call.aided = reading.call.aided.filter(|_| image >= 11);
    }
    let text = terminal(&reader_study("Pneumonia", &all));
    assert!(text.contains("ann, bob (29 to 40)"), "{text}");
}

#[test]
fn p_values_of_several_questions_are_adjusted_together() {
    let mut reports = [
        reader_study("a", &readings()),
        reader_study("b", &readings()),
    ];
    adjust(&mut reports);
    let p = |report: &ReaderStudyReport, at: usize| report.comparisons[at].p().unwrap();
    let least = reports
        .iter()
        .flat_map(|report| [p(report, 0), p(report, 1)])
        .fold(1.0, f64::min);
    let adjusted = reports
        .iter()
        .flat_map(|report| &report.comparisons)
        .filter_map(|found| found.holm_p);
    let smallest = adjusted.fold(1.0, f64::min);
    assert!(
        (smallest - (4.0 * least).min(1.0)).abs() < 1e-12,
        "{smallest} {least}"
    );
}

/// The components of a pilot are planned with: they are of as many cases as had a rating.
#[test]
fn an_area_is_of_the_images_that_were_rated() {
    let mut all = readings();
    for reading in &mut all {
        let image: usize = reading.image[1..].parse().unwrap();
        let rating = |call: Option<bool>| call.map(|call| if call { 80 } else { 20 });
        if image.is_multiple_of(2) {
            reading.call.ratings = [reading.call.aided, reading.call.unaided].map(rating);
        }
    }
    let report = reader_study("Pneumonia", &all);
    let area = &report.comparisons[2];
    assert_eq!((area.figure, area.images), ("AUC", 20));
    let Known::Value(components) = &area.components else {
        panic!("{area:?}")
    };
    assert_eq!(components.cases, 20);
    assert_eq!(area.unrated, [60, 60]);
    assert_eq!(report.comparisons[0].images, 20);
}

#[test]
fn imrmcs_file_has_the_calls() {
    let input = imrmc("Pneumonia", &readings()).unwrap();
    assert!(!input.has_ratings);
    let text = input.text;
    assert!(text.contains("NR: 3\nN0: 20\nN1: 20\nNM: 2\n"), "{text}");
    assert!(
        text.contains("\ntruth,i3,truth,1\n") && text.contains("\nann,i0,aided,0\n"),
        "{text}"
    );
    assert_eq!(
        text.lines().filter(|line| line.starts_with("bob,")).count(),
        80
    );
}

/// The primary area is of ratings, and so is the file to check it with.
#[test]
fn imrmcs_file_has_the_ratings_where_there_are_any() {
    let mut all = readings();
    for reading in &mut all {
        reading.call.ratings = [Some(70), Some(35)];
    }
    all[0].call.ratings[1] = None;
    let input = imrmc("Pneumonia", &all).unwrap();
    assert!(input.has_ratings);
    assert_eq!(input.unrated, [0, 1]);
    let text = input.text;
    assert!(text.starts_with("Pneumonia: ratings "), "{text}");
    assert!(
        text.contains("\nann,i0,aided,70\n") && !text.contains("\nann,i0,unaided"),
        "{text}"
    );
}

/// Ann read 40 images unaided and eight of them aided, which the answer helped with. All that differs is of these eight.
#[test]
fn a_comparison_is_of_the_images_that_a_reader_read_in_both_modes() {
    let ann = |image: usize| {
        // Unaided she misses every positive image but the first four; aided she finds all.
        let is_ill = image < 20;
        let mut own = reading(
            "ann",
            image,
            [is_ill && image < 4, is_ill],
            None,
            Some(is_ill),
        );
        let is_read_aided = (0..4).contains(&image) || (20..24).contains(&image);
        own.call.aided = own.call.aided.filter(|_| is_read_aided);
        own.call.ratings = [own.call.aided, own.call.unaided]
            .map(|call| call.map(|call| if call { 90 } else { 10 }));
        own
    };
    let bob = |image: usize| {
        let mut own = ann(image);
        own.reader = "bob".to_owned();
        // Bob's call of one image is another.
        if image == 0 {
            own.call.unaided = Some(false);
            own.call.ratings[1] = Some(10);
        }
        own
    };
    let all: Vec<StudyReading> = (0..40).map(ann).chain((0..40).map(bob)).collect();
    let report = reader_study("Pneumonia", &all);
    let [sensitivity, specificity, area] = &report.comparisons[..] else {
        panic!("{report:?}")
    };
    // Against all 20 positive images it would be 1 − 4/20.
    let Known::Value(unaided) = &sensitivity.unaided else {
        panic!("{sensitivity:?}")
    };
    assert!(
        (unaided.value - (1.0 + 0.75) / 2.0).abs() < 1e-12,
        "{unaided:?}"
    );
    for found in [sensitivity, specificity] {
        assert_eq!(found.images, 4);
        let expected = ReadingCounts {
            compared: 8,
            aided_only: 0,
            unaided_only: 32,
            of_left_out: 0,
        };
        assert_eq!(found.readings, expected);
    }
    assert_eq!((area.images, area.readings.compared), (8, 16));
    assert_eq!(area.readings.unaided_only, 64);
    let Known::Value(difference) = &sensitivity.fixed_readers else {
        panic!("{sensitivity:?}")
    };
    assert!((difference.value - 0.125).abs() < 1e-12, "{difference:?}");
    let text = terminal(&report);
    assert!(
        text.contains("0 aided and 32 unaided readings left out; 8 compared"),
        "{text}"
    );
}

/// A reader whose figure is undefined enters neither analysis: not the one of variance, and not the U-statistics.
#[test]
fn both_analyses_are_of_the_same_readers() {
    let without = reader_study("Pneumonia", &readings());
    let mut all = readings();
    for image in 0..40 {
        // All positive images that dan read are of one patient, whom the jackknife cannot leave out.
        if image == 0 || image >= 20 {
            all.push(reading("dan", image, [false, true], None, Some(image < 20)));
        }
    }
    let report = reader_study("Pneumonia", &all);
    let (found, before) = (&report.comparisons[0], &without.comparisons[0]);
    let reason = "all positive cases are of one patient".to_owned();
    assert_eq!(found.left_out, [("dan".to_owned(), reason)]);
    assert_eq!(
        (found.readings.compared, found.readings.of_left_out),
        (60, 1)
    );
    assert_eq!(found.difference, before.difference);
    assert_eq!(found.u_statistics, before.u_statistics);
    assert!(matches!(found.u_statistics, Known::Value(_)));
}

/// Of two readers one read only half in the second mode, and a third only one mode: every reading is counted somewhere.
#[test]
fn readings_in_one_mode_only_are_counted_and_compare_nothing() {
    let mut all = readings();
    for (at, reading) in all.iter_mut().enumerate() {
        if reading.reader == "cy" {
            reading.call.aided = None;
        } else if reading.reader == "bob" && at % 2 == 0 {
            reading.call.unaided = None;
        }
    }
    let report = reader_study("Pneumonia", &all);
    assert_eq!(
        (report.readings, report.unaided_only, report.aided_only),
        (120, 40, 20)
    );
    let changes = report.changes.as_ref().unwrap();
    assert_eq!(changes.counts.all.images(), 60, "ann's 40 and bob's 20");
    let sensitivity = &report.comparisons[0];
    assert_eq!(sensitivity.readers + sensitivity.left_out.len(), 3);
    // Cy's 20 positive ones, and the ten of bob without an unaided call.
    let expected = ReadingCounts {
        compared: 30,
        aided_only: 10,
        unaided_only: 20,
        of_left_out: 0,
    };
    assert_eq!(sensitivity.readings, expected);
    assert_eq!(
        sensitivity.left_out,
        [("cy".to_owned(), "nothing read aided".to_owned())]
    );
    let text = terminal(&report);
    assert!(
        text.contains("unaided only: 40 readings; aided only: 20 readings"),
        "{text}"
    );
}

/// A concurrent study has no unaided calls: its mean is known, and there is no difference.
#[test]
fn one_mode_has_a_mean_and_no_difference() {
    let mut all = readings();
    all.iter_mut()
        .for_each(|reading| reading.call.unaided = None);
    let report = reader_study("Pneumonia", &all);
    let sensitivity = &report.comparisons[0];
    let Known::Value(aided) = &sensitivity.aided else {
        panic!("{sensitivity:?}")
    };
    assert!(aided.value > 0.5 && aided.low.is_some());
    let undefined = Known::Undefined {
        undefined: "only one mode".to_owned(),
    };
    assert_eq!(sensitivity.unaided, undefined);
    assert!(
        matches!(&sensitivity.difference, Known::Undefined { undefined } if undefined == "only one mode")
    );
    assert!(report.changes.is_none() && report.paired.is_empty());
    terminal(&report);
}

#[test]
fn ratings_make_an_area_and_readings_without_one_are_counted() {
    let mut all = readings();
    for (at, reading) in all.iter_mut().enumerate() {
        let call = &mut reading.call;
        let rate = |called: Option<bool>| {
            let base = if called == Some(true) { 60 } else { 20 };
            Some(base + (at % 7) as u8)
        };
        call.ratings = [rate(call.aided), rate(call.unaided)];
        if at < 5 {
            call.ratings[1] = None;
        }
    }
    let report = reader_study("Pneumonia", &all);
    let area = &report.comparisons[2];
    assert_eq!((area.figure, area.images), ("AUC", 40));
    assert_eq!(area.unrated, [0, 5]);
    // Each of the five is a rating in one mode only.
    assert_eq!((area.readings.compared, area.readings.aided_only), (115, 5));
    assert_eq!(area.by_reader[0].images, 35);
    let Known::Value(difference) = &area.difference else {
        panic!("{area:?}")
    };
    assert!(difference.value > 0.0, "{difference:?}");
    assert!(matches!(area.u_statistics, Known::Value(_)));
    let text = terminal(&report);
    assert!(text.contains("5 unaided calls without a rating"), "{text}");
    // Without any rating there is no such row.
    assert_eq!(reader_study("Pneumonia", &readings()).comparisons.len(), 2);
}
