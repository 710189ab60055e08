use super::super::{FigureOfMerit, StudyCase, proportion, proportion_difference};
use super::*;

/// `ratings` by mode, reader and case; the first cases are positive. One that is not a number was not read.
fn table(positives: usize, ratings: &[&[&[f64]]]) -> ReadingTable {
    let cases = (0..ratings[0][0].len()).map(|at| StudyCase {
        name: at.to_string(),
        patient: at.to_string(),
        positive: at < positives,
    });
    let mut table = ReadingTable::new(cases.collect()).unwrap();
    for (mode, readers) in ratings.iter().enumerate() {
        for (reader, row) in readers.iter().enumerate() {
            let read = row.iter().enumerate().filter(|cell| !cell.1.is_nan());
            for (case, rating) in read {
                table
                    .add(
                        &reader.to_string(),
                        &mode.to_string(),
                        &case.to_string(),
                        *rating,
                    )
                    .unwrap();
            }
        }
    }
    table
}

#[test]
fn undefined_areas_have_a_reason() {
    let (one, other) = ([4.0, 1.0, 2.0, 1.0], [3.0, 2.0, 1.0, 2.0]);
    let whole = table(2, &[&[&one, &other], &[&other, &one]]);
    assert!(
        area(&whole, 0)
            .is_ok_and(|found| (found.readers, found.positives, found.negatives) == (2, 2, 2))
    );
    assert_eq!(area(&table(2, &[&[&one]]), 0), Err(Undefined::OneReader));
    assert_eq!(
        area(&table(1, &[&[&one, &other]]), 0),
        Err(Undefined::FewCases)
    );
    assert_eq!(
        area(&table(0, &[&[&one, &other]]), 0),
        Err(Undefined::NoReader)
    );
    let alike = table(2, &[&[&one, &other], &[&one, &other]]);
    assert_eq!(area_difference(&alike, 0, 1), Err(Undefined::NoVariance));
    assert_eq!(
        proportion(&table(0, &[&[&one]]), FigureOfMerit::Sensitivity, 0),
        Err(Undefined::NoPositive)
    );
    assert_eq!(
        proportion(&table(4, &[&[&one]]), FigureOfMerit::Specificity, 0),
        Err(Undefined::NoNegative)
    );
    assert_eq!(
        proportion(&table(2, &[&[&one]]), FigureOfMerit::Sensitivity, 0),
        Err(Undefined::OneReader)
    );
    let sure = table(
        2,
        &[
            &[&[1.0, 1.0, 0.0], &[1.0, 1.0, 0.0]],
            &[&[1.0, 1.0, 0.0], &[1.0, 1.0, 0.0]],
        ],
    );
    let difference = proportion_difference(&sure, FigureOfMerit::Sensitivity, 0, 1);
    assert_eq!(difference, Err(Undefined::NoVariance));
}

/// One reader has 400 pairs of cases and the other 25, so that the readers weigh as much as 1.1 of equal ones: nothing is
/// known of how readers differ, and an interval of no width would look as if all were.
#[test]
fn readers_who_count_as_one_have_no_interval() {
    let row = |mode: usize, reader: usize, read: usize| -> Vec<f64> {
        let rating = |case: usize| {
            let noise = (case * 7 + reader * 5 + mode * 3) % 5;
            let shift = if case < 20 { 1.5 } else { 0.0 };
            (case % 20 < read).then_some(noise as f64 + shift)
        };
        (0..40)
            .map(|case| rating(case).unwrap_or(f64::NAN))
            .collect()
    };
    let rows = [0, 1].map(|mode| [row(mode, 0, 20), row(mode, 1, 5)]);
    let of = |rows: &[[Vec<f64>; 2]; 2]| {
        let modes = rows
            .each_ref()
            .map(|mode| mode.each_ref().map(Vec::as_slice));
        table(20, &[&modes[0], &modes[1]])
    };
    let ratings = of(&rows);
    let few = "fewer than one degree of freedom";
    let mut said = vec![
        area(&ratings, 0).map(|found| format!("{found:?}")),
        area_difference(&ratings, 0, 1).map(|found| format!("{found:?}")),
    ];
    let calls = ratings.called_at(3.0);
    for figure in [FigureOfMerit::Sensitivity, FigureOfMerit::Specificity] {
        said.push(proportion(&calls, figure, 0).map(|found| format!("{found:?}")));
        said.push(proportion_difference(&calls, figure, 0, 1).map(|found| format!("{found:?}")));
    }
    let said: Vec<String> = said
        .into_iter()
        .map(|found| found.unwrap_or_else(|reason| reason.to_string()))
        .collect();
    assert_eq!(said, [few; 6], "{said:#?}");
}

/// Two readers, two cases of each class: four wins of each reader, and no moment but by hand. Reader one is always
/// right, reader two in three of four pairs and tied in none: M₁ = (4 + 3) / 8 and so on.
#[test]
fn moments_by_hand() {
    let found = area(
        &table(2, &[&[&[3.0, 4.0, 1.0, 2.0], &[3.0, 1.0, 0.0, 2.0]]]),
        0,
    )
    .unwrap();
    assert_eq!(found.value, 7.0 / 8.0);
    let moment = |at: usize| found.moments[at].unwrap();
    assert_eq!(moment(0), 7.0 / 8.0);
    // Same positive, other negative: reader two wins with both negatives for one positive only.
    assert_eq!(moment(1), (4.0 + 2.0) / 8.0);
    assert_eq!(moment(2), (4.0 + 2.0) / 8.0);
    // Both other: the one lost pair is in two of the four products of reader two.
    assert_eq!(moment(3), (4.0 + 2.0) / 8.0);
    // Other readers: reader one always wins, so that reader two decides.
    for at in 4..8 {
        assert_eq!(moment(at), 3.0 / 4.0);
    }
}
