//! A classifier's answer for one radiograph.

use std::borrow::Cow;
use std::sync::Arc;

use super::activation::ClassActivationMap;
use super::assumed::Prevalences;
use super::content_id::ContentId;
use super::finding::Finding;
use super::lungs::{LungFields, LungMeasures};
use super::pathology::Pathology;
use super::prognosis::Prognosis;

/// Whether the model is meant for the image, and the reasons why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputCheck {
    /// Scores are shown without a caution.
    Accepted,
    /// Scores are shown, with these reasons to doubt them.
    Caution(Vec<String>),
    /// No scores are shown.
    Refused(Vec<String>),
}

impl InputCheck {
    /// The word on the screen and in tables: `ok`, `caution` or `refused`. The store has words of its own.
    pub fn word(&self) -> &'static str {
        match self {
            InputCheck::Accepted => "ok",
            InputCheck::Caution(_) => "caution",
            InputCheck::Refused(_) => "refused",
        }
    }

    /// Why the image is doubted or refused; empty if it is accepted.
    pub fn reasons(&self) -> &[String] {
        match self {
            InputCheck::Accepted => &[],
            InputCheck::Caution(reasons) | InputCheck::Refused(reasons) => reasons,
        }
    }
}

/// Extent and density of opacities over both lungs, as scored in Cohen et al. 2020
/// (arXiv:2005.11856).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Severity {
    /// 0 to 8.
    pub geographic_extent: f32,
    /// 0 to 6.
    pub opacity: f32,
    /// Mean absolute error of the extent, from the card; `None` where it is not known.
    pub geographic_extent_error: Option<f32>,
    /// Mean absolute error of the opacity, from the card; `None` where it is not known.
    pub opacity_error: Option<f32>,
}

/// One classifier's answer for one radiograph.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The image. A prediction that is shown, recorded or written beside another image is a fault.
    pub content: ContentId,
    /// In the card's order. Empty if the input was refused.
    pub findings: Vec<Finding>,
    /// `None` where the model has no severity head, or the input was refused.
    pub severity: Option<Severity>,
    /// Whether the model is meant for the image.
    pub input: InputCheck,
    /// SHA-256 of the weights, lower-case hexadecimal.
    pub model_sha256: String,
    /// Name and version of the preprocessing.
    pub preprocess: String,
    /// Milliseconds from samples to findings; 0 for a prediction from the cache.
    pub elapsed_ms: f64,
    /// The places that the logits come from. `None` if the input was refused, the model has no maps, or the
    /// prediction is from the cache.
    pub activation: Option<Arc<ClassActivationMap>>,
    /// Labels that get no number, because the image is unlike those that they were learned from. They have no finding.
    pub withheld: Vec<Pathology>,
    /// `None` if the input was refused, no lungs were looked for, or the prediction is from the cache.
    pub lung_fields: Option<Arc<LungFields>>,
    /// `None` if the input was refused, or no lungs were looked for.
    pub lungs: Option<LungMeasures>,
    /// In the card's order. Empty where the model has none.
    pub prognoses: Vec<Prognosis>,
}

impl Prediction {
    /// The finding of this label; `None` where there is none, as in a refused image.
    pub fn finding(&self, label: &str) -> Option<&Finding> {
        self.findings.iter().find(|f| f.label.name() == label)
    }

    /// [`Prediction::assuming`], without a copy where no prevalence is assumed.
    pub fn under(&self, prevalences: &Prevalences) -> Cow<'_, Prediction> {
        if prevalences.is_empty() {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(self.clone().assuming(prevalences))
        }
    }

    /// The same prediction at these prevalences. See [`Finding::assuming`] and, for products,
    /// [`Finding::moved_with`].
    pub fn assuming(mut self, prevalences: &Prevalences) -> Self {
        let moved = |finding: &Finding| self.moved(finding, prevalences);
        self.findings = self.findings.iter().map(moved).collect();
        self
    }

    fn moved(&self, finding: &Finding, prevalences: &Prevalences) -> Finding {
        let Some(factors) = &finding.factors else {
            let assumed = prevalences.of(finding.label.name());
            return assumed.map_or_else(|| finding.clone(), |p| finding.assuming(p));
        };
        let presence = self.finding(factors.presence.name());
        let cause = self.finding(factors.cause.name());
        let assumed = prevalences.of(factors.presence.name());
        match (presence, cause, assumed) {
            (Some(presence), Some(cause), Some(assumed)) => {
                finding.moved_with(presence, cause, assumed)
            }
            _ => finding.clone(),
        }
    }

    /// Whether a label gets no number, because the image is unlike those that it was learned from.
    pub fn is_withheld(&self, label: &str) -> bool {
        self.withheld
            .iter()
            .any(|withheld| withheld.name() == label)
    }
}
