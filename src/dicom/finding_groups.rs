//! The model's answer for one film as measurement groups: findings, causes, severity, and what the lungs give.

use dicom_object::InMemDicomObject;

use super::DicomError;
use super::codes::{Code, dcm, label, own, sct, unit, yes_or_no};
use super::content_item::{Relation, code, holding, number, text};
use super::measurement_group::ReportedFilm;
use crate::domain::{
    Causes, Conformal, Finding, LungMeasures, ModelCard, PNEUMONIA, Prediction, PresenceSet,
    ScoreKind, Severity,
};

/// The groups of an answer that was not refused. As on the screen and on pages, no number stands there that another one
/// denies.
pub fn answer_groups(
    film: &ReportedFilm,
    prediction: &Prediction,
    card: Option<&ModelCard>,
) -> Result<Vec<InMemDicomObject>, DicomError> {
    let mut groups = Vec::new();
    for (name, finding) in prediction.alone(card) {
        let mut content = subject(film, prediction, name);
        match finding {
            Some(finding) if prediction.is_denied(finding) => {
                content.push(no_number(
                    "above its operating point, where no pneumonia was found",
                ));
            }
            Some(finding) => content.extend(presence(prediction, finding)),
            None => content.push(no_number(
                "the film is unlike those that the label was learned from",
            )),
        }
        groups.push(film.group(name, content)?);
    }
    groups.extend(causes(film, prediction)?);
    if let Some(severity) = &prediction.severity {
        groups.push(severity_group(film, prediction, severity)?);
    }
    groups.extend(lungs(film, prediction)?);
    Ok(groups)
}

/// The finding that a group is about, where it is, and who says it.
fn subject(film: &ReportedFilm, prediction: &Prediction, name: &str) -> Vec<InMemDicomObject> {
    let finding = dcm("121071", "Finding");
    let mut items = vec![code(Relation::Contains, &finding, &label(name))];
    items.extend(film.algorithm(prediction));
    items.push(site());
    items
}

fn site() -> InMemDicomObject {
    let name = sct("363698007", "Finding Site");
    code(
        Relation::HasConceptModifier,
        &name,
        &sct("51185008", "Thorax"),
    )
}

fn no_number(reason: &str) -> InMemDicomObject {
    let name = own("no-number", "Why there is no number");
    text(Relation::Contains, &name, reason)
}

/// A share from 0 to 1.
fn ratio() -> Code {
    unit("1", "no units")
}

/// The score under the name that it may have.
fn score_name(kind: ScoreKind, is_bound: bool) -> Code {
    match kind {
        ScoreKind::Calibrated if is_bound => {
            own("probability-most", "Calibrated probability, at most")
        }
        ScoreKind::Calibrated => own("probability", "Calibrated probability"),
        ScoreKind::Sigmoid => own("score", "Score, not calibrated: not a probability"),
        ScoreKind::OperatingPointNormalised => {
            own("score-op", "Score with its operating point at 0.5")
        }
    }
}

fn score(finding: &Finding, (value, is_bound): (f32, bool)) -> InMemDicomObject {
    let name = score_name(finding.score.kind, is_bound);
    let mut assumed = Vec::new();
    if let Some(calibrated) = finding.calibrated {
        let name = own("prevalence", "Assumed prevalence");
        let share = calibrated.prevalence.share() as f32;
        assumed.push(number(Relation::HasProperties, &name, share, &ratio()));
    }
    let measured = number(Relation::Contains, &name, value, &ratio());
    holding(measured, assumed)
}

/// A label that is present or absent: its score, both operating points, and on which side of them it is.
fn presence(prediction: &Prediction, finding: &Finding) -> Vec<InMemDicomObject> {
    let mut items = vec![score(finding, prediction.shown_score(finding))];
    let points = [
        (
            "point-balanced",
            "Operating point, balanced (Youden)",
            finding.operating_point,
        ),
        (
            "point-sensitive",
            "Operating point with 90 % sensitivity",
            finding.sensitive_point,
        ),
    ];
    for (value, meaning, point) in points {
        if let Some(point) = point {
            let name = own(value, meaning);
            items.push(number(Relation::Contains, &name, point.0, &ratio()));
        }
    }
    if finding.operating_point.is_some() {
        let name = own("found", "At or above its balanced operating point");
        let found = yes_or_no(prediction.is_found(finding));
        items.push(code(Relation::Contains, &name, &found));
    }
    items.extend(finding.conformal.map(set));
    items
}

/// The answers that a set of 90 % holds.
fn set(conformal: Conformal) -> InMemDicomObject {
    let name = own("set-90", "Conformal set of 90 %");
    let holds = match conformal {
        Conformal::Presence(PresenceSet::Present) => own("set-present", "Present"),
        Conformal::Presence(PresenceSet::Absent) => own("set-absent", "Absent"),
        Conformal::Presence(PresenceSet::Either) => own("set-either", "Present or absent"),
        Conformal::Presence(PresenceSet::Neither) => {
            own("set-neither", "Neither: unlike the calibration cases")
        }
        Conformal::Cause(true) => own("set-cause", "This cause is in it"),
        Conformal::Cause(false) => own("set-no-cause", "This cause is not in it"),
    };
    code(Relation::Contains, &name, &holds)
}

/// The causes given pneumonia, as far as they may be told.
fn causes(
    film: &ReportedFilm,
    prediction: &Prediction,
) -> Result<Vec<InMemDicomObject>, DicomError> {
    let reason = match prediction.causes() {
        Causes::Unasked => return Ok(Vec::new()),
        Causes::Told(causes) => {
            let group = |cause: &&Finding| {
                let name = cause.label.name();
                let mut content = subject(film, prediction, name);
                let given = own("given", "Given that this is present");
                content.push(code(Relation::Contains, &given, &label(PNEUMONIA)));
                content.push(score(cause, (cause.score.value(), false)));
                content.extend(cause.conformal.map(set));
                film.group(&format!("cause {name}"), content)
            };
            return causes.iter().map(group).collect();
        }
        Causes::CantTell => "the outputs of the model contradict each other",
        Causes::Unlike => "the film is unlike those that the causes were learned from",
        Causes::OtherPrevalence => {
            "the causes rest on the model's own prevalences, and another is assumed"
        }
    };
    let mut content = film.algorithm(prediction);
    content.push(no_number(reason));
    Ok(vec![film.group("cause given pneumonia", content)?])
}

/// Geographic extent and opacity (Cohen et al. 2020), each with the mean absolute error on the card.
fn severity_group(
    film: &ReportedFilm,
    prediction: &Prediction,
    severity: &Severity,
) -> Result<InMemDicomObject, DicomError> {
    let finding = dcm("121071", "Finding");
    let subject = own("severity", "Severity of opacities (Cohen 2020)");
    let mut content = vec![code(Relation::Contains, &finding, &subject)];
    content.extend(film.algorithm(prediction));
    content.push(site());
    let scales = [
        (
            own("extent", "Geographic extent of opacities"),
            severity.geographic_extent,
            severity.geographic_extent_error,
            unit("{0:8}", "range: 0:8"),
        ),
        (
            own("opacity", "Degree of opacity"),
            severity.opacity,
            severity.opacity_error,
            unit("{0:6}", "range: 0:6"),
        ),
    ];
    for (name, value, error, scale) in scales {
        let error = error.map(|error| {
            let name = own("error-absolute", "Mean absolute error");
            number(Relation::HasProperties, &name, error, &scale)
        });
        let measured = number(Relation::Contains, &name, value, &scale);
        content.push(holding(measured, error.into_iter().collect()));
    }
    if !has_pneumonia(prediction) {
        let name = own("condition", "Condition of these numbers");
        let condition = "no pneumonia was found: they hold if it were pneumonia after all";
        content.push(text(Relation::Contains, &name, condition));
    }
    film.group("severity", content)
}

fn has_pneumonia(prediction: &Prediction) -> bool {
    // A model without that label makes no condition.
    prediction.finding(PNEUMONIA).and_then(Finding::is_positive) != Some(false)
}

fn lungs(
    film: &ReportedFilm,
    prediction: &Prediction,
) -> Result<Option<InMemDicomObject>, DicomError> {
    let LungMeasures {
        evidence_inside,
        cardiothoracic_ratio,
        cardiothoracic_error,
    } = prediction.lungs.unwrap_or_default();
    // The share says nothing where no pneumonia was found.
    let found = prediction.finding(PNEUMONIA).and_then(Finding::is_positive) == Some(true);
    let mut numbers = Vec::new();
    if let Some(share) = evidence_inside.filter(|_| found) {
        let name = own(
            "evidence-lungs",
            "Share of the evidence for pneumonia in the lungs",
        );
        numbers.push(number(Relation::Contains, &name, share, &ratio()));
    }
    if let Some(measured) = cardiothoracic_ratio {
        let error = cardiothoracic_error.map(|error| {
            let name = own("error-deviation", "Standard deviation between films");
            number(Relation::HasProperties, &name, error, &ratio())
        });
        let name = own("cardiothoracic", "Cardiothoracic ratio");
        let measured = number(Relation::Contains, &name, measured, &ratio());
        numbers.push(holding(measured, error.into_iter().collect()));
    }
    if numbers.is_empty() {
        return Ok(None);
    }
    let mut content = film.algorithm(prediction);
    content.push(site());
    content.extend(numbers);
    film.group("lungs and heart", content).map(Some)
}
