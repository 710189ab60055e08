use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::{InputCheck, LabelCard, ModelCard, Prevalences, Question, Samples};
use crate::export::{PredictionRows, TableFormat, TableWriter};
use crate::imaging::DecodeLimits;
use crate::inference::InferenceError;

/// Accepts everything, and panics over an image that is 13 pixels wide.
struct Superstitious(ModelCard);

impl Classify for Superstitious {
    fn card(&self) -> &ModelCard {
        &self.0
    }

    fn classify(&self, radiograph: &Radiograph) -> Result<Prediction, InferenceError> {
        assert_ne!(radiograph.width, 13, "thirteen\x1b[2J");
        Ok(Prediction {
            content: Default::default(),
            findings: Vec::new(),
            severity: None,
            input: InputCheck::Accepted,
            model_sha256: self.0.sha256.clone(),
            preprocess: self.0.preprocess.clone(),
            elapsed_ms: 1.0,
            activation: None,
            withheld: Vec::new(),
            lung_fields: None,
            lungs: None,
            prognoses: Vec::new(),
        })
    }
}

fn superstitious() -> Superstitious {
    Superstitious(ModelCard {
        name: "double".to_owned(),
        preprocess: "cxr-1".to_owned(),
        labels: vec![LabelCard::new("Pneumonia", Question::Presence, None)],
        sha256: "ab".to_owned(),
        ..ModelCard::default()
    })
}

/// An image as wide as the number that is its name.
fn as_wide_as_its_name(path: &Path) -> Radiograph {
    let width = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    Radiograph::plain(width, 1, Samples::Grey8(vec![0; width]), "double")
}

#[test]
fn a_panic_costs_one_row_and_its_place_is_kept() {
    silence_workers();
    let folder = tempfile::tempdir().unwrap();
    for width in 1..=40 {
        std::fs::write(folder.path().join(format!("{width}.png")), "").unwrap();
    }
    let (classifier, done) = (superstitious(), Done::default());
    let assumed = Prevalences::default();
    let predictions = PredictionRows::new(TableFormat::Csv, classifier.card(), &assumed);
    let roots = [folder.path().to_owned()];
    let limits = DecodeLimits::default();
    let batch = PredictRun {
        selection: &Selection::new(&roots, None, Unit::Image, &limits),
        done: &done,
        reader: BatchScorer {
            classifier: &classifier,
            open: || |path: &Path| Ok(as_wide_as_its_name(path)),
            then: None,
        },
        earlier: None,
        cache: None,
        pseudonyms: None,
        heat_maps: None,
        predictions: &predictions,
        assumed: &assumed,
        limits: &limits,
        lists_unread: false,
        threads: 3,
    };
    let columns = predictions.columns();
    let mut table = TableWriter::begin(Vec::new(), TableFormat::Csv, columns).unwrap();
    let stop = AtomicBool::new(false);
    let written = batch
        .write(&mut table, &Progress::new(false, done.before), &stop)
        .unwrap();
    assert_eq!(
        written.tally,
        StatusCounts {
            ok: 39,
            errors: 1,
            ..StatusCounts::default()
        }
    );

    let text = String::from_utf8(table.finish().unwrap()).unwrap();
    let rows: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 40);
    assert!(rows[11].contains("/12.png,ok,"), "{}", rows[11]);
    assert!(
        rows[12].contains("/13.png,error,cxr failed on it: "),
        "{}",
        rows[12]
    );
    assert!(rows[12].contains("thirteen [2J"), "{}", rows[12]);
    assert!(rows[13].contains("/14.png,ok,"), "{}", rows[13]);
    assert!(!stop.load(Ordering::Relaxed));
}

/// The next patient's film comes under the same name between its header and its picture.
#[test]
fn a_film_that_changes_its_study_while_it_is_read_has_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    for name in ["kept.dcm", "replaced.dcm"] {
        let sample = samples.join("pneumonia_12bit_mono1.dcm");
        std::fs::copy(sample, folder.path().join(name)).unwrap();
    }
    let (classifier, done) = (superstitious(), Done::default());
    let assumed = Prevalences::default();
    let predictions = PredictionRows::new(TableFormat::Csv, classifier.card(), &assumed);
    let predictions = predictions.with_study(true);
    let roots = [folder.path().to_owned()];
    let limits = DecodeLimits::default();
    let open = |path: &Path| {
        if path.ends_with("replaced.dcm") {
            std::fs::copy(samples.join("covid_like_ap.dcm"), path).unwrap();
        }
        Ok(Radiograph::plain(
            1,
            1,
            Samples::Grey8(vec![0; 1]),
            "double",
        ))
    };
    let batch = PredictRun {
        selection: &Selection::new(&roots, None, Unit::Study, &limits),
        done: &done,
        reader: BatchScorer {
            classifier: &classifier,
            open: || open,
            then: None,
        },
        earlier: None,
        cache: None,
        pseudonyms: None,
        heat_maps: None,
        predictions: &predictions,
        assumed: &assumed,
        limits: &limits,
        lists_unread: false,
        threads: 1,
    };
    let columns = predictions.columns();
    let mut table = TableWriter::begin(Vec::new(), TableFormat::Csv, columns).unwrap();
    let stop = AtomicBool::new(false);
    let progress = Progress::new(false, done.before);
    batch.write(&mut table, &progress, &stop).unwrap();
    let text = String::from_utf8(table.finish().unwrap()).unwrap();
    let rows: Vec<_> = text.lines().skip(1).collect();
    assert!(rows[0].contains("/kept.dcm,ok,"), "{}", rows[0]);
    assert!(rows[1].contains("/replaced.dcm,error,"), "{}", rows[1]);
}
