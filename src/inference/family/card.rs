//! The card of an imported checkpoint.

use super::{ModelFamily, Output, Published, Recognition};
use crate::domain::text::clean;
use crate::domain::{LabelCard, ModelCard, Question, SeverityLine, SeverityLineCard};

/// The label that severity is read from.
const LUNG_OPACITY: &str = "Lung Opacity";
/// The weights that severity was fitted with.
const SEVERITY_WEIGHTS: &str = "densenet121-res224-all";

/// `scripts/covid-severity/predict_severity.py` of torchxrayvision, before that mlmed/covid-severity:
/// Cohen et al. 2020, arXiv:2005.11856.
pub fn covid_severity() -> SeverityLineCard {
    let line = |slope, intercept| SeverityLine { slope, intercept };
    SeverityLineCard {
        label: LUNG_OPACITY.to_owned(),
        geographic_extent: line(0.870_524_823_665_618_9, 3.413_743_7),
        opacity: line(0.548_442_304_134_368_9, 2.553_597_7),
    }
}

/// A checkpoint that was read as a model of a family.
pub struct ImportedModel<'a> {
    pub family: ModelFamily,
    pub recognition: Option<Recognition>,
    pub name: &'a str,
    pub outputs: &'a [Output],
    /// Number of outputs that were not trained.
    pub left_out: usize,
    pub sha256: &'a str,
}

impl ImportedModel<'_> {
    /// The card of the model: nothing on it is measured by cxr.
    pub fn card(&self) -> ModelCard {
        let (preprocess, input_size) = self.family.preprocess();
        ModelCard {
            name: clean(self.name),
            version: self.version().to_owned(),
            architecture: self.family.architecture().to_owned(),
            input_size,
            preprocess: preprocess.to_owned(),
            labels: self.outputs.iter().map(label).collect(),
            severity_line: self.has_severity().then(covid_severity),
            licence: self.licence().to_owned(),
            training_data: self.training_data().to_owned(),
            pretrained: self.pretrained(),
            limits: self.limits(),
            sha256: self.sha256.to_owned(),
            ..ModelCard::default()
        }
    }

    /// The published weights that it is.
    fn known(&self) -> Option<&'static Published> {
        match self.recognition {
            Some(Recognition::Published(known)) => Some(known),
            Some(Recognition::Outputs(_)) | None => None,
        }
    }

    /// Not where only the outputs are those of published weights: after further training, the line would be over another
    /// logit.
    fn has_severity(&self) -> bool {
        if let Some(Recognition::Outputs(_)) = self.recognition {
            return false;
        }
        let has_label = || {
            self.outputs
                .iter()
                .any(|output| output.label == LUNG_OPACITY)
        };
        self.family == ModelFamily::XrvDensenet121 && has_label()
    }

    fn version(&self) -> &'static str {
        match self.known() {
            Some(_) => "v1",
            None => "imported",
        }
    }

    fn licence(&self) -> &'static str {
        match self.known() {
            Some(_) => "Apache-2.0 (torchxrayvision); its training data have terms of their own",
            None => "not known to cxr: ask the authors of the checkpoint",
        }
    }

    fn pretrained(&self) -> String {
        match self.recognition {
            Some(Recognition::Published(known)) => {
                format!("{}, unchanged, from {}", known.name, known.url)
            }
            Some(Recognition::Outputs(known)) => format!(
                "a checkpoint read as {}, with the labels and operating points of {}; its weights are not known to be \
                 those, and may have been trained further",
                self.family, known.name
            ),
            None => format!("a checkpoint read as {}, unchanged", self.family),
        }
    }

    fn training_data(&self) -> &'static str {
        match self.known() {
            Some(known) => known.training_data,
            None => "not known to cxr",
        }
    }

    fn limits(&self) -> Vec<String> {
        let mut limits = first_limits();
        limits.push(self.kind_of_score());
        if self.left_out > 0 {
            let (n, s) = (self.left_out, if self.left_out == 1 { "" } else { "s" });
            limits.push(format!(
                "{n} output{s} of the network left out, never trained: without a label or without \
                 an operating point."
            ));
        }
        if self.has_severity() {
            limits.push(self.severity_limit());
        }
        limits.push(self.preprocess_limit().to_owned());
        limits
    }

    fn kind_of_score(&self) -> String {
        if self.outputs.iter().any(|output| output.threshold.is_some()) {
            "Scores are sigmoids on a scale whose middle is the published operating point (op_threshs): \
             they are not probabilities, and 0.5 is an operating point on its authors' data."
                .to_owned()
        } else {
            "Scores are plain sigmoids: they are not probabilities, and there is no operating point."
                .to_owned()
        }
    }

    fn severity_limit(&self) -> String {
        let fitted = "Severity was fitted on 94 images of COVID-19 (Cohen et al. 2020)";
        match self.known() {
            Some(known) if known.name == SEVERITY_WEIGHTS => {
                format!("{fitted}, with these weights.")
            }
            _ => format!(
                "{fitted} with {SEVERITY_WEIGHTS}; whether it holds for these weights is not known."
            ),
        }
    }

    fn preprocess_limit(&self) -> &'static str {
        match self.family {
            ModelFamily::XrvDensenet121 | ModelFamily::XrvResnet50_512 => {
                "It sees the centre square of pixels, and scales grey by the bit depth of the file, not by \
                 its values: a file that uses a part of its bits looks dark or flat to it."
            }
            ModelFamily::Chexnet => {
                "It sees the centre crop alone, while CheXNet's evaluation averages ten crops; files of \
                 more than 8 bits are scaled to 8 by their bit depth."
            }
        }
    }
}

/// What holds of every imported model.
pub fn first_limits() -> Vec<String> {
    vec![
        "Not a medical device and not for diagnosis.".to_owned(),
        "cxr has not measured it: no figure here says how well it performs.".to_owned(),
        "It has no learned input check: the file's header, shape, colour and grey levels are \
         checked, and two lungs are looked for. A film of lungs unlike those that the model was \
         made for is scored like any other."
            .to_owned(),
    ]
}

fn label(output: &Output) -> LabelCard {
    LabelCard {
        op_threshold: output.threshold,
        ..LabelCard::new(&output.label, Question::Presence, None)
    }
}
