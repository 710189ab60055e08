//! Labels that are products of two others, and calibrations for a part of the films.

use super::*;

/// A card with COVID-19 as a product, films without a number for the causes, and calibrations for a part of the films.
pub const PRODUCT: &str = r#"
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
    [[label.calibration_for]]
    view = "AP"
    age = [0, 18]
    slope = 0.7
    intercept = 0.1
    operating_point = 0.4
    sensitive_point = 0.2
    conformal = { present = 0.1, absent = 0.2 }
    [[label.calibration_for]]
    view = "PA"
    slope = 0.9
    intercept = -0.1
    [[label]]
    name = "COVID-19"
    question = "presence"
    product = ["Pneumonia", "COVID-19 given pneumonia"]
    operating_point = 0.3
    sensitive_point = 0.15
    conformal = { present = 0.12, absent = 0.09 }
    [[label]]
    name = "Viral"
    question = "given-pneumonia"
    [[label]]
    name = "COVID-19 given pneumonia"
    question = "given-pneumonia"
    [[label]]
    name = "Opacity"
    question = "presence"
    calibration = { slope = 1.0, intercept = 0.0 }
    prevalence = 0.2
    probability = false
    [causes]
    temperature = 1.7
    calibrated = true
    unlike = 2.0
    [distance]
    caution = 2.1
    refuse = 3.4
"#;

#[test]
fn a_product_and_calibrations_for_a_part_of_the_films_are_read() {
    let card = parse_card(PRODUCT).unwrap();
    assert_eq!((card.outputs().count(), card.labels.len()), (4, 5));
    let [pneumonia, covid, _, _, opacity] = &card.labels[..] else {
        panic!("{:?}", card.labels)
    };
    let product = covid.product.as_ref().unwrap();
    let factors = [product.presence.as_str(), product.cause.as_str()];
    assert_eq!(factors, ["Pneumonia", "COVID-19 given pneumonia"]);
    assert!(card.is_calibrated(covid) && card.can_withhold());
    assert_eq!(card.causes.unwrap().unlike, Some(2.0));
    assert!(opacity.calibration.is_some() && !card.is_calibrated(opacity));
    let [child, standing] = &pneumonia.calibration_for[..] else {
        panic!("{pneumonia:?}")
    };
    assert_eq!(
        (child.view, child.age),
        (Some(ViewPosition::Ap), Some((0.0, 18.0)))
    );
    assert_eq!(
        (child.operating_point, child.sensitive_point),
        (Some(0.4), Some(0.2))
    );
    assert_eq!(child.conformal.unwrap().absent, Some(0.2));
    assert_eq!(
        (standing.view, standing.age),
        (Some(ViewPosition::Pa), None)
    );
    assert_eq!(
        (standing.calibration.slope, standing.operating_point),
        (0.9, None)
    );
    assert_eq!(standing.calibration.prevalence.share(), 0.5);
    assert!(!parse_card(FULL).unwrap().can_withhold());
}

#[test]
fn a_product_or_a_group_that_contradicts_itself_is_one_clear_error() {
    let calibration = "[\"Pneumonia\", \"COVID-19 given pneumonia\"]\n\
                       calibration = { slope = 1.0, intercept = 0.0 }\nprevalence = 0.5";
    for (from, to, words) in [
        (
            "[\"Pneumonia\", \"COVID",
            "[\"Viral\", \"COVID",
            "COVID-19: product: Viral is no label that is present or absent",
        ),
        (
            "[\"Pneumonia\", \"COVID",
            "[\"COVID-19\", \"COVID",
            "product: COVID-19 is no label that is present or absent",
        ),
        (
            "\"COVID-19 given pneumonia\"]",
            "\"Opacity\"]",
            "product: Opacity is no label given pneumonia",
        ),
        (
            "\"COVID-19 given pneumonia\"]",
            "\"Fungal\"]",
            "product: Fungal is no label given pneumonia",
        ),
        (", \"COVID-19 given pneumonia\"]", "]", "invalid length 1"),
        (
            "[\"Pneumonia\", \"COVID-19 given pneumonia\"]",
            calibration,
            "COVID-19: product and calibration are both there",
        ),
        (
            "operating_point = 0.3",
            "prevalence = 0.1",
            "product and prevalence are both there",
        ),
        (
            "operating_point = 0.3\n    sensitive_point = 0.15\n    conformal = { present = 0.12, absent = 0.09 }",
            "op_threshold = 0.1",
            "product and op_threshold are both there",
        ),
        (
            "    question = \"presence\"\n    product",
            "    question = \"given-pneumonia\"\n    product",
            "COVID-19: a product is present or absent, and no cause",
        ),
        (
            "unlike = 2.0",
            "unlike = 0",
            "[causes] unlike is 0, not above 0",
        ),
        ("unlike = 2.0", "unlike = nan", "[causes] unlike is NaN"),
        (
            "[distance]\n    caution = 2.1\n    refuse = 3.4\n",
            "",
            "[causes] unlike is there, and [distance] is not",
        ),
        (
            "calibration = { slope = 1.0, intercept = 0.0 }\n    prevalence = 0.2\n",
            "",
            "Opacity: probability = false, and it has no calibration",
        ),
        ("view = \"AP\"", "view = \"LL\"", "unknown variant `LL`"),
        (
            "view = \"PA\"",
            "",
            "Pneumonia: calibration_for 2: neither view nor age says",
        ),
        ("age = [0, 18]", "age = [18, 18]", "age is from 18 to 18"),
        ("age = [0, 18]", "age = [-1, 18]", "age is from -1 to 18"),
        ("age = [0, 18]", "age = [nan, 18]", "age is from NaN to 18"),
        ("age = [0, 18]", "age = [0, inf]", "age is from 0 to inf"),
        (
            "slope = 0.7",
            "slope = 0.0",
            "calibration_for 1: calibration: slope is 0, not above 0",
        ),
        (
            "sensitive_point = 0.2\n",
            "sensitive_point = 0.41\n",
            "calibration_for 1: sensitive_point is 0.41, above operating_point 0.4",
        ),
        (
            "intercept = -0.1\n",
            "intercept = -0.1\n    sensitive_point = 0.48\n",
            "calibration_for 2: sensitive_point is 0.48, above operating_point 0.47",
        ),
        (
            "calibration = { slope = 0.81, intercept = -0.3 }\n    prevalence = 0.5\n",
            "",
            "Pneumonia: calibration_for without calibration",
        ),
        (
            "absent = 0.2 }",
            "absent = 2 }",
            "calibration_for 1: conformal.absent is 2",
        ),
        (
            "\"Viral\"",
            "\"withheld\"",
            "a label is called \"withheld\", as a column",
        ),
    ] {
        let text = PRODUCT.replace(from, to);
        assert_ne!(text, PRODUCT, "{from}");
        let error = parse_card(&text).expect_err(to).to_string();
        assert!(error.contains(words), "{to}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let normalised = PRODUCT.replace(
        "calibration = { slope = 1.0, intercept = 0.0 }\n    prevalence = 0.2\n    probability = false",
        "op_threshold = 0.1",
    );
    let normalised = normalised.replace("[\"Pneumonia\", \"COVID", "[\"Opacity\", \"COVID");
    let error = parse_card(&normalised).unwrap_err().to_string();
    assert!(
        error.contains("product: Opacity is normalised by an op_threshold"),
        "{error}"
    );
}
