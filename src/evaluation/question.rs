//! The questions of an evaluation: the reference standard of a case, and the score that answers it.

use std::collections::BTreeMap;

use super::number::number;
use crate::domain::{BACTERIAL, COVID, COVID_GIVEN_PNEUMONIA, PNEUMONIA, VIRAL};

/// The cause of a pneumonia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Bacterial,
    /// A virus other than SARS-CoV-2.
    Viral,
    Covid19,
}

/// The reference standard of one case. `None` is unknown, never no.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReferenceStandard {
    pub pneumonia: Option<bool>,
    pub covid: Option<bool>,
    pub cause: Option<Cause>,
    /// From a label's own column, by the label's name.
    pub labels: BTreeMap<String, bool>,
    /// As scored by readers, 0 to 8 and 0 to 6 (Cohen et al. 2020, arXiv:2005.11856).
    pub geographic_extent: Option<f64>,
    pub opacity: Option<f64>,
}

impl ReferenceStandard {
    pub fn severity(&self, scale: SeverityScale) -> Option<f64> {
        match scale {
            SeverityScale::GeographicExtent => self.geographic_extent,
            SeverityScale::Opacity => self.opacity,
        }
    }

    fn label(&self, label: &str) -> Option<bool> {
        self.labels.get(label).copied()
    }

    fn has_pneumonia(&self) -> Option<bool> {
        self.label(PNEUMONIA).or(self.pneumonia)
    }

    fn has_covid(&self) -> Option<bool> {
        self.label(COVID).or(self.covid)
    }
}

/// The two scales of [`Severity`](crate::domain::Severity).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeverityScale {
    GeographicExtent,
    Opacity,
}

impl SeverityScale {
    pub const ALL: [SeverityScale; 2] = [SeverityScale::GeographicExtent, SeverityScale::Opacity];

    /// As the columns of tables are called.
    pub fn name(self) -> &'static str {
        match self {
            SeverityScale::GeographicExtent => "geographic_extent",
            SeverityScale::Opacity => "opacity",
        }
    }

    /// Its upper end; the lower one is 0.
    pub fn most(self) -> f64 {
        match self {
            SeverityScale::GeographicExtent => 8.0,
            SeverityScale::Opacity => 6.0,
        }
    }

    /// The value in a cell; `None` where it is none of this scale.
    pub fn number(self, cell: &str) -> Option<f64> {
        number(cell).filter(|value| (0.0..=self.most()).contains(value))
    }
}

/// The labels that give a cause of a pneumonia.
const CAUSES: [(&str, Cause); 3] = [
    (BACTERIAL, Cause::Bacterial),
    (VIRAL, Cause::Viral),
    (COVID_GIVEN_PNEUMONIA, Cause::Covid19),
];

/// A question with the answers yes and no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BinaryQuestion {
    /// Whether the label of this name holds, among all cases with a reference standard for it.
    Label(String),
    /// COVID-19 or not, among cases with pneumonia: harder to answer from the hospital alone.
    CovidAgainstOtherPneumonia,
    /// Bacterial or viral, among cases of these two causes, by the share of the first of the two.
    BacterialAgainstViral,
}

/// The questions that a model with these labels can answer.
pub fn questions(labels: &[String]) -> Vec<BinaryQuestion> {
    let has = |name: &str| labels.iter().any(|label| label == name);
    let mut questions: Vec<_> = labels.iter().cloned().map(BinaryQuestion::Label).collect();
    if has(COVID) {
        questions.push(BinaryQuestion::CovidAgainstOtherPneumonia);
    }
    if has(BACTERIAL) && has(VIRAL) {
        questions.push(BinaryQuestion::BacterialAgainstViral);
    }
    questions
}

impl BinaryQuestion {
    pub fn name(&self) -> &str {
        match self {
            BinaryQuestion::Label(name) => name,
            BinaryQuestion::CovidAgainstOtherPneumonia => "COVID-19 against other pneumonia",
            BinaryQuestion::BacterialAgainstViral => "Bacterial against Viral",
        }
    }

    /// The label with the operating points of this question.
    pub fn label(&self) -> Option<&str> {
        match self {
            BinaryQuestion::Label(name) => Some(name),
            BinaryQuestion::CovidAgainstOtherPneumonia => Some(COVID),
            BinaryQuestion::BacterialAgainstViral => None,
        }
    }

    /// The reference standard; `None` if it is unknown, or the question does not apply to such a case.
    pub fn answer(&self, truth: &ReferenceStandard) -> Option<bool> {
        match self {
            BinaryQuestion::Label(name) => truth.label(name).or_else(|| known(name, truth)),
            BinaryQuestion::CovidAgainstOtherPneumonia => truth
                .has_covid()
                .filter(|_| truth.has_pneumonia() == Some(true)),
            BinaryQuestion::BacterialAgainstViral => match truth.cause? {
                Cause::Bacterial => Some(true),
                Cause::Viral => Some(false),
                Cause::Covid19 => None,
            },
        }
    }

    /// The score that speaks for yes, from the score of each label.
    pub fn score(&self, of: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        match self {
            BinaryQuestion::Label(name) => of(name),
            BinaryQuestion::CovidAgainstOtherPneumonia => of(COVID),
            BinaryQuestion::BacterialAgainstViral => {
                let (bacterial, viral) = (of(BACTERIAL)?, of(VIRAL)?);
                let both = bacterial + viral;
                (both > 0.0).then(|| bacterial / both)
            }
        }
    }
}

fn known(label: &str, truth: &ReferenceStandard) -> Option<bool> {
    match label {
        PNEUMONIA => truth.pneumonia,
        COVID => truth.covid,
        _ => {
            let (_, cause) = CAUSES.iter().find(|(name, _)| *name == label)?;
            truth.cause.map(|known| known == *cause)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(
        pneumonia: Option<bool>,
        covid: Option<bool>,
        cause: Option<Cause>,
    ) -> ReferenceStandard {
        ReferenceStandard {
            pneumonia,
            covid,
            cause,
            ..ReferenceStandard::default()
        }
    }

    fn all() -> Vec<BinaryQuestion> {
        questions(&[PNEUMONIA, COVID, BACTERIAL, VIRAL, COVID_GIVEN_PNEUMONIA].map(str::to_owned))
    }

    fn answers(truth: &ReferenceStandard) -> Vec<Option<bool>> {
        all()
            .iter()
            .map(|question| question.answer(truth))
            .collect()
    }

    #[test]
    fn each_question_is_asked_of_its_cases_only() {
        let (yes, no) = (Some(true), Some(false));
        let healthy = truth(no, no, None);
        assert_eq!(answers(&healthy), [no, no, None, None, None, None, None]);
        let bacterial = truth(yes, no, Some(Cause::Bacterial));
        assert_eq!(answers(&bacterial), [yes, no, yes, no, no, no, yes]);
        let covid = truth(yes, yes, Some(Cause::Covid19));
        assert_eq!(answers(&covid), [yes, yes, no, no, yes, yes, None]);
        assert_eq!(answers(&ReferenceStandard::default()), [None; 7]);
    }

    #[test]
    fn a_column_of_the_labels_own_comes_first() {
        let mut truth = truth(Some(false), Some(false), None);
        truth.labels.insert(PNEUMONIA.to_owned(), true);
        truth.labels.insert("Effusion".to_owned(), true);
        assert_eq!(all()[0].answer(&truth), Some(true));
        assert_eq!(
            all()[5].answer(&truth),
            Some(false),
            "of a case of pneumonia"
        );
        let effusion = BinaryQuestion::Label("Effusion".to_owned());
        assert_eq!(effusion.answer(&truth), Some(true));
    }

    #[test]
    fn bacterial_against_viral_goes_by_their_odds() {
        let score = |bacterial, viral| {
            BinaryQuestion::BacterialAgainstViral.score(|label| match label {
                BACTERIAL => Some(bacterial),
                VIRAL => Some(viral),
                _ => None,
            })
        };
        assert_eq!(score(0.03, 0.01), Some(0.75));
        assert_eq!(score(0.0, 0.0), None);
    }

    #[test]
    fn a_model_is_asked_only_what_its_labels_answer() {
        let names: Vec<_> = questions(&["Effusion".to_owned()]);
        assert_eq!(names, [BinaryQuestion::Label("Effusion".to_owned())]);
    }
}
