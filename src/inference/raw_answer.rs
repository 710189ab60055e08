//! The numbers of a model before calibration, and the pictures before the network: what can be compared with the code
//! that a model was published with.

use super::{Classifier, InferenceError, Lungs, Preprocess, SeenStep, read_out};
use crate::domain::{FilmFacts, ModelCard, Radiograph, Region};

/// What a model says of an image before calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct RawAnswer {
    /// The outputs of the network, by their names.
    pub logits: Vec<(String, f32)>,
    /// The score of each label: σ of its output, or the softmax that it is a part of; with `op_threshs`, on the scale of
    /// those.
    pub scores: Vec<(String, f32)>,
}

impl Classifier {
    /// The names that [`RawAnswer::logits`] has.
    pub fn output_names(&self) -> Vec<String> {
        let labels = self.card.outputs().map(|label| label.name.clone());
        let besides = self
            .card
            .softmax
            .iter()
            .flat_map(|softmax| softmax.besides.clone());
        labels.chain(besides).collect()
    }

    /// What is done to a film before the network sees it.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The words for each step of the preprocessing, in their order; the reading of the film is the first.
    pub fn step_words(&self) -> Vec<String> {
        self.preprocess.recipe().step_words()
    }

    /// What the network sees of a film: `C · S²` values, channel by channel and row by row.
    ///
    /// # Errors
    /// If the preprocessing needs the lungs, and they cannot be looked for.
    pub fn input(&self, radiograph: &Radiograph) -> Result<Vec<f32>, InferenceError> {
        let lungs = self.lung_box(radiograph)?;
        Ok(self.preprocess.apply(radiograph, lungs))
    }

    /// The picture after each step of the preprocessing whose number is wanted. One that would be very large is left
    /// out.
    ///
    /// # Errors
    /// As [`input`](Self::input).
    pub fn seen_steps(
        &self,
        radiograph: &Radiograph,
        is_wanted: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<SeenStep>, InferenceError> {
        let lungs = self.lung_box(radiograph)?;
        Ok(self.preprocess.steps(radiograph, lungs, is_wanted))
    }

    /// What the model says of an input, before calibration.
    ///
    /// # Errors
    /// If these are not the values of one image, the computation fails, or an output is not a number.
    pub fn raw_answer(&self, input: Vec<f32>) -> Result<RawAnswer, InferenceError> {
        let (channels, side) = (self.preprocess.channels(), self.preprocess.size());
        if input.len() != channels * side * side {
            return Err(InferenceError::Unsupported(
                "these are not the values of one image",
            ));
        }
        let outputs = self.logits_of_values(input)?;
        let card = uncalibrated(&self.card);
        let findings = read_out::findings(&card, &outputs, &FilmFacts::default())?;
        let scores = findings.iter();
        let scores = scores.map(|finding| (finding.label.name().to_owned(), finding.score.value()));
        Ok(RawAnswer {
            scores: scores.collect(),
            logits: self.output_names().into_iter().zip(outputs).collect(),
        })
    }

    fn lung_box(&self, radiograph: &Radiograph) -> Result<Option<Region>, InferenceError> {
        if self.preprocess.needs_lungs() {
            Ok(Lungs::of(radiograph)?.region())
        } else {
            Ok(None)
        }
    }
}

/// The card without what was fitted to other cases.
fn uncalibrated(card: &ModelCard) -> ModelCard {
    let mut card = card.clone();
    card.causes = None;
    for label in &mut card.labels {
        label.calibration = None;
        label.calibration_for.clear();
        label.conformal = None;
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Samples;
    use crate::inference::Classify;

    fn film() -> Radiograph {
        let grey = (0..300 * 300).map(|i| ((i % 300) / 2 + i / 900) as u8);
        Radiograph::plain(300, 300, Samples::Grey8(grey.collect()), "test")
    }

    #[test]
    fn a_score_before_calibration_is_the_sigmoid_of_its_output() {
        let model = Classifier::bundled().unwrap();
        let input = model.input(&film()).unwrap();
        let answer = model.raw_answer(input.clone()).unwrap();
        assert_eq!(answer.logits.len(), model.card().outputs().count());
        assert_eq!(answer.scores.len(), model.card().labels.len());
        let of = |numbers: &[(String, f32)], name: &str| {
            let found = numbers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| *value)
        };
        let logit = of(&answer.logits, "Pneumonia").unwrap();
        let score = of(&answer.scores, "Pneumonia").unwrap();
        assert!(
            (score - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6,
            "{score} of {logit}"
        );
        assert!(model.raw_answer(input[1..].to_vec()).is_err());
    }

    #[test]
    fn only_the_steps_that_are_wanted_are_seen() {
        let model = Classifier::bundled().unwrap();
        let steps = model.seen_steps(&film(), &|number| number == 2).unwrap();
        assert_eq!(steps.len(), 1);
        assert_eq!(
            (steps[0].number, steps[0].width),
            (2, model.card().input_size)
        );
        assert_eq!(model.step_words().len(), 5);
    }
}
