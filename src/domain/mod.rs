//! The nouns of the field, as plain data. Nothing here decodes, computes or draws, and nothing
//! here depends on another floor of the house (`tests/floors.rs` keeps it so).

pub mod activation;
pub mod admission;
pub mod agreeing;
pub mod blinded;
pub mod card_text;
pub mod change;
pub mod columns;
pub mod content_id;
pub mod failure;
pub mod finding;
pub mod model_card;
pub mod origin;
pub mod patient;
pub mod prediction;
pub mod prevalence;
pub mod radiograph;
pub mod review;
pub mod text;
pub mod view;

pub use activation::{
    ClassActivationMap, DEFAULT_OPACITY, HeatMap, HeatMapChoice, HeatMapLayer, HeatMapLegend,
    HeatMapSubject, LabelActivation, Region,
};
pub use admission::{Admission, Objection};
pub use agreeing::{COVID, Causes, GIVEN_PNEUMONIA, PNEUMONIA, at_most};
pub use blinded::{BlindedReading, Call};
pub use change::{CallChange, Judgement, NewValue, OpinionChange};
pub use content_id::{ContentId, NotAContentId};
pub use failure::Failure;
pub use finding::{
    Calibrated, Conformal, Finding, OperatingPoint, Pathology, PresenceSet, Question, Score,
    ScoreKind, percent,
};
pub use model_card::{
    Adaptation, Calibration, CausesCard, ConformalThresholds, InputThresholds, KERAS_SEQUENTIAL,
    LabelCard, Measurement, ModelCard, SeverityCard, SeverityLine, SeverityLineCard,
};
pub use origin::{Origin, days_between, is_before, taken};
pub use patient::{Fingerprint, Issuer, PatientIdentity, Sameness, Sex};
pub use prediction::{InputCheck, Prediction, Severity};
pub use prevalence::{Prevalence, Prevalences};
pub use radiograph::{
    Lut, Modality, PatientFacts, PhotometricInterpretation, PixelTransform, Radiograph, Rescale,
    Samples, Uids, ViewPosition, VoiFunction, WindowLevel,
};
pub use review::{Act, ImageIdentity, Opinion, Review, Seen, Verdict};
pub use view::{Canvas, Preset, PreviewImage, View, Window};
