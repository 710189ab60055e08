//! Finds the lungs of a film, for every model, and measures by them.
//!
//! ```text
//! Radiograph ─ whole film, 128 × 128 ─ LungNetwork ─► LungFields ─ parts ─► region: what cxr-2 sees
//!                     │                                   │           └──► shape: are there two lungs?
//!                     ├─► cardiothoracic ratio ◄──────────┼─► evidence: the share of a heat map in them
//!                     └─► side of the heart    ◄──────────┘
//! ```

mod card;
mod cardiothoracic;
mod evidence;
mod region;
mod shape;
mod side;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

pub use self::card::LungNetworkCard;
use self::shape::{LungShape, LungVerdict};
use self::side::HeartSide;
use super::InferenceError;
use super::input_check::Reasons;
use super::network::lung_fields::{LungNetwork, SIDE};
use super::preprocess::{cxr, whole};
use super::weights::{self, LUNG_CARD, LUNG_WEIGHTS, Tensors};
use crate::domain::{
    ClassActivationMap, LungFields, LungMeasures, LungPart, PNEUMONIA, Pathology, Radiograph,
    Region, largest_parts, two_lungs,
};

/// The network and its card, or the fault of the build.
static FINDER: LazyLock<Result<LungFinder, String>> =
    LazyLock::new(|| LungFinder::new(LUNG_CARD, LUNG_WEIGHTS));

/// The network that finds the lungs, and its limits.
struct LungFinder {
    network: LungNetwork,
    side: HeartSide,
    card: LungNetworkCard,
}

impl LungFinder {
    fn new(card: &str, bytes: &[u8]) -> Result<Self, String> {
        let of_weights = |fault: InferenceError| format!("weights/lungs.safetensors: {fault}");
        let card = LungNetworkCard::parse(card).map_err(|e| format!("weights/lungs.toml: {e}"))?;
        weights::verify_digest(bytes, &card.sha256).map_err(of_weights)?;
        let tensors = Tensors::parse(bytes).map_err(of_weights)?;
        let network = LungNetwork::new(&tensors).map_err(of_weights)?;
        let side = HeartSide::load(&tensors).map_err(of_weights)?;
        Ok(LungFinder {
            network,
            side,
            card,
        })
    }

    /// The one inside the program, loaded once.
    fn bundled() -> Result<&'static Self, InferenceError> {
        let finder = FINDER.as_ref();
        finder.map_err(|fault| InferenceError::Weights(fault.clone()))
    }
}

/// The card of the network that finds the lungs. Loads the network, if it is not loaded yet.
///
/// # Errors
/// If its weights do not fit its card: a broken build.
pub fn lungs_card() -> Result<&'static LungNetworkCard, InferenceError> {
    LungFinder::bundled().map(|finder| &finder.card)
}

/// The lungs of one film.
pub struct Lungs {
    finder: &'static LungFinder,
    fields: Arc<LungFields>,
    /// The two largest parts of the fields, the larger one first.
    parts: Vec<LungPart>,
    /// The film as the network saw it: 128 × 128 values, its 1st and 99th percentiles at −1 and 1.
    picture: Vec<f32>,
}

impl Lungs {
    /// Looks for the lungs.
    ///
    /// # Errors
    /// If the computation fails, or the film holds values that are not numbers.
    pub fn of(radiograph: &Radiograph) -> Result<Self, InferenceError> {
        let finder = LungFinder::bundled()?;
        let region = whole(radiograph);
        let picture = cxr::apply(radiograph, region, SIDE);
        let mut fields = LungFields {
            side: SIDE,
            cells: finder.network.probabilities(picture.clone())?,
            region,
            heart: None,
        };
        let parts = largest_parts(&fields);
        fields.heart =
            two_lungs(&parts).and_then(|lungs| cardiothoracic::lines(&picture, &fields, lungs));
        Ok(Lungs {
            finder,
            parts,
            fields: Arc::new(fields),
            picture,
        })
    }

    /// Where the lungs are.
    pub fn fields(&self) -> &Arc<LungFields> {
        &self.fields
    }

    /// The box around both lungs, in the stored pixels of the film. `None` if there are no two lungs.
    pub fn region(&self) -> Option<Region> {
        let lungs = two_lungs(&self.parts)?;
        Some(region::around(lungs, self.fields.region))
    }

    /// Adds a reason if these are not two lungs as frontal films have them. A film that lies on its side or upside
    /// down is doubted at most. So is one whose heart seems to be on the right. Returns whether the lungs are doubted.
    pub(super) fn check(&self, is_turned: bool, reasons: &mut Reasons) -> bool {
        let card = &self.finder.card;
        let verdict = LungShape::of(&self.fields, &self.parts).verdict(card);
        let is_doubted = matches!(verdict, LungVerdict::Doubtful(_));
        if verdict == LungVerdict::Found && !is_turned {
            let score = two_lungs(&self.parts)
                .and_then(|lungs| self.finder.side.score(&self.picture, SIDE, lungs));
            score.inspect(|score| side::check(*score, card.mirrored, reasons));
        }
        verdict.add_to(is_turned, reasons);
        is_doubted
    }

    /// The measures of an accepted film. `maps` are those of its findings, if the model has maps.
    pub(super) fn measures(&self, maps: Option<&ClassActivationMap>) -> LungMeasures {
        if two_lungs(&self.parts).is_none() {
            return LungMeasures::default();
        }
        let evidence = maps.and_then(|maps| {
            let label = maps.label(&Pathology(PNEUMONIA.to_owned()))?;
            evidence::inside(&self.fields, maps, label)
        });
        let ratio = self.fields.heart.map(|lines| lines.ratio() as f32);
        LungMeasures {
            evidence_inside: evidence,
            cardiothoracic_ratio: ratio,
            cardiothoracic_error: ratio.and(self.finder.card.cardiothoracic_error),
        }
    }
}
