//! `[softmax]`: labels of which one is right.

use super::file::SoftmaxFile;
use super::text::name;
use crate::domain::{LabelCard, Question, SoftmaxCard};

impl SoftmaxFile {
    /// # Errors
    /// If a class has no name or that of another one, there are fewer than two outputs, or a label is no plain one.
    pub fn card(self, labels: &[LabelCard]) -> Result<SoftmaxCard, String> {
        let of_section = |fault: String| format!("[softmax] {fault}");
        let besides = self.besides.iter().map(|class| name("the class", class));
        let besides = besides.collect::<Result<Vec<_>, _>>().map_err(of_section)?;
        for (nth, class) in besides.iter().enumerate() {
            let is_label = labels.iter().any(|label| label.name == *class);
            if class.is_empty() || is_label || besides[..nth].contains(class) {
                return Err(of_section(format!(
                    "besides holds {class:?}, a name of another output, or none"
                )));
            }
        }
        if labels.len() + besides.len() < 2 {
            return Err(of_section("is over one output, and always 1".to_owned()));
        }
        let is_plain = |label: &&LabelCard| {
            label.question == Question::Presence
                && label.op_threshold.is_none()
                && label.product.is_none()
        };
        match labels.iter().find(|label| !is_plain(label)) {
            Some(label) => Err(of_section(format!(
                "is over all labels, and {} is a cause, a product or normalised by an op_threshold",
                label.name
            ))),
            None => Ok(SoftmaxCard { besides }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse_card, write_card};

    const SOFTMAX: &str = r#"
    name = "four"
    version = "1"
    architecture = "vit"
    input_size = 224
    preprocess = "cxr-1"
    licence = ""
    pretrained = ""
    training_data = ""
    limits = []
    sha256 = "ab"
    [[label]]
    name = "Pneumonia"
    question = "presence"
    [[label]]
    name = "COVID-19"
    question = "presence"
    [softmax]
    besides = ["NORMAL"]
    "#;

    #[test]
    fn a_softmax_is_read_and_written() {
        let card = parse_card(SOFTMAX).unwrap();
        assert_eq!(card.softmax.as_ref().unwrap().besides, ["NORMAL"]);
        assert_eq!((card.labels.len(), card.output_count()), (2, 3));
        assert_eq!(parse_card(&write_card(&card).unwrap()).unwrap(), card);
        let none = SOFTMAX.replace("besides = [\"NORMAL\"]", "");
        let card = parse_card(&none).unwrap();
        assert!(card.softmax.as_ref().unwrap().besides.is_empty());
        assert_eq!(parse_card(&write_card(&card).unwrap()).unwrap(), card);
    }

    #[test]
    fn a_softmax_that_makes_no_sense_is_one_clear_error() {
        let covid = "[[label]]\n    name = \"COVID-19\"\n    question = \"presence\"";
        for (from, to, words) in [
            (
                "NORMAL\"",
                "Pneumonia\"",
                "\"Pneumonia\", a name of another",
            ),
            ("NORMAL\"", "A\", \"A\"", "\"A\", a name of another"),
            ("NORMAL\"", "\"", "\"\", a name of another output, or none"),
            ("NORMAL\"", "\\u001b\"", "nothing of the class"),
            (
                "\"presence\"\n    [soft",
                "\"given-pneumonia\"\n    [soft",
                "COVID-19 is a cause",
            ),
            (
                "\"presence\"\n    [soft",
                "\"presence\"\n    op_threshold = 0.1\n    [soft",
                "op_threshold",
            ),
        ] {
            let text = SOFTMAX.replace(from, to);
            assert_ne!(text, SOFTMAX, "{from}");
            let error = parse_card(&text).unwrap_err().to_string();
            assert!(
                error.contains("[softmax]") && error.contains(words),
                "{error}"
            );
            assert!(!error.contains(['\n', '\u{1b}']), "{error}");
        }
        let alone = SOFTMAX.replace(covid, "").replace("[\"NORMAL\"]", "[]");
        let error = parse_card(&alone).unwrap_err().to_string();
        assert!(error.contains("over one output, and always 1"), "{error}");
    }
}
