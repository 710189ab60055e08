//! The card of the network that finds the lungs: `weights/lungs.toml`, written by `training/lung_limits.py`. It is read
//! as the cards of models are, and is part of the program.

use serde::Deserialize;

use crate::domain::Measurement;
use crate::inference::card::MeasurementFile;

/// The card of the network that finds the lungs.
#[derive(Debug, Clone, PartialEq)]
pub struct LungNetworkCard {
    /// Version of the weights.
    pub version: String,
    /// Licence of the weights.
    pub licence: String,
    /// What the larger network started from that taught this one.
    pub pretrained: String,
    /// The data that both learned from, with their licences.
    pub training_data: String,
    /// What it is not meant for, and the limits of its figures.
    pub limits: Vec<String>,
    /// Dice coefficients, and what is refused by the shape of the lungs.
    pub measurements: Vec<Measurement>,
    /// SHA-256 of its weights, lower-case hexadecimal.
    pub sha256: String,
    /// Limits of the shape of two lungs.
    pub(super) shape: ShapeLimits,
    /// What a single lung must be, to be one.
    pub(super) one_lung: OneLungLimits,
    /// Standard deviation of the cardiothoracic ratio between films of one patient; `None` where it is not known.
    pub(super) cardiothoracic_error: Option<f32>,
    /// The score from which a film seems to be mirrored.
    pub(super) mirrored: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LungNetworkFile {
    version: String,
    licence: String,
    pretrained: String,
    training_data: String,
    limits: Vec<String>,
    sha256: String,
    shape: ShapeLimits,
    one_lung: OneLungLimits,
    cardiothoracic: Option<CardiothoracicFile>,
    side: SideFile,
    #[serde(default)]
    measurement: Vec<MeasurementFile>,
}

/// For each measure of a [`LungShape`](super::shape::LungShape) the values from which it is doubted, and refused.
/// Shares of the film's area, width or height.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeLimits {
    /// Area of the smaller lung, at least.
    pub smaller: ShapeLimit,
    /// Area of the larger lung, at most.
    pub larger: ShapeLimit,
    /// Distance between the middles of the lungs across the film, as a share of their width together, at least.
    pub nearest: ShapeLimit,
    /// The same, at most.
    pub farthest: ShapeLimit,
    /// The share of the shorter lung's height that the other lies beside, at least.
    pub overlap: ShapeLimit,
    /// Height of the larger lung over its width, at least.
    pub upright: ShapeLimit,
    /// How sure the network is, at least.
    pub sureness: ShapeLimit,
}

/// The value from which a measure is doubted, and the one from which it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeLimit {
    pub caution: f64,
    pub refuse: f64,
}

/// What a lung that was found without another must be.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneLungLimits {
    /// Its share of the film, at least.
    pub area: f64,
    /// The distance of its middle from the middle of the film, as a share of the width, at least.
    pub aside: f64,
    /// Its height over its width, at least.
    pub upright: f64,
    /// Its middle lies between these shares of the film's height.
    pub top: f64,
    pub bottom: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardiothoracicFile {
    error: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SideFile {
    caution: f64,
}

impl LungNetworkCard {
    /// The card in this text.
    ///
    /// # Errors
    /// If the text is not TOML, a field is absent or of another type, or a limit makes no sense.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: LungNetworkFile = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        file.shape.check()?;
        let error = file.cardiothoracic.map(|file| file.error);
        if let Some(error) = error.filter(|error| !(error.is_finite() && *error >= 0.0)) {
            return Err(format!("[cardiothoracic] error is {error}, not 0 or more"));
        }
        let mirrored = file.side.caution;
        if !(mirrored.is_finite() && mirrored > 0.0) {
            return Err(format!("[side] caution is {mirrored}, not above 0"));
        }
        Ok(LungNetworkCard {
            version: file.version,
            licence: file.licence,
            pretrained: file.pretrained,
            training_data: file.training_data,
            limits: file.limits,
            measurements: file.measurement.into_iter().map(Into::into).collect(),
            sha256: file.sha256,
            shape: file.shape,
            one_lung: file.one_lung,
            cardiothoracic_error: error,
            mirrored,
        })
    }
}

impl ShapeLimits {
    /// Nothing is refused that is not doubted.
    fn check(&self) -> Result<(), String> {
        for (name, ShapeLimit { caution, refuse }, is_least) in [
            ("smaller", self.smaller, true),
            ("larger", self.larger, false),
            ("nearest", self.nearest, true),
            ("farthest", self.farthest, false),
            ("overlap", self.overlap, true),
            ("upright", self.upright, true),
            ("sureness", self.sureness, true),
        ] {
            let in_order = if is_least {
                refuse <= caution
            } else {
                caution <= refuse
            };
            // Neither order holds of a NaN.
            if !(in_order && refuse >= 0.0) {
                return Err(format!(
                    "[shape] {name} refuses from {refuse} and doubts from {caution}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A card with every part.
    pub const CARD: &str = r#"
        version = "1"
        licence = "CC0"
        pretrained = "nothing"
        training_data = "made-up films"
        limits = ["Frontal films only."]
        sha256 = "ab"
        [shape]
        smaller = { caution = 0.05, refuse = 0.02 }
        larger = { caution = 0.3, refuse = 0.35 }
        nearest = { caution = 0.45, refuse = 0.4 }
        farthest = { caution = 0.65, refuse = 0.7 }
        overlap = { caution = 0.9, refuse = 0.7 }
        upright = { caution = 1.3, refuse = 1.1 }
        sureness = { caution = 0.8, refuse = 0.6 }
        [one_lung]
        area = 0.08
        aside = 0.1
        upright = 1.4
        top = 0.3
        bottom = 0.65
        [cardiothoracic]
        error = 0.04
        [side]
        caution = 0.8
        [[measurement]]
        label = "lungs"
        on = "films with masks"
        statistic = "Dice"
        value = 0.95
        n = 225
    "#;

    #[test]
    fn every_part_of_the_card_is_read() {
        let card = LungNetworkCard::parse(CARD).unwrap();
        assert_eq!(card.shape.smaller.refuse, 0.02);
        assert_eq!((card.one_lung.area, card.one_lung.bottom), (0.08, 0.65));
        assert_eq!(card.cardiothoracic_error, Some(0.04));
        assert_eq!(card.mirrored, 0.8);
        assert_eq!(card.measurements[0].n, 225);
        let without = CARD.replace("[cardiothoracic]\n        error = 0.04\n", "");
        assert_eq!(
            LungNetworkCard::parse(&without)
                .unwrap()
                .cardiothoracic_error,
            None
        );
    }

    #[test]
    fn a_contradiction_is_one_clear_error() {
        for (from, to, words) in [
            (
                "caution = 0.05, refuse = 0.02",
                "caution = 0.01, refuse = 0.02",
                "[shape] smaller refuses from 0.02 and doubts from 0.01",
            ),
            (
                "caution = 0.3, refuse = 0.35",
                "caution = 0.3, refuse = 0.2",
                "[shape] larger refuses from 0.2",
            ),
            ("refuse = 0.7", "refuse = nan", "[shape] farthest refuses"),
            (
                "error = 0.04",
                "error = -1",
                "[cardiothoracic] error is -1, not 0 or more",
            ),
            (
                "caution = 0.8\n",
                "caution = 0\n",
                "[side] caution is 0, not above 0",
            ),
            ("top = 0.3\n", "", "missing field `top`"),
            ("area = 0.08", "area = 0.08\nn = 1", "unknown field"),
        ] {
            let text = CARD.replace(from, to);
            assert_ne!(text, CARD, "{from}");
            let error = LungNetworkCard::parse(&text).expect_err(to);
            assert!(error.contains(words), "{to}: {error}");
        }
    }
}
