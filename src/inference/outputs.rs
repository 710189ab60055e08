//! The outputs of an imported network by name: which are labels, which are no finding, and what makes scores of their
//! logits.

mod vocabulary;

use std::collections::{BTreeMap, HashSet};

use self::vocabulary::{is_absence_of, is_absence_of_all, is_without_finding, known};
use super::tensor_file::FoundTensor;
use crate::domain::text::clean;
use crate::domain::{LabelCard, Question, SoftmaxCard};

/// The most outputs of a network. ImageNet has a thousand classes.
pub const MOST_OUTPUTS: usize = 1_024;

/// What makes scores of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreFunction {
    /// Each output is a question of its own.
    Sigmoid,
    /// All outputs are one question.
    Softmax,
}

/// An output of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedOutput {
    /// As it is shown here.
    pub name: String,
    /// As its authors call it.
    pub written: String,
    /// Its row in the last layer of the file.
    pub row: usize,
}

/// All outputs of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOutputs {
    pub scores: ScoreFunction,
    /// At least one.
    pub labels: Vec<NamedOutput>,
    /// Those of no finding.
    pub besides: Vec<NamedOutput>,
}

impl NetworkOutputs {
    /// Sorts outputs with these names, in the order of the rows.
    ///
    /// # Errors
    /// If there are too many or none, two look alike, one has no name, or all are of no finding.
    pub fn new(names: &[String], scores: ScoreFunction) -> Result<Self, String> {
        let written = cleaned(names)?;
        if scores == ScoreFunction::Softmax && names.len() == 1 {
            return Err("a softmax of one output is always 1".to_owned());
        }
        let is_besides = |row: usize| {
            let absent_other = match &written[..] {
                [first, second] if row == 0 => is_absence_of(first, second),
                [first, second] => is_absence_of(second, first),
                several if scores == ScoreFunction::Softmax => {
                    let others = several.iter().enumerate();
                    let others = others.filter(|(other, _)| *other != row);
                    let others: Vec<&str> = others.map(|(_, name)| name.as_str()).collect();
                    is_absence_of_all(&several[row], &others)
                }
                _ => false,
            };
            is_without_finding(&written[row]) || absent_other
        };
        let shown = shown(&written);
        let output = |row: usize| NamedOutput {
            name: shown[row].clone(),
            written: written[row].clone(),
            row,
        };
        let (besides, labels): (Vec<usize>, Vec<usize>) =
            (0..names.len()).partition(|row| is_besides(*row));
        if labels.is_empty() {
            return Err(format!(
                "all outputs are of films without a finding ({}): name what they find with --labels",
                written.join(", ")
            ));
        }
        Ok(NetworkOutputs {
            scores,
            labels: labels.into_iter().map(output).collect(),
            besides: besides.into_iter().map(output).collect(),
        })
    }

    /// The number of outputs that the file must have.
    pub fn count(&self) -> usize {
        self.labels.len() + self.besides.len()
    }

    /// Whether a softmax is over one label and one class without a finding: then its log-odds are the difference of the
    /// two logits, which is one row of a last layer.
    pub fn is_one_question(&self) -> bool {
        let is_softmax = self.scores == ScoreFunction::Softmax;
        is_softmax && self.labels.len() == 1 && self.besides.len() == 1
    }

    /// The labels of the card, in order.
    pub fn label_cards(&self) -> Vec<LabelCard> {
        let labels = self.labels.iter();
        labels
            .map(|output| LabelCard::new(&output.name, Question::Presence, None))
            .collect()
    }

    /// `[softmax]` of the card.
    pub fn softmax_card(&self) -> Option<SoftmaxCard> {
        let is_softmax = self.scores == ScoreFunction::Softmax && !self.is_one_question();
        is_softmax.then(|| SoftmaxCard {
            besides: self.besides.iter().map(|o| o.name.clone()).collect(),
        })
    }

    /// What the card says of the scores and of names.
    pub fn limits(&self) -> Vec<String> {
        let mut limits = vec![self.kind_of_score()];
        if self.scores == ScoreFunction::Sigmoid && !self.besides.is_empty() {
            let besides = written(&self.besides);
            limits.push(format!("Left out, as it is no finding: {besides}."));
        }
        let labels = self.labels.iter();
        let renamed: Vec<String> = labels
            .filter(|label| label.name != label.written)
            .map(|label| format!("{} is its {}", label.name, label.written))
            .collect();
        if !renamed.is_empty() {
            limits.push(format!("Names of labels: {}.", renamed.join(", ")));
        }
        limits
    }

    fn kind_of_score(&self) -> String {
        let end = "they are not probabilities, and there is no operating point.";
        match (self.scores, self.is_one_question()) {
            (ScoreFunction::Sigmoid, _) => format!("Scores are plain sigmoids: {end}"),
            (ScoreFunction::Softmax, true) => format!(
                "Its score is the softmax of {} against {}, computed as the sigmoid of the difference of the two \
                 outputs: it is not a probability, and there is no operating point.",
                written(&self.labels),
                written(&self.besides)
            ),
            (ScoreFunction::Softmax, false) => {
                format!("Scores are a softmax over all outputs, so that they add up to one: {end}")
            }
        }
    }

    /// Puts the rows of the last layer, the tensors of these names, in the order of the card: those of the labels, then
    /// those of no finding, which only a softmax needs. A softmax that [is one question](Self::is_one_question) becomes
    /// one row, the difference of the two.
    pub fn arrange(&self, tensors: &mut BTreeMap<String, FoundTensor>, head: [&str; 2]) {
        for name in head {
            if let Some(tensor) = tensors.get_mut(name).filter(|t| !t.shape.is_empty()) {
                self.arrange_rows(tensor);
            }
        }
    }

    fn arrange_rows(&self, tensor: &mut FoundTensor) {
        let length: usize = tensor.shape[1..].iter().product();
        let row = |output: &NamedOutput| &tensor.values[output.row * length..][..length];
        let values: Vec<f32> = if self.is_one_question() {
            let pair = row(&self.labels[0]).iter().zip(row(&self.besides[0]));
            pair.map(|(label, other)| label - other).collect()
        } else {
            let besides = match self.scores {
                ScoreFunction::Softmax => &self.besides[..],
                ScoreFunction::Sigmoid => &[],
            };
            let rows = self.labels.iter().chain(besides);
            rows.flat_map(|output| row(output).to_vec()).collect()
        };
        tensor.shape[0] = values.len() / length.max(1);
        tensor.values = values;
    }
}

/// The names that authors gave to these outputs.
fn written(outputs: &[NamedOutput]) -> String {
    let names = outputs.iter().map(|output| output.written.as_str());
    names.collect::<Vec<&str>>().join(", ")
}

/// The names as they may be shown.
fn cleaned(names: &[String]) -> Result<Vec<String>, String> {
    if names.is_empty() || names.len() > MOST_OUTPUTS {
        let count = names.len();
        return Err(format!("{count} outputs, not from 1 to {MOST_OUTPUTS}"));
    }
    let cleaned: Vec<String> = names.iter().map(|name| clean(name)).collect();
    if let Some(row) = cleaned.iter().position(String::is_empty) {
        return Err(format!("output {row} has no name that can be shown"));
    }
    let mut seen = HashSet::new();
    match cleaned.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(format!("two outputs are called {name}")),
        None => Ok(cleaned.clone()),
    }
}

/// The names in this program's words, where no other output would have the same.
fn shown(written: &[String]) -> Vec<String> {
    let known: Vec<Option<&str>> = written.iter().map(|name| known(name)).collect();
    let is_taken = |row: usize, name: &str| {
        let others = (0..written.len()).filter(|other| *other != row);
        let mut others =
            others.filter(|other| written[*other] == name || known[*other] == Some(name));
        others.next().is_some()
    };
    let rows = written.iter().zip(&known).enumerate();
    rows.map(|(row, (own, known))| match known {
        Some(name) if !is_taken(row, name) => (*name).to_owned(),
        _ => own.clone(),
    })
    .collect()
}

/// A softmax, unless there is one output.
pub fn by_count(outputs: usize) -> ScoreFunction {
    if outputs == 1 {
        ScoreFunction::Sigmoid
    } else {
        ScoreFunction::Softmax
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn outputs(written: &[&str], scores: ScoreFunction) -> Result<NetworkOutputs, String> {
        NetworkOutputs::new(&names(written), scores)
    }

    #[test]
    fn labels_and_classes_without_a_finding_keep_their_rows() {
        let found = outputs(
            &["COVID", "NORMAL", "Viral Pneumonia"],
            ScoreFunction::Softmax,
        )
        .unwrap();
        let of = |outputs: &[NamedOutput]| -> Vec<(String, usize)> {
            let pairs = outputs
                .iter()
                .map(|output| (output.name.clone(), output.row));
            pairs.collect()
        };
        assert_eq!(
            of(&found.labels),
            [
                ("COVID-19".to_owned(), 0),
                ("Viral pneumonia".to_owned(), 2)
            ]
        );
        assert_eq!(of(&found.besides), [("NORMAL".to_owned(), 1)]);
        assert_eq!(found.labels[0].written, "COVID");
        assert_eq!(found.count(), 3);
        assert!(!found.is_one_question());
        let two = outputs(&["NORMAL", "PNEUMONIA"], ScoreFunction::Softmax).unwrap();
        assert!(two.is_one_question());
        let two = outputs(&["PNEUMONIA", "no pneumonia"], ScoreFunction::Softmax).unwrap();
        assert!(two.is_one_question() && two.labels[0].row == 0);
        let both = outputs(&["bacteria", "virus"], ScoreFunction::Softmax).unwrap();
        assert!(!both.is_one_question() && both.besides.is_empty());
        // With three classes, it may be another disease.
        let three = outputs(&["COVID", "Non-COVID", "Normal"], ScoreFunction::Softmax).unwrap();
        assert_eq!(three.labels.len(), 2);
        let forms = ["Bacterial", "No_Pneumonia", "Viral"];
        let softmax = outputs(&forms, ScoreFunction::Softmax).unwrap();
        assert_eq!(softmax.besides.len(), 1);
        assert_eq!(softmax.besides[0].row, 1);
        // Each sigmoid is a question of its own.
        let sigmoids = outputs(&forms, ScoreFunction::Sigmoid).unwrap();
        assert_eq!(sigmoids.labels.len(), 3);
    }

    #[test]
    fn two_labels_never_get_one_name() {
        let found = outputs(&["covid", "COVID19", "Pneumonia"], ScoreFunction::Sigmoid).unwrap();
        let shown: Vec<&str> = found
            .labels
            .iter()
            .map(|label| label.name.as_str())
            .collect();
        assert_eq!(shown, ["covid", "COVID19", "Pneumonia"]);
        let found = outputs(&["PNEUMONIA", "Pneumonia"], ScoreFunction::Sigmoid).unwrap();
        assert_eq!(found.labels[0].name, "PNEUMONIA");
    }

    #[test]
    fn names_that_cannot_be_used_are_one_clear_error() {
        for (written, scores, words) in [
            (&[][..], ScoreFunction::Sigmoid, "0 outputs, not from 1 to"),
            (
                &["A", " A\u{1b}"],
                ScoreFunction::Sigmoid,
                "two outputs are called A",
            ),
            (
                &["A", "\u{7}"],
                ScoreFunction::Sigmoid,
                "output 1 has no name",
            ),
            (&["A"], ScoreFunction::Softmax, "always 1"),
            (
                &["normal", "healthy"],
                ScoreFunction::Softmax,
                "all outputs are of films without",
            ),
        ] {
            let error = outputs(written, scores).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let many: Vec<String> = (0..=MOST_OUTPUTS).map(|n| n.to_string()).collect();
        assert!(NetworkOutputs::new(&many, ScoreFunction::Sigmoid).is_err());
    }

    /// Rows 0, 1 and 2 of a weight `[3, 2]` and a bias `[3]`.
    fn head() -> BTreeMap<String, FoundTensor> {
        let tensor = |shape: Vec<usize>, values: Vec<f32>| FoundTensor {
            found_as: String::new(),
            shape,
            values,
        };
        BTreeMap::from([
            (
                "w".to_owned(),
                tensor(vec![3, 2], vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5]),
            ),
            ("b".to_owned(), tensor(vec![3], vec![10.0, 11.0, 13.0])),
        ])
    }

    fn arranged(written: &[&str], scores: ScoreFunction) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
        let mut head = head();
        outputs(written, scores)
            .unwrap()
            .arrange(&mut head, ["w", "b"]);
        let [weight, bias] = ["w", "b"].map(|name| &head[name]);
        assert_eq!(bias.shape[0], weight.shape[0]);
        (
            weight.shape.clone(),
            weight.values.clone(),
            bias.values.clone(),
        )
    }

    #[test]
    fn rows_come_in_the_order_of_the_card() {
        let classes = ["A", "normal", "B"];
        assert_eq!(
            arranged(&classes, ScoreFunction::Softmax),
            (
                vec![3, 2],
                vec![0.0, 0.5, 2.0, 2.5, 1.0, 1.5],
                vec![10.0, 13.0, 11.0]
            )
        );
        assert_eq!(
            arranged(&classes, ScoreFunction::Sigmoid),
            (vec![2, 2], vec![0.0, 0.5, 2.0, 2.5], vec![10.0, 13.0])
        );
        // The third row is of no output here: the number of rows is checked before.
        assert_eq!(
            arranged(&["normal", "A"], ScoreFunction::Softmax),
            (vec![1, 2], vec![1.0, 1.0], vec![1.0])
        );
    }
}
