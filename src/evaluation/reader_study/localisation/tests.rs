use super::*;
use crate::evaluation::boxes::FilmPoint;

const SHAPE: FilmShape = FilmShape {
    width: 100.0,
    height: 100.0,
    pixel_aspect: 1.0,
};

fn lesion(left: f64) -> FilmBox {
    FilmBox::new(left, 0.1, 0.1, 0.1).unwrap()
}

/// A mark in the middle of a lesion with its left edge there.
fn on(left: f64, rating: u8) -> PlacedMark {
    let point = FilmPoint {
        x: left + 0.05,
        y: 0.15,
    };
    PlacedMark {
        place: Some(MarkPlace::Point(point)),
        is_taken: true,
        rating: Some(rating),
    }
}

fn beside(rating: u8) -> PlacedMark {
    PlacedMark {
        place: Some(MarkPlace::Point(FilmPoint { x: 0.9, y: 0.9 })),
        ..on(0.0, rating)
    }
}

fn case(image: &str) -> LesionCase {
    let lesions = |boxes: Vec<FilmBox>| LesionCase::Lesions {
        boxes,
        shape: SHAPE,
    };
    match image {
        "two" => lesions(vec![lesion(0.1), lesion(0.5)]),
        "one" => lesions(vec![lesion(0.1)]),
        "unknown" => LesionCase::LeftOut("no reference standard"),
        _ => LesionCase::Normal,
    }
}

const IMAGES: [&str; 5] = ["n1", "n2", "two", "one", "unknown"];

/// The marks of a reader in the order of the images: aided, and unaided ones.
fn read(reader: &str, marks: [[Vec<PlacedMark>; 5]; 2]) -> Vec<MarkedReading> {
    let [aided, unaided] = marks;
    let all = IMAGES.into_iter().zip(aided.into_iter().zip(unaided));
    all.map(|(image, (aided, unaided))| MarkedReading {
        reader: reader.to_owned(),
        image: image.to_owned(),
        patient: image.to_owned(),
        case: case(image),
        marks: [Some(aided), Some(unaided)],
    })
    .collect()
}

/// Ann's unaided marks by hand. Against the normal image with a 30, the lesions win 1, 0 (not marked) and ½ (a 30 too); against
/// the one without a mark 1, ½ and 1. Weighted by image: (½ + ½ + ½ + ¼ + 1) / (2 · 2); by lesion: 4 / (2 · 3).
fn ann() -> Vec<MarkedReading> {
    let unaided = [
        vec![on(0.3, 30), beside(20)],
        vec![],
        vec![on(0.1, 60), on(0.1, 50), beside(90)],
        vec![on(0.1, 30)],
        vec![beside(70), beside(80)],
    ];
    let mut aided = unaided.clone();
    aided[2].push(on(0.5, 40));
    let unrated = PlacedMark {
        rating: None,
        ..beside(0)
    };
    let ruler = PlacedMark {
        is_taken: false,
        ..beside(0)
    };
    aided[1] = vec![unrated, ruler];
    read("ann", [aided, unaided])
}

/// Bob marks nothing unaided, so that all are equal.
fn bob() -> Vec<MarkedReading> {
    let aided = [vec![], vec![], vec![on(0.1, 10)], vec![on(0.1, 10)], vec![]];
    read("bob", [aided, Default::default()])
}

fn found(
    figure: LocalisationFigure,
    all: &[MarkedReading],
) -> (LocalisationReport, ModeComparison) {
    localisation(LocalisationRule::Inside, figure, all)
}

fn value(report: &LocalisationReport, reader: &str, mode: &str) -> f64 {
    let mut all = report.by_reader.iter();
    let own = all.find(|own| own.reader == reader && own.mode == mode);
    match own.unwrap().value {
        Known::Value(value) => value,
        Known::Undefined { ref undefined } => panic!("{undefined}"),
    }
}

#[test]
fn figures_are_those_that_are_worked_out_by_hand() {
    let all = [ann(), bob()].concat();
    let (report, comparison) = found(LocalisationFigure::WeightedAfroc, &all);
    // Aided, the second lesion wins against both.
    for (reader, mode, expected) in [
        ("ann", "unaided", 2.75 / 4.0),
        ("ann", "aided", 3.5 / 4.0),
        ("bob", "unaided", 0.5),
        ("bob", "aided", (0.5 + 0.25 + 1.0) / 2.0),
    ] {
        let found = value(&report, reader, mode);
        assert!((found - expected).abs() < 1e-12, "{reader} {mode}: {found}");
    }
    let Known::Value(difference) = comparison.difference else {
        panic!("{comparison:?}")
    };
    assert!((difference.value - (0.1875 + 0.375) / 2.0).abs() < 1e-12);
    assert_eq!(
        (comparison.figure, comparison.images, comparison.readers),
        ("wAFROC", 4, 2)
    );
    let (report, comparison) = found(LocalisationFigure::Afroc, &all);
    assert!((value(&report, "ann", "unaided") - 4.0 / 6.0).abs() < 1e-12);
    assert!((value(&report, "ann", "aided") - 5.5 / 6.0).abs() < 1e-12);
    assert_eq!(comparison.figure, "AFROC");
}

#[test]
fn images_and_marks_add_up() {
    let all = [ann(), bob()].concat();
    let (report, _) = found(LocalisationFigure::WeightedAfroc, &all);
    assert_eq!(
        (report.lesion_images, report.lesions, report.normal_images),
        (2, 3, 2)
    );
    assert_eq!(
        report.left_out,
        BTreeMap::from([("no reference standard", 1)])
    );
    for own in &report.by_reader {
        let all = all.iter().filter(|reading| reading.reader == own.reader);
        let mode = MODES.iter().position(|mode| *mode == own.mode).unwrap();
        let made: usize = all
            .filter_map(|reading| reading.marks[mode].as_ref().map(Vec::len))
            .sum();
        let counted = own.on_lesions
            + own.again
            + own.on_normal
            + own.beside_lesions
            + own.unrated
            + own.not_taken
            + own.on_left_out;
        assert_eq!(counted, made, "{own:?}");
    }
    let aided = &report.by_reader[0];
    assert_eq!((aided.reader.as_str(), aided.mode), ("ann", "aided"));
    let counts = [
        aided.on_lesions,
        aided.again,
        aided.on_normal,
        aided.beside_lesions,
        aided.unrated,
        aided.not_taken,
        aided.on_left_out,
    ];
    assert_eq!(counts, [3, 1, 2, 1, 1, 1, 2]);
}

#[test]
fn a_figure_that_is_undefined_has_its_reason() {
    let mut all = ann();
    all.extend(bob().into_iter().map(|reading| MarkedReading {
        marks: [None, reading.marks[1].clone()],
        ..reading
    }));
    let (report, comparison) = found(LocalisationFigure::WeightedAfroc, &all);
    assert_eq!(
        comparison.left_out,
        [("bob".to_owned(), "nothing read aided".to_owned())]
    );
    let bob = report
        .by_reader
        .iter()
        .find(|own| own.reader == "bob")
        .unwrap();
    let Known::Undefined { undefined } = &bob.value else {
        panic!("{bob:?}")
    };
    assert_eq!(undefined, "nothing read aided");
    let normal: Vec<MarkedReading> = ann()
        .into_iter()
        .filter(|reading| reading.case == LesionCase::Normal)
        .collect();
    let (_, comparison) = found(LocalisationFigure::WeightedAfroc, &normal);
    let Known::Undefined { undefined } = comparison.difference else {
        panic!("{comparison:?}")
    };
    assert_eq!(undefined, "no case with a lesion");
}

/// Images that were read in one mode only are counted, and their marks compare nothing.
#[test]
fn marks_are_compared_on_the_images_of_both_modes() {
    let both = [ann(), bob()].concat();
    let (_, before) = found(LocalisationFigure::WeightedAfroc, &both);
    let more = ann().into_iter().chain(bob()).map(|reading| MarkedReading {
        image: format!("more {}", reading.image),
        patient: format!("more {}", reading.patient),
        marks: [None, reading.marks[1].clone()],
        ..reading
    });
    let all: Vec<MarkedReading> = both.iter().cloned().chain(more).collect();
    let (_, comparison) = found(LocalisationFigure::WeightedAfroc, &all);
    assert_eq!(comparison.difference, before.difference);
    assert_eq!(comparison.images, before.images);
    assert_eq!(comparison.readings.compared, before.readings.compared);
    assert_eq!(
        (before.readings.compared, comparison.readings.unaided_only),
        (8, 8)
    );
}
