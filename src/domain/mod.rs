//! The nouns of the field, as plain data. Nothing here decodes, computes or draws, and nothing here depends
//! on another floor (`tests/floors/main.rs` checks it). A file names only files above it in this list:
//!
//! | file | nouns |
//! |---|---|
//! | `text`, `hex`, `columns`, `failure` | text that may be shown; digests; reserved column names; reasons |
//! | `content_id`, `date`, `view`, `admission` | an image's identity and time; its display; objections in its header |
//! | `pathology`, `prevalence`, `finding`, `label_name` | labels, shares of positives, scores, and which label a name means |
//! | `patient`, `radiograph`, `view_words`, `origin`, `source_header` | patients and images |
//! | `network_settings`, `recipe`, `onnx`, `model_card`, `card_text`, `assumed` | models, and the prevalences that a reader assumes |
//! | `interpolation`, `activation`, `lungs`, `lung_parts`, `prognosis`, `prediction`, `agreeing`, `heat_maps` | answers of a model, and the part that is shown |
//! | `blinded`, `opinion`, `change`, `review`, `review_totals` | a reader's work |
//! | `spacing`, `mark`, `mark_layer`, `localisation` | marks on a radiograph, what they measure, and when they are on a lesion |

pub mod activation;
pub mod admission;
pub mod agreeing;
pub mod assumed;
pub mod blinded;
pub mod card_text;
pub mod change;
pub mod columns;
pub mod content_id;
pub mod date;
pub mod dicom_header;
pub mod failure;
pub mod film_study;
pub mod finding;
pub mod heat_maps;
pub mod hex;
pub mod interpolation;
pub mod label_name;
pub mod localisation;
pub mod lung_parts;
pub mod lungs;
pub mod mark;
pub mod mark_layer;
pub mod model_card;
pub mod network_settings;
pub mod onnx;
pub mod opinion;
pub mod origin;
pub mod pathology;
pub mod patient;
pub mod prediction;
pub mod prevalence;
pub mod prognosis;
pub mod radiograph;
pub mod recipe;
pub mod review;
pub mod review_totals;
pub mod source_header;
pub mod spacing;
pub mod text;
pub mod view;
pub mod view_words;

pub use activation::{
    ClassActivationMap, DEFAULT_OPACITY, FilmPart, HeatMap, HeatMapChoice, HeatMapLayer,
    HeatMapLegend, HeatMapSubject, LabelActivation, Region,
};
pub use admission::{Admission, Objection};
pub use agreeing::{Causes, at_most};
pub use assumed::{AssumptionError, Prevalences};
pub use blinded::{BlindedReading, Call, HIGHEST_RATING, ReadingMode};
pub use change::{CallChange, Judgement, MarksChange, NewValue, OpinionChange};
pub use content_id::{ContentId, NotAContentId};
pub use date::{counted_day, days_between, is_before, shown_day, sortable, taken, with_offset};
pub use dicom_header::HeaderLine;
pub use failure::Failure;
pub use film_study::FilmStudy;
pub use finding::{
    Calibrated, Conformal, Factors, Finding, OperatingPoint, PresenceSet, Question, Score,
    ScoreKind, percent,
};
pub use interpolation::CellPair;
pub use label_name::{LabelNameError, label_named};
pub use localisation::{LocalisationFigure, LocalisationRule, thousandths};
pub use lung_parts::{LungPart, largest_parts, two_lungs};
pub use lungs::{HeartLines, LungFields, LungMeasures};
pub use mark::{
    FilmScale, LONGEST_LABEL, MOST_MARKS, Mark, MarkKind, MarkPoint, Measured, read_label,
};
pub use mark_layer::{MarkDrawing, MarkLayer, MarkTone};
pub use model_card::{
    ATTENTIVE, Adaptation, Calibration, CausesCard, ConformalThresholds, GroupCalibration,
    InputThresholds, KERAS_SEQUENTIAL, LabelCard, LungsCard, Measurement, ModelCard, ONNX_GRAPH,
    ONNX_HIDDEN, ProductCard, SeverityCard, SeverityLine, SeverityLineCard, SoftmaxCard,
};
pub use network_settings::{NetworkSettings, SettingError, SettingValue};
pub use onnx::{OnnxAttribute, OnnxData, OnnxGraph, OnnxInput, OnnxNode, OnnxNumbers, OnnxTensor};
pub use opinion::{Opinion, Verdict};
pub use origin::{FilmSummary, Origin};
pub use pathology::{
    BACTERIAL, COVID, COVID_GIVEN_PNEUMONIA, GIVEN_PNEUMONIA, PNEUMONIA, Pathology, VIRAL,
};
pub use patient::{Fingerprint, Issuer, PatientIdentity, Sameness, Sex};
pub use prediction::{InputCheck, Prediction, Severity};
pub use prevalence::Prevalence;
pub use prognosis::{Prognosis, PrognosisCard, PrognosisEvidence};
pub use radiograph::{
    FilmFacts, Lut, Modality, PatientFacts, PhotometricInterpretation, PixelTransform, Radiograph,
    Rescale, Samples, Uids, ViewPosition, VoiFunction, WindowLevel,
};
pub use recipe::{
    ColourReading, CropRounding, CropTo, FilmRange, FilmReading, PadPlace, PreprocessRecipe,
    RECIPE_1, RecipeFault, RecipeInput, RecipeStep, ResizeFilter, ResizeTo, SideRounding,
    ValueDepth,
};
pub use review::{Act, ImageIdentity, Review, Seen};
pub use review_totals::{ReviewTotals, median_time};
pub use source_header::{HeaderText, SourceHeader};
pub use spacing::{PixelSpacing, Ratio, SpacingPlane, StatedSpacings};
pub use view::{Canvas, FilmShape, Histogram, Preset, PreviewImage, ShownPart, View, Window};
pub use view_words::ViewWords;
