//! The card of a model that somebody else published.

use toml::{Table, Value};

use super::{ModelFamily, Output, Published};
use crate::domain::text::clean;
use crate::domain::{SeverityLine, SeverityLineCard};

/// The label that severity is read from.
const LUNG_OPACITY: &str = "Lung Opacity";
/// The weights that it was fitted with.
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

/// What goes onto the card.
pub struct Writer<'a> {
    pub family: ModelFamily,
    pub known: Option<&'a Published>,
    pub name: &'a str,
    pub outputs: &'a [Output],
    /// Number of outputs that were not trained.
    pub left_out: usize,
    pub sha256: &'a str,
}

impl Writer<'_> {
    pub fn text(&self) -> String {
        let (preprocess, size) = self.family.preprocess();
        let mut card = Table::new();
        let mut put = |name: &str, value: Value| card.insert(name.to_owned(), value);
        put("name", clean(self.name).into());
        put("version", self.version().into());
        put("architecture", self.family.architecture().into());
        put("input_size", (size as i64).into());
        put("preprocess", preprocess.into());
        put("licence", self.licence().into());
        put("pretrained", self.pretrained().into());
        put("training_data", self.training_data().into());
        let limits = self.limits().into_iter().map(Value::from);
        put("limits", Value::Array(limits.collect()));
        put("sha256", self.sha256.into());
        let labels = self.outputs.iter().map(label);
        put("label", Value::Array(labels.map(Value::Table).collect()));
        if self.has_severity() {
            put("severity_line", Value::Table(severity()));
        }
        card.to_string()
    }

    fn has_severity(&self) -> bool {
        let has_label = || {
            self.outputs
                .iter()
                .any(|output| output.label == LUNG_OPACITY)
        };
        self.family == ModelFamily::XrvDensenet121 && has_label()
    }

    fn version(&self) -> &'static str {
        match self.known {
            Some(_) => "v1",
            None => "imported",
        }
    }

    fn licence(&self) -> &'static str {
        match self.known {
            Some(_) => "Apache-2.0 (torchxrayvision); its training data have terms of their own",
            None => "not known to cxr: that of whoever made the checkpoint",
        }
    }

    fn pretrained(&self) -> String {
        match self.known {
            Some(known) => format!("{}, unchanged, from {}", known.name, known.url),
            None => format!("a checkpoint read as {}, unchanged", self.family),
        }
    }

    fn training_data(&self) -> &'static str {
        match self.known {
            Some(known) => known.training_data,
            None => "not known to cxr",
        }
    }

    fn limits(&self) -> Vec<String> {
        let mut limits = vec![
            "Not a medical device and not for diagnosis.".to_owned(),
            "cxr has not measured it: no figure here says how well it does.".to_owned(),
            "It has no learned input check: only the file's own word, shape, colour and grey levels \
             are looked at, so another view or another part of the body is read as if it were a \
             frontal chest X-ray."
                .to_owned(),
            self.kind_of_score(),
        ];
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
        match self.outputs.iter().any(|output| output.threshold.is_some()) {
            true => "Scores are sigmoids put on a scale whose middle is the published operating \
                     point (op_threshs): they are not probabilities, and 0.5 is a line of its \
                     authors' data."
                .to_owned(),
            false => {
                "Scores are plain sigmoids: they are not probabilities, and nobody said where \
                      to draw a line."
                    .to_owned()
            }
        }
    }

    fn severity_limit(&self) -> String {
        let fitted = "Severity was fitted on 94 images of COVID-19 (Cohen et al. 2020)";
        match self.known {
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
                "It sees the centre square of pixels, and grey by the bit depth of the file, not by \
                 its values: a file that uses a part of its bits looks dark or flat to it."
            }
            ModelFamily::Chexnet => {
                "It sees the centre crop alone, where the ten crops of CheXNet's evaluation would \
                 be averaged; files of more than 8 bits are brought to 8 by their bit depth."
            }
        }
    }
}

fn label(output: &Output) -> Table {
    let mut label = Table::new();
    label.insert("name".to_owned(), output.label.as_str().into());
    label.insert("question".to_owned(), "presence".into());
    if let Some(threshold) = output.threshold {
        // Digits of the shorter number, which read back as the same.
        let threshold: f64 = threshold.to_string().parse().unwrap_or(threshold.into());
        label.insert("op_threshold".to_owned(), threshold.into());
    }
    label
}

fn severity() -> Table {
    let SeverityLineCard {
        label,
        geographic_extent,
        opacity,
    } = covid_severity();
    let line = |SeverityLine { slope, intercept }: SeverityLine| {
        let numbers = [("slope", slope), ("intercept", intercept)];
        let pairs = numbers.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Value::Table(Table::from_iter(pairs))
    };
    let mut table = Table::new();
    table.insert("label".to_owned(), label.into());
    table.insert("geographic_extent".to_owned(), line(geographic_extent));
    table.insert("opacity".to_owned(), line(opacity));
    table
}
