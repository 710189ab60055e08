//! The two files of a model: `NAME.safetensors`, and beside it its card, `NAME.toml`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use sha2::{Digest, Sha256};

use super::card::{parse_card, write_card};
use super::prognosis::{FeatureRow, TENSORS};
use super::weights::StoredBytes;
use super::{Classifier, Compute, InferenceError, network, weights};
use crate::domain::ModelCard;
use crate::domain::hex::hex;
use crate::domain::text::clean;

/// Larger files are no models: the bundled weights have 7 MiB, and their card 7 KiB.
pub const LARGEST_WEIGHTS: u64 = 2 << 30;
pub const LARGEST_CARD: u64 = 1 << 20;

/// The entry of `__metadata__` that the weights of an adapted model have. Others, such as the layers of a network from a
/// graph, stay as they are.
const ADAPTED: &str = "cxr.adapted";

/// A new row of the last layer: `scale` times the old row, plus `weight` and `bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadRow {
    /// The index of the label, in the card's order. A product has no row.
    pub label: usize,
    pub scale: f64,
    /// `[C]`
    pub weight: Vec<f64>,
    pub bias: f64,
}

/// The row of one outcome in `prognosis.weight` and `prognosis.bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct PrognosisRow {
    /// As on the new card.
    pub outcome: String,
    /// Its sigmoid is the score.
    pub row: FeatureRow,
}

/// A card and the weights that it was written for, not loaded yet.
#[derive(Debug)]
pub struct ModelFiles {
    card: Cow<'static, str>,
    weights: Bytes,
    /// The file of the weights; `None` for the model inside the binary.
    path: Option<PathBuf>,
}

/// The bytes of a safetensors file.
#[derive(Debug)]
enum Bytes {
    Inside(&'static [u8]),
    Mapped(Mmap),
    Made(Vec<u8>),
}

impl Bytes {
    fn stored(&self) -> StoredBytes<'_> {
        match self {
            Bytes::Mapped(map) => StoredBytes::Mapped(map),
            Bytes::Inside(_) | Bytes::Made(_) => StoredBytes::InMemory(self),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Inside(bytes) => bytes,
            Bytes::Mapped(map) => map,
            Bytes::Made(bytes) => bytes,
        }
    }
}

impl ModelFiles {
    /// The model inside the binary.
    pub fn bundled() -> Self {
        ModelFiles {
            card: weights::BUNDLED_CARD.into(),
            weights: Bytes::Inside(weights::BUNDLED_WEIGHTS),
            path: None,
        }
    }

    /// Reads the safetensors file at `path` and the card beside it.
    ///
    /// # Errors
    /// If one of them cannot be read, the card makes no sense, or it is the card of other weights;
    /// each names the file.
    pub fn read(path: &Path) -> Result<Self, InferenceError> {
        if path.extension().is_none_or(|end| end != "safetensors") {
            return Err(fault(path, "its name does not end in .safetensors"));
        }
        let weights = map(path)?;
        let (card, parsed) = read_card(path)?;
        weights::verify(&weights, &parsed).map_err(|error| fault(path, &error.to_string()))?;
        StoredBytes::Mapped(&weights).give_back(&weights);
        Ok(ModelFiles {
            card: card.into(),
            weights: Bytes::Mapped(weights),
            path: Some(path.to_owned()),
        })
    }

    /// The card of the model at `path`. The weights are not read.
    ///
    /// # Errors
    /// If its card cannot be read or makes no sense.
    pub fn card_beside(path: &Path) -> Result<ModelCard, InferenceError> {
        read_card(path).map(|(_, card)| card)
    }

    /// The card in the text of its file.
    ///
    /// # Errors
    /// If it makes no sense.
    pub fn parse_card(text: &str) -> Result<ModelCard, InferenceError> {
        parse_card(text)
    }

    /// The model's card. The model is not loaded.
    ///
    /// # Errors
    /// If it cannot be read: a broken build.
    pub fn card(&self) -> Result<ModelCard, InferenceError> {
        parse_card(&self.card)
    }

    /// The same model with another card, with these new rows of its last layer and of its outcomes. Other outcomes on
    /// the card keep their rows. `card.sha256` is filled in. The new file differs from the old one even without new
    /// rows, because its metadata names the old model and the card. So tables of predictions never confuse the two.
    ///
    /// # Errors
    /// If the weights or the new card make no sense, a row fits no label, or an outcome has no row.
    pub fn adapted(
        &self,
        card: ModelCard,
        rows: &[HeadRow],
        outcomes: &[PrognosisRow],
    ) -> Result<Self, InferenceError> {
        let before = self.card()?;
        let unsigned = write_card(&ModelCard {
            sha256: String::new(),
            ..card.clone()
        })?;
        let signature = format!(
            "from {} with card {}",
            before.sha256,
            hex(&Sha256::digest(unsigned.as_bytes()))
        );
        let mut parts = head_with(&self.weights, &before, rows)?;
        parts.extend(outcomes_with(&self.weights, &before, &card, outcomes)?);
        let weights = with_parts(&self.weights, &parts, signature)?;
        let card = ModelCard {
            sha256: hex(&Sha256::digest(&weights)),
            ..card
        };
        let text = write_card(&card)?;
        // A model that cannot be read back must not be written.
        parse_card(&text)?;
        Ok(ModelFiles {
            card: text.into(),
            weights: Bytes::Made(weights),
            path: None,
        })
    }

    /// The text of the card's file.
    pub fn card_text(&self) -> &str {
        &self.card
    }

    /// The bytes of the safetensors file.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// The file of the weights; `None` for the model inside the binary.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The model, ready to run.
    ///
    /// # Errors
    /// If the weights do not fit the card.
    pub fn classifier(&self, compute: Compute) -> Result<Classifier, InferenceError> {
        let loaded = Classifier::stored(&self.card, self.weights.stored(), compute);
        loaded.map_err(|error| match &self.path {
            Some(path) => fault(path, &error.to_string()),
            None => error,
        })
    }
}

/// A safetensors file with these tensors, in place of those of the same names.
fn with_parts(
    bytes: &[u8],
    parts: &[HeadPart],
    signature: String,
) -> Result<Vec<u8>, InferenceError> {
    let fault = |error: safetensors::SafeTensorError| InferenceError::Weights(error.to_string());
    let stored = SafeTensors::deserialize(bytes).map_err(fault)?;
    let mut views: Vec<(&str, TensorView)> = stored
        .iter()
        .filter(|(name, _)| parts.iter().all(|part| part.name != *name))
        .collect();
    for part in parts {
        let view = TensorView::new(Dtype::F32, part.shape.clone(), &part.bytes).map_err(fault)?;
        views.push((part.name, view));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(fault)?;
    let mut metadata = header.metadata().clone().unwrap_or_default();
    metadata.insert(ADAPTED.to_owned(), signature);
    let is_alone = metadata.len() == 1;
    let made = serialize(views, Some(metadata)).map_err(fault)?;
    if is_alone { Ok(made) } else { in_order(&made) }
}

/// The same file with the members of its header in the order of their names: several texts of the metadata would come
/// in another order each time, and the digest with them.
fn in_order(bytes: &[u8]) -> Result<Vec<u8>, InferenceError> {
    let fault = || InferenceError::Weights("a header that cannot be written".to_owned());
    let (length, rest) = bytes.split_first_chunk().ok_or_else(fault)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| fault())?;
    let (header, values) = rest.split_at_checked(length).ok_or_else(fault)?;
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|_| fault())?;
    let mut header = header.to_string();
    let padding = header.len().next_multiple_of(8) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    let length = (header.len() as u64).to_le_bytes();
    Ok([&length[..], header.as_bytes(), values].concat())
}

/// A new tensor: of the last layer, or of the outcomes.
struct HeadPart {
    name: &'static str,
    shape: Vec<usize>,
    /// Little-endian `f32`.
    bytes: Vec<u8>,
}

/// Both tensors of a linear layer with these rows, as `f32`.
fn linear_parts(names: [&'static str; 2], weight: &[f32], bias: &[f32]) -> Vec<HeadPart> {
    let le = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let [weight_name, bias_name] = names;
    let rows = bias.len();
    vec![
        HeadPart {
            name: weight_name,
            shape: vec![rows, weight.len() / rows.max(1)],
            bytes: le(weight),
        },
        HeadPart {
            name: bias_name,
            shape: vec![rows],
            bytes: le(bias),
        },
    ]
}

/// The tensors of the outcomes of the new card, `after`: new rows, and the old ones of other outcomes. Empty if there are
/// no new rows.
fn outcomes_with(
    bytes: &[u8],
    before: &ModelCard,
    after: &ModelCard,
    rows: &[PrognosisRow],
) -> Result<Vec<HeadPart>, InferenceError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tensors = weights::Tensors::parse(bytes)?;
    let (_, channels) = network::head(before, &tensors)?.0.weight().dims2()?;
    let old = &before.prognoses;
    let (old_weight, old_bias) = if old.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        let weight = tensors.values(TENSORS[0], &[old.len(), channels])?;
        (weight, tensors.values(TENSORS[1], &[old.len()])?)
    };
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    for card in &after.prognoses {
        let new = rows.iter().find(|row| row.outcome == card.outcome);
        let kept = old.iter().position(|old| old.outcome == card.outcome);
        match (new.map(|new| &new.row), kept) {
            (Some(row), _) if row.weight.len() == channels => {
                weight.extend(row.weight.iter().map(|value| *value as f32));
                bias.push(row.bias as f32);
            }
            (None, Some(at)) => {
                weight.extend_from_slice(&old_weight[at * channels..][..channels]);
                bias.push(old_bias[at]);
            }
            _ => {
                return Err(InferenceError::Weights(format!(
                    "the outcome {} has no row of {channels} values",
                    card.outcome
                )));
            }
        }
    }
    Ok(linear_parts(TENSORS, &weight, &bias))
}

/// The last layer with new rows, as `f32`; empty if there are no new rows.
fn head_with(
    bytes: &[u8],
    card: &ModelCard,
    rows: &[HeadRow],
) -> Result<Vec<HeadPart>, InferenceError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tensors = weights::Tensors::parse(bytes)?;
    let (head, names) = network::head(card, &tensors)?;
    let (labels, channels) = head.weight().dims2()?;
    let mut weight = tensors.values(names[0], &[labels, channels])?;
    let mut bias = tensors.values(names[1], &[labels])?;
    for row in rows {
        let output = card.output_of(row.label);
        let Some(output) = output.filter(|_| row.weight.len() == channels) else {
            return Err(InferenceError::Weights(format!(
                "a row of {} values for label {} does not fit a last layer of {labels} × {channels}",
                row.weight.len(),
                row.label
            )));
        };
        let range = output * channels..(output + 1) * channels;
        for (value, added) in weight[range].iter_mut().zip(&row.weight) {
            *value = (row.scale * f64::from(*value) + added) as f32;
        }
        bias[output] = (row.scale * f64::from(bias[output]) + row.bias) as f32;
    }
    Ok(linear_parts(names, &weight, &bias))
}

/// The card beside the weights at `path`: its text, and the parsed card.
fn read_card(path: &Path) -> Result<(String, ModelCard), InferenceError> {
    let beside = path.with_extension("toml");
    let card = String::from_utf8(bytes(&beside, LARGEST_CARD)?)
        .map_err(|_| fault(&beside, "it is not text"))?;
    let parsed = parse_card(&card).map_err(|error| fault(&beside, &error.to_string()))?;
    Ok((card, parsed))
}

/// The weights at `path`, mapped into memory, so that only the parts that are used are read.
#[allow(unsafe_code, reason = "a file is mapped")]
fn map(path: &Path) -> Result<Mmap, InferenceError> {
    let file = open(path)?;
    let length = file.metadata().map_err(|e| unreadable(path, &e))?.len();
    if length > LARGEST_WEIGHTS {
        return Err(too_large(path, LARGEST_WEIGHTS));
    }
    // SAFETY: the file must not change while it is mapped. Models are written once, under a name that is their
    // digest, and replaced by renaming. A program that overwrites one in place causes an error of the digest or
    // the end of this program, and never another model's scores.
    unsafe { Mmap::map(&file) }.map_err(|error| unreadable(path, &error))
}

/// The whole of a file that is no larger than `most` bytes.
fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, InferenceError> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(too_large(path, most));
    }
    Ok(bytes)
}

fn open(path: &Path) -> Result<File, InferenceError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(fault(path, "not a file"))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> InferenceError {
    match error.kind() {
        io::ErrorKind::NotFound => fault(path, "no such file"),
        kind => fault(path, &kind.to_string()),
    }
}

fn too_large(path: &Path, most: u64) -> InferenceError {
    fault(path, &format!("larger than {} MiB", most >> 20))
}

fn fault(path: &Path, reason: &str) -> InferenceError {
    InferenceError::File {
        path: clean(&path.to_string_lossy()),
        reason: clean(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LabelCard, ProductCard, PrognosisCard, PrognosisEvidence, Question};
    use crate::inference::Classify;

    #[test]
    fn another_card_alone_makes_another_digest_and_the_same_answers() {
        let before = ModelFiles::bundled();
        let mut card = before.card().unwrap();
        card.limits.push("here only".to_owned());
        let after = before.adapted(card.clone(), &[], &[]).unwrap();
        let digest = after.card().unwrap().sha256;
        assert_ne!(digest, before.card().unwrap().sha256);
        let again = before.adapted(card.clone(), &[], &[]).unwrap();
        assert_eq!(again.card().unwrap().sha256, digest, "the same each time");
        card.limits.push("and another line".to_owned());
        let other = before.adapted(card, &[], &[]).unwrap();
        assert_ne!(other.card().unwrap().sha256, digest);

        let values = vec![0.1; before.card().unwrap().input_size.pow(2)];
        let logits = |files: &ModelFiles| {
            let model = files.classifier(Compute::default()).unwrap();
            model.logits_of_values(values.clone()).unwrap()
        };
        assert_eq!(logits(&before), logits(&after));
    }

    #[test]
    fn a_row_of_the_last_layer_is_scaled_and_added_to() {
        let before = ModelFiles::bundled();
        let card = before.card().unwrap();
        let classifier = before.classifier(Compute::default()).unwrap();
        let channels = classifier.network.channels().unwrap();
        let label = card
            .labels
            .iter()
            .rposition(|label| label.product.is_none());
        let label = label.unwrap();
        let output = card.output_of(label).unwrap();
        let row = HeadRow {
            label,
            scale: -2.0,
            weight: vec![0.0; channels],
            bias: 0.5,
        };
        let after = before
            .adapted(card, std::slice::from_ref(&row), &[])
            .unwrap();
        let after = after.classifier(Compute::default()).unwrap();
        let size = classifier.card().input_size;
        let values: Vec<f32> = (0..size * size).map(|n| (n % 97) as f32 / 97.0).collect();
        let old = classifier.logits_of_values(values.clone()).unwrap();
        let new = after.logits_of_values(values).unwrap();
        assert!(
            (new[output] - (0.5 - 2.0 * old[output])).abs() < 1e-3,
            "{old:?} {new:?}"
        );
        assert_eq!(new[..output], old[..output]);
        assert_eq!(new[output + 1..], old[output + 1..]);

        let short = HeadRow {
            weight: vec![0.0; 3],
            ..row
        };
        let error = before
            .adapted(before.card().unwrap(), &[short], &[])
            .unwrap_err();
        assert!(error.to_string().contains("does not fit"), "{error}");
    }

    /// A product of the first label and a cause stands before them, and has no row.
    #[test]
    fn a_row_is_found_past_a_product() {
        let bundled = ModelFiles::bundled();
        let mut card = bundled.card().unwrap();
        let presence = card.outputs().next().unwrap().name.clone();
        let is_cause = |label: &&LabelCard| label.question == Question::GivenPneumonia;
        let cause = card.labels.iter().find(is_cause).unwrap().name.clone();
        let product = LabelCard {
            product: Some(ProductCard { presence, cause }),
            ..LabelCard::new("Product", Question::Presence, None)
        };
        card.labels.insert(0, product);
        let before = bundled.adapted(card.clone(), &[], &[]).unwrap();
        let channels = {
            let classifier = before.classifier(Compute::default()).unwrap();
            classifier.network.channels().unwrap()
        };
        let row = |label| HeadRow {
            label,
            scale: 0.0,
            weight: vec![0.0; channels],
            bias: 0.5,
        };
        let after = before.adapted(card.clone(), &[row(1)], &[]).unwrap();
        let values = vec![0.1; card.input_size.pow(2)];
        let logits = |files: &ModelFiles| {
            let model = files.classifier(Compute::default()).unwrap();
            model.logits_of_values(values.clone()).unwrap()
        };
        let (old, new) = (logits(&before), logits(&after));
        assert_eq!((new[0], &new[1..]), (0.5, &old[1..]));
        let error = before.adapted(card, &[row(0)], &[]).unwrap_err();
        assert!(
            error.to_string().contains("for label 0 does not fit"),
            "{error}"
        );
    }

    fn outcome(name: &str) -> PrognosisCard {
        PrognosisCard {
            outcome: name.to_owned(),
            evidence: PrognosisEvidence {
                on: "ours.csv".to_owned(),
                auc: 0.7,
                interval: (0.6, 0.8),
                control_auc: 0.5,
                n: 72,
                patients: 40,
            },
        }
    }

    #[test]
    fn an_outcome_is_added_or_replaced_and_the_others_keep_their_rows() {
        let bundled = ModelFiles::bundled();
        let loaded = |files: &ModelFiles| files.classifier(Compute::default()).unwrap();
        let channels = loaded(&bundled).network.channels().unwrap();
        let row = |name: &str, bias| PrognosisRow {
            outcome: name.to_owned(),
            row: FeatureRow {
                weight: vec![0.0; channels],
                bias,
            },
        };
        let scores = |files: &ModelFiles| -> Vec<(String, f32)> {
            let found = loaded(files).heads.prognoses(&vec![0.0; channels]).unwrap();
            let ours = ["icu", "discharge"];
            let found = found.into_iter();
            let found = found.filter(|found| ours.contains(&found.outcome.as_str()));
            let value = |score: Option<crate::domain::Score>| score.unwrap().value();
            found.map(|f| (f.outcome, value(f.score))).collect()
        };
        let mut card = bundled.card().unwrap();
        card.prognoses.push(outcome("icu"));
        let first = bundled
            .adapted(card.clone(), &[], &[row("icu", 0.5)])
            .unwrap();
        // 1 / (1 + np.exp(-.5)), 1 / (1 + np.exp(1))
        let (half, one) = (0.622_459_35, 0.268_941_4);
        let near = |found: &[(String, f32)], expected: &[(&str, f32)]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for ((name, score), (expected, value)) in found.iter().zip(expected) {
                assert_eq!(name, expected);
                assert!((score - value).abs() < 1e-6, "{found:?}");
            }
        };
        near(&scores(&first), &[("icu", half)]);
        card.prognoses.push(outcome("discharge"));
        let both = first
            .adapted(card.clone(), &[], &[row("discharge", -1.0)])
            .unwrap();
        near(&scores(&both), &[("icu", half), ("discharge", one)]);
        let again = both.adapted(card.clone(), &[], &[row("icu", 0.0)]).unwrap();
        near(&scores(&again), &[("icu", 0.5), ("discharge", one)]);
        let same = again.adapted(card.clone(), &[], &[]).unwrap();
        near(&scores(&same), &[("icu", 0.5), ("discharge", one)]);

        let mut short = row("icu", 0.0);
        short.row.weight.pop();
        for (rows, name) in [(&[short][..], "icu"), (&[row("icu", 0.0)], "discharge")] {
            let error = bundled.adapted(card.clone(), &[], rows).unwrap_err();
            let words = format!("the outcome {name} has no row of {channels} values");
            assert!(error.to_string().contains(&words), "{error}");
        }
    }
}
