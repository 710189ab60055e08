//! The components of variance of a pilot study: from its report, published, or typed.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::cli::{FigureArgument, PowerArguments, PublishedArgument};
use crate::commands::shared::Usage;
use crate::domain::text::clean;
use crate::domain::{Question, label_named};
use crate::evaluation::statistics::sample_size::VarianceComponents;
use crate::export::path_text;

/// A report is smaller.
const LARGEST: u64 = 1 << 28;

/// The components of Van Dyke's study as MRMCaov prints them (jackknife): five readers, 114 cases, area under the ROC
/// curve.
const VAN_DYKE: VarianceComponents = VarianceComponents {
    mode_by_reader: 0.000_200_402_5,
    error: 0.000_802_288_3,
    cov1: 0.000_346_613_7,
    cov2: 0.000_344_074_8,
    cov3: 0.000_239_028_4,
    cases: 114,
};

/// What a study is planned with.
#[derive(Debug, Clone, PartialEq)]
pub struct PilotStudy {
    pub components: VarianceComponents,
    /// Where they are from.
    pub from: String,
    /// The class that the figure is of, if it is of one: its cases are those that the components and the plan count.
    pub class: Option<PilotClass>,
}

/// One class of cases in a pilot: of the images with a reference standard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PilotClass {
    /// `positive` or `negative`.
    pub name: &'static str,
    pub cases: u64,
    pub all: u64,
}

impl PilotClass {
    /// The cases of both classes for this number of the class, if their share is that of the pilot.
    pub fn in_all(&self, of_class: usize) -> usize {
        (of_class as f64 * self.all as f64 / self.cases as f64).ceil() as usize
    }
}

impl PilotStudy {
    fn of_all(components: VarianceComponents, from: &str) -> Self {
        PilotStudy {
            components,
            from: from.to_owned(),
            class: None,
        }
    }
}

/// The components that the options name, and where they are from.
///
/// # Errors
/// [`Usage`], if they name none, or a report that has none.
pub fn components(arguments: &PowerArguments) -> Result<PilotStudy> {
    if let Some(path) = &arguments.pilot {
        return of_report(path, arguments.question.as_deref(), arguments.figure);
    }
    if let Some(PublishedArgument::VanDyke) = arguments.published {
        let from = "Van Dyke and others 1993 (AUC)";
        return Ok(PilotStudy::of_all(VAN_DYKE, from));
    }
    let typed = (
        arguments.error_variance,
        arguments.mode_by_reader,
        arguments.cov1,
        arguments.cov2,
        arguments.cov3,
        arguments.pilot_cases,
    );
    let (Some(error), Some(mode_by_reader), Some(cov1), Some(cov2), Some(cov3), Some(cases)) =
        typed
    else {
        return Err(Usage::error(
            "components of variance are needed: --pilot, --published, or --error-variance and the others",
        ));
    };
    let found = VarianceComponents {
        mode_by_reader,
        error,
        cov1,
        cov2,
        cov3,
        cases: cases as usize,
    };
    Ok(PilotStudy::of_all(found, "the options"))
}

fn of_report(path: &Path, question: Option<&str>, figure: FigureArgument) -> Result<PilotStudy> {
    let fail = |reason: String| Usage::error(format!("{}: {}", path_text(path), clean(&reason)));
    let size = std::fs::metadata(path).map_err(|error| fail(error.kind().to_string()))?;
    if size.len() > LARGEST {
        return Err(fail("larger than 256 MiB: this is no report".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| fail(error.kind().to_string()))?;
    let report: Value = serde_json::from_slice(&bytes)
        .map_err(|_| fail("no report of cxr agreement --format json".to_owned()))?;
    let studies: Vec<&Value> = report["studies"].as_array().into_iter().flatten().collect();
    let label = |study: &Value| study["label"].as_str().unwrap_or_default().to_owned();
    let labels: Vec<String> = studies.iter().map(|study| label(study)).collect();
    let study = match (question, &studies[..]) {
        (Some(asked), all) => {
            let known = labels
                .iter()
                .map(|label| (label.as_str(), Question::Presence));
            let meant = label_named(asked, known).ok();
            all.iter()
                .copied()
                .find(|study| Some(label(study).as_str()) == meant)
        }
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    let study = study.ok_or_else(|| {
        fail(format!(
            "--question names one of its questions: {}",
            labels.join(", ")
        ))
    })?;
    let name = match figure {
        FigureArgument::Sensitivity => "sensitivity",
        FigureArgument::Specificity => "specificity",
        FigureArgument::Auc => "AUC",
        FigureArgument::Wafroc => "wAFROC",
        FigureArgument::Afroc => "AFROC",
    };
    let mut comparisons = study["comparisons"].as_array().into_iter().flatten();
    let comparison = comparisons
        .find(|comparison| comparison["figure"] == name)
        .ok_or_else(|| fail(format!("it has no {name}")))?;
    let components = &comparison["components"];
    let number = |key: &str| components[key].as_f64();
    let found = || {
        Some(VarianceComponents {
            mode_by_reader: number("mode_by_reader")?,
            error: number("error")?,
            cov1: number("cov1")?,
            cov2: number("cov2")?,
            cov3: number("cov3")?,
            cases: usize::try_from(components["cases"].as_u64()?).ok()?,
        })
    };
    let found = found().ok_or_else(|| {
        let reason = components["undefined"]
            .as_str()
            .unwrap_or("an older report");
        fail(format!(
            "it has no components of variance of {name}: {reason}"
        ))
    })?;
    let class = match figure {
        FigureArgument::Sensitivity => Some("positive"),
        FigureArgument::Specificity => Some("negative"),
        FigureArgument::Auc | FigureArgument::Wafroc | FigureArgument::Afroc => None,
    };
    let class = class
        .map(|name| class_of(study, name).ok_or(name))
        .transpose();
    let class =
        class.map_err(|name| fail(format!("it does not say how many images are {name}")))?;
    Ok(PilotStudy {
        components: found,
        from: format!("the pilot {}", path_text(path)),
        class,
    })
}

/// The images of a class in a report; `None` if it does not say how many there are.
fn class_of(study: &Value, name: &'static str) -> Option<PilotClass> {
    let (positives, negatives) = (study["positives"].as_u64()?, study["negatives"].as_u64()?);
    let cases = match name {
        "positive" => positives,
        _ => negatives,
    };
    let all = positives.checked_add(negatives)?;
    (cases > 0).then_some(PilotClass { name, cases, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, question: Option<&str>) -> Result<PilotStudy> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pilot.json");
        std::fs::write(&path, text).unwrap();
        of_report(&path, question, FigureArgument::Sensitivity)
    }

    #[test]
    fn components_are_read_from_a_report_or_a_reason_is_given() {
        let good = r#"{"studies": [{"label": "Pneumonia", "positives": 40, "negatives": 160, "comparisons": [{"figure": "sensitivity", "components":
            {"mode_by_reader": 0.001, "error": 0.01, "cov1": 0.004, "cov2": 0.003, "cov3": 0.002, "cases": 40, "readers": 3}}]}]}"#;
        let found = report(good, None).unwrap();
        let components = found.components;
        assert_eq!((components.cases, components.cov3), (40, 0.002));
        // Sensitivity is of positive cases, a fifth of all here.
        let class = found.class.unwrap();
        assert_eq!(
            (class.name, class.in_all(40), class.in_all(81)),
            ("positive", 200, 405)
        );
        assert!(report(good, Some("Pneumonia")).is_ok());
        let one = good.replace(
            r#"{"mode_by_reader": 0.001, "error": 0.01, "cov1": 0.004, "cov2": 0.003, "cov3": 0.002, "cases": 40, "readers": 3}"#,
            r#"{"undefined": "only one reader"}"#,
        );
        for (text, question, words) in [
            (good, Some("COVID-19"), "one of its questions: Pneumonia"),
            ("[", None, "no report"),
            ("{}", None, "one of its questions"),
            (one.as_str(), None, "only one reader"),
            (
                &good.replace("\"positives\": 40,", ""),
                None,
                "how many images are positive",
            ),
        ] {
            let error = report(text, question).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
