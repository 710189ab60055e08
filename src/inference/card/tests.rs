mod products;

pub use products::PRODUCT;

use super::*;
use crate::domain::ViewPosition;
use crate::inference::weights::BUNDLED_CARD;

/// A card with every section.
pub const FULL: &str = r#"
    name = "double"
    version = "1"
    architecture = "efficientnet-lite0"
    input_size = 192
    preprocess = "cxr-1"
    licence = ""
    pretrained = ""
    training_data = ""
    limits = []
    sha256 = "ab"
    [[label]]
    name = "Pneumonia"
    question = "presence"
    calibration = { slope = 0.81, intercept = -0.3 }
    prevalence = 0.5
    operating_point = 0.47
    sensitive_point = 0.21
    conformal = { present = 0.12, absent = 0.09 }
    [[label]]
    name = "Bacterial"
    question = "given-pneumonia"
    conformal = { present = 0.18 }
    [[label]]
    name = "Viral"
    question = "given-pneumonia"
    conformal = { present = 0.17 }
    [causes]
    temperature = 1.7
    calibrated = true
    [severity]
    geographic_extent_error = 1.1
    opacity_error = 0.8
    n = 51
    [input_head]
    refuse = 0.9
    caution = 0.5
    [distance]
    caution = 2.1
    refuse = 3.4
    [lungs]
    evidence_inside = 0.35
    [[prognosis]]
    outcome = "admission to intensive care"
    on = "hannover, within AP"
    auc = 0.714
    low = 0.602
    high = 0.803
    control_auc = 0.55
    n = 72
    patients = 40
    [[prognosis]]
    outcome = "intubation"
    on = "ieee8023, within AP"
    auc = 0.58
    low = 0.44
    high = 0.71
    control_auc = 0.57
    n = 32
    patients = 16
"#;

#[test]
fn every_section_of_a_card_is_read() {
    let card = parse_card(FULL).unwrap();
    let label = &card.labels[0];
    let calibration = label.calibration.unwrap();
    assert_eq!((calibration.slope, calibration.intercept), (0.81, -0.3));
    assert_eq!(calibration.prevalence.share(), 0.5);
    assert_eq!(
        (label.operating_point, label.sensitive_point),
        (Some(0.47), Some(0.21))
    );
    let thresholds = label.conformal.unwrap();
    assert_eq!((thresholds.present, thresholds.absent), (0.12, Some(0.09)));
    assert_eq!(card.causes.unwrap().temperature, 1.7);
    assert_eq!(card.severity.unwrap().n, 51);
    assert_eq!(card.input_head.unwrap().refuse, 0.9);
    assert_eq!(card.distance.unwrap().caution, 2.1);
    assert_eq!(card.lungs.unwrap().evidence_inside, 0.35);
    assert!(card.labels.iter().all(|label| card.is_calibrated(label)));
    let [intensive, intubation] = &card.prognoses[..] else {
        panic!("{:?}", card.prognoses)
    };
    assert_eq!(intensive.outcome, "admission to intensive care");
    let evidence = &intensive.evidence;
    assert_eq!((evidence.auc, evidence.interval), (0.714, (0.602, 0.803)));
    assert_eq!(
        (evidence.control_auc, evidence.on.as_str()),
        (0.55, "hannover, within AP")
    );
    assert_eq!((evidence.n, evidence.patients), (72, 40));
    assert!(evidence.bears_a_number() && !intubation.evidence.bears_a_number());
}

#[test]
fn where_a_model_was_fetched_from_is_read_and_written() {
    let from = "pulled_from = \"hf:a/b@6f3c\"\n    sha256 = \"ab\"";
    let text = FULL.replacen("sha256 = \"ab\"", from, 1);
    let card = parse_card(&text).unwrap();
    assert_eq!(card.pulled_from.as_deref(), Some("hf:a/b@6f3c"));
    assert_eq!(parse_card(&write_card(&card).unwrap()).unwrap(), card);
    assert_eq!(parse_card(FULL).unwrap().pulled_from, None);
}

#[test]
fn an_outcome_that_contradicts_itself_is_one_clear_error() {
    for (from, to, words) in [
        (
            "auc = 0.714",
            "auc = nan",
            "admission to intensive care: auc is NaN",
        ),
        ("auc = 0.714", "auc = 1.2", "auc is 1.2, not from 0 to 1"),
        (
            "control_auc = 0.55",
            "control_auc = -0.1",
            "control_auc is -0.1",
        ),
        (
            "low = 0.602",
            "low = 0.8",
            "auc 0.714 is not between low 0.8 and high 0.803",
        ),
        (
            "high = 0.803",
            "high = 0.7",
            "not between low 0.602 and high 0.7",
        ),
        (
            "patients = 40",
            "patients = 73",
            "73 patients have 72 images",
        ),
        ("patients = 40", "patients = 0", "0 patients have 72 images"),
        (
            "outcome = \"intubation\"",
            "outcome = \"\"",
            "[[prognosis]] has no outcome",
        ),
        (
            "outcome = \"intubation\"",
            "outcome = \" admission to intensive care\"",
            "two outcomes are called \"admission to intensive care\"",
        ),
        ("low = 0.602\n", "", "missing field `low`"),
        ("patients = 40", "patients = 40\nwhen = 1", "unknown field"),
    ] {
        let text = FULL.replace(from, to);
        assert_ne!(text, FULL, "{from}");
        let error = parse_card(&text).expect_err(to).to_string();
        assert!(error.contains(words), "{to}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_sensitive_point_above_the_balanced_one_is_replaced_by_it_with_a_limitation() {
    let reversed = FULL.replace("sensitive_point = 0.21", "sensitive_point = 0.82");
    let card = parse_card(&reversed).unwrap();
    assert_eq!(card.labels[0].sensitive_point, Some(0.47));
    let [limit] = &card.limits[..] else {
        panic!("{:?}", card.limits)
    };
    assert!(limit.contains("Pneumonia") && limit.contains("0.8200") && limit.contains("0.4700"));
    assert_eq!(parse_card(&write_card(&card).unwrap()).unwrap(), card);
    assert!(parse_card(FULL).unwrap().limits.is_empty());
}

#[test]
fn the_points_of_the_bundled_card_are_in_order() {
    let file: CardFile = toml::from_str(BUNDLED_CARD).unwrap();
    let points: Vec<_> = file
        .label
        .iter()
        .filter_map(|label| label.sensitive_point.zip(label.operating_point))
        .collect();
    assert_eq!(points.len(), 2);
    assert!(
        points
            .iter()
            .all(|(sensitive, balanced)| sensitive <= balanced),
        "{points:?}"
    );
}

#[test]
fn an_old_card_is_read_without_calibration() {
    for calibrated in ["", "calibrated = true\n"] {
        let plain = FULL
            .lines()
            .take_while(|line| !line.contains("calibration"))
            .fold(calibrated.to_owned(), |text, line| text + line + "\n");
        let card = parse_card(&plain).unwrap();
        assert!(!card.is_calibrated(&card.labels[0]));
    }
}

#[test]
fn a_contradiction_is_one_clear_error() {
    for (from, to, words) in [
        (
            "slope = 0.81",
            "slope = nan",
            "Pneumonia: calibration: slope is NaN",
        ),
        ("slope = 0.81", "slope = -1.0", "slope is -1, not above 0"),
        (
            "intercept = -0.3",
            "intercept = inf",
            "intercept is not a number",
        ),
        (
            "prevalence = 0.5",
            "prevalence = 0.0",
            "prevalence is 0, not between 0 and 1",
        ),
        ("prevalence = 0.5", "prevalence = 1", "prevalence is 1,"),
        ("prevalence = 0.5", "prevalence = nan", "prevalence is NaN,"),
        ("prevalence = 0.5", "", "calibration without prevalence"),
        ("calibration = {", "#", "prevalence without calibration"),
        (
            "operating_point = 0.47",
            "operating_point = 1.2",
            "operating_point is 1.2, not from 0 to 1",
        ),
        (
            "sensitive_point = 0.21",
            "sensitive_point = nan",
            "sensitive_point is NaN",
        ),
        (
            "present = 0.12,",
            "present = -0.1,",
            "conformal.present is -0.1",
        ),
        ("absent = 0.09", "absent = 2", "conformal.absent is 2"),
        (
            ", absent = 0.09",
            "",
            "Pneumonia: conformal.absent is absent",
        ),
        (
            "present = 0.18",
            "present = 0.18, absent = 0.1",
            "Bacterial: a cause has no conformal.absent",
        ),
        (
            "conformal = { present = 0.18 }",
            "",
            "Bacterial has no conformal threshold",
        ),
        (
            "conformal = { present = 0.18 }",
            "prevalence = 0.1",
            "calibrated by [causes]",
        ),
        (
            "temperature = 1.7",
            "temperature = 0",
            "temperature is 0, not above 0",
        ),
        (
            "temperature = 1.7",
            "temperature = nan",
            "temperature is NaN",
        ),
        ("given-pneumonia", "presence", "conformal.absent is absent"),
        (
            "opacity_error = 0.8",
            "opacity_error = -1",
            "opacity_error is -1",
        ),
        ("refuse = 0.9", "refuse = 1.5", "[input_head] refuse is 1.5"),
        (
            "caution = 0.5",
            "caution = 0.95",
            "[input_head] refuses from 0.9",
        ),
        ("refuse = 3.4", "refuse = nan", "[distance] refuse is NaN"),
        (
            "caution = 2.1",
            "caution = 9",
            "[distance] refuses from 3.4",
        ),
        (
            "evidence_inside = 0.35",
            "evidence_inside = 35",
            "[lungs] evidence_inside is 35, not from 0 to 1",
        ),
        (
            "evidence_inside = 0.35",
            "evidence_inside = nan",
            "[lungs] evidence_inside is NaN",
        ),
        ("n = 51", "n = 51\nm = 1", "unknown field"),
        ("Viral", "Bacterial", "two labels are called \"Bacterial\""),
        ("Viral", " Pneumonia", "two labels look alike"),
        ("Viral", "path", "a label is called \"path\", as a column"),
        ("Viral", "opacity ", "a label is called \"opacity\""),
        ("Viral", "findings", "a label is called \"findings\""),
        ("Viral", "prevalence", "a label is called \"prevalence\""),
        ("Viral", "prognoses", "a label is called \"prognoses\""),
        (
            "Viral",
            "prognosis: x",
            "a label is called \"prognosis: x\"",
        ),
        ("slope = 0.81, ", "", "missing field `slope`"),
    ] {
        let text = FULL.replace(from, to);
        assert_ne!(text, FULL, "{from}");
        let error = parse_card(&text).expect_err(to).to_string();
        assert!(error.contains(words), "{to}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

/// A card with the sections of torchxrayvision's checkpoints.
pub const NORMALISED: &str = r#"
    name = "double"
    version = "1"
    architecture = "densenet121"
    input_size = 224
    preprocess = "xrv-224-1"
    licence = ""
    pretrained = ""
    training_data = ""
    limits = []
    sha256 = "ab"
    [[label]]
    name = "Lung Opacity"
    question = "presence"
    op_threshold = 0.2
    [severity_line]
    label = "Lung Opacity"
    geographic_extent = { slope = 0.87, intercept = 3.41 }
    opacity = { slope = 0.55, intercept = 2.55 }
"#;

#[test]
fn a_normalised_label_has_its_operating_point_at_a_half_and_is_no_probability() {
    let card = parse_card(NORMALISED).unwrap();
    let label = &card.labels[0];
    assert_eq!(
        (label.op_threshold, label.operating_point),
        (Some(0.2), Some(0.5))
    );
    assert!(!card.is_calibrated(label));
    let line = card.severity_line.unwrap();
    assert_eq!((line.opacity.slope, line.opacity.intercept), (0.55, 2.55));
}

#[test]
fn a_normalised_label_that_contradicts_itself_is_one_clear_error() {
    let severity =
        "[severity]\ngeographic_extent_error = 1\nopacity_error = 1\nn = 1\n[severity_line]";
    for (from, to, words) in [
        ("= 0.2", "= 0.0", "op_threshold is 0, not between"),
        ("= 0.2", "= 1.0", "op_threshold is 1, not between"),
        ("= 0.2", "= nan", "op_threshold is NaN"),
        (
            "= 0.2",
            "= 0.2\noperating_point = 0.5",
            "op_threshold and operating_point",
        ),
        (
            "= 0.2",
            "= 0.2\nconformal = { present = 0.1 }",
            "op_threshold and conformal",
        ),
        ("presence", "given-pneumonia", "a cause has no op_threshold"),
        (
            "label = \"Lung",
            "label = \"Bone",
            "is of Bone Opacity, and no label is",
        ),
        (
            "0.87",
            "inf",
            "[severity_line] geographic_extent is not a line",
        ),
        ("[severity_line]", severity, "are both there"),
        ("slope = 0.55,", "slope = 0.55, n = 1,", "unknown field"),
    ] {
        let text = NORMALISED.replace(from, to);
        assert_ne!(text, NORMALISED, "{from}");
        let error = parse_card(&text).expect_err(to).to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
}

#[test]
fn severity_is_read_from_no_product() {
    let line = "[severity_line]\nlabel = \"COVID-19\"\ngeographic_extent = { slope = 1, intercept = 1 }\n\
                opacity = { slope = 1, intercept = 1 }\n";
    let error = parse_card(&format!("{PRODUCT}\n{line}")).unwrap_err();
    assert!(error.to_string().contains("COVID-19, a product"), "{error}");
}

#[test]
fn causes_need_a_cause() {
    let presence_only = FULL
        .split("[[label]]")
        .filter(|part| !part.contains("given-pneumonia"))
        .collect::<Vec<_>>()
        .join("[[label]]");
    let text = format!("{presence_only}\n[causes]\ntemperature = 1.7\ncalibrated = true");
    let error = parse_card(&text).unwrap_err().to_string();
    assert!(error.contains("no label is given-pneumonia"), "{error}");
}

#[test]
fn a_card_with_an_unknown_field_or_without_a_needed_one_is_refused() {
    assert!(parse_card(&format!("surprise = 1\n{BUNDLED_CARD}")).is_err());
    assert!(parse_card("name = \"x\"").is_err());
}
