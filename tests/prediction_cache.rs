//! The prediction cache under the worker's own threads and over a real store. Only the network is fake.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use cxr::domain::{
    Canvas, ContentId, ImageIdentity, InputCheck, ModelCard, Origin, Prediction, Radiograph, View,
};
use cxr::imaging::{DecodeLimits, Decoder};
use cxr::inference::{Classify, InferenceError};
use cxr::predictions::{CachedPrediction, OpenPredictionCache, PredictionCache, in_store};
use cxr::worker::{BackgroundJob, Generation, ImageJob, JobOutcome, Load, RenderRequest, Worker};

/// Version of the rules for the input check. Any number will do.
const RULES: u32 = 1;

/// Events in their order: `scoring 41` when the network begins, `answer 41` when a prediction arrives.
type Log = Arc<Mutex<Vec<String>>>;

/// Recognises images by their width. Panics at a width of 113 pixels, and waits at a width that has a
/// gate.
struct FakeModel {
    card: ModelCard,
    log: Log,
    gates: Vec<(usize, Mutex<Receiver<()>>)>,
    begun: Mutex<Sender<usize>>,
}

impl Classify for FakeModel {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn classify(&self, radiograph: &Radiograph) -> Result<Prediction, InferenceError> {
        let width = radiograph.width;
        self.log.lock().unwrap().push(format!("scoring {width}"));
        let _ = self.begun.lock().unwrap().send(width);
        if let Some((_, gate)) = self.gates.iter().find(|(at, _)| *at == width) {
            gate.lock().unwrap().recv().unwrap();
        }
        assert_ne!(width, 113, "as planned");
        Ok(Prediction {
            content: radiograph.content,
            findings: Vec::new(),
            severity: None,
            input: InputCheck::Caution(vec![format!("{width} pixels wide")]),
            model_sha256: self.card.sha256.clone(),
            preprocess: self.card.preprocess.clone(),
            elapsed_ms: 1.0,
            activation: None,
            withheld: Vec::new(),
            lung_fields: None,
            lungs: None,
            prognoses: Vec::new(),
        })
    }
}

/// Background threads, on any machine.
const THREADS: usize = 2;

struct Session {
    worker: Worker,
    outcomes: Receiver<JobOutcome>,
    begun: Receiver<usize>,
    log: Log,
}

impl Session {
    fn open(version: &str, cache: OpenPredictionCache, gates: Vec<(usize, Receiver<()>)>) -> Self {
        let log = Log::default();
        let (begun, has_begun) = mpsc::channel();
        let (sender, outcomes) = mpsc::channel();
        let model = FakeModel {
            card: ModelCard {
                version: version.to_owned(),
                sha256: "ab".to_owned(),
                preprocess: "cxr-1".to_owned(),
                ..ModelCard::default()
            },
            log: log.clone(),
            gates: gates
                .into_iter()
                .map(|(at, gate)| (at, Mutex::new(gate)))
                .collect(),
            begun: Mutex::new(begun),
        };
        let model = Mutex::new(Some(model));
        let load: Load = Box::new(move || Ok(Box::new(model.lock().unwrap().take().unwrap())));
        let events = log.clone();
        let report = Arc::new(move |outcome: JobOutcome| {
            if let JobOutcome::CacheDisabled(why) = &outcome {
                events
                    .lock()
                    .unwrap()
                    .push(format!("cache disabled: {why}"));
            }
            if let Some(words) = words(&outcome) {
                events.lock().unwrap().push(format!("answer {words}"));
            }
            let _ = sender.send(outcome);
        });
        let decoder = || Decoder::new(DecodeLimits::default(), None);
        let session = Session {
            worker: Worker::with_cache(decoder, load, Some(cache), THREADS, report),
            outcomes,
            begun: has_begun,
            log,
        };
        session.wait(|outcome| matches!(outcome, JobOutcome::Model(_)).then_some(()));
        session
    }

    fn wait<T>(&self, what: impl Fn(JobOutcome) -> Option<T>) -> T {
        loop {
            if let Some(found) = what(self.outcomes.recv().unwrap()) {
                return found;
            }
        }
    }

    fn score_in_background(&self, path: &Path) {
        self.worker.score_in_background(BackgroundJob {
            source: path.into(),
            model: 0,
        });
    }

    /// Scores one image in the background, and returns the words of the outcome.
    fn background_score(&self, path: &Path) -> String {
        self.score_in_background(path);
        self.wait(|outcome| match &outcome {
            JobOutcome::Background { .. } => words(&outcome),
            _ => None,
        })
    }

    fn select(&self, path: &Path, generation: u64, maps: bool) {
        let canvas = Canvas {
            width: 8,
            height: 8,
            pixel_aspect: 1.0,
        };
        self.worker.select(ImageJob {
            source: path.into(),
            generation: Generation(generation),
            frame: RenderRequest {
                view: View::default(),
                canvas,
                heat_map: None,
                marks: None,
            },
            scored: None,
            maps,
            model: 0,
            neighbours: vec![],
        });
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn words(outcome: &JobOutcome) -> Option<String> {
    let result = match outcome {
        JobOutcome::Classified { result, .. } => result,
        JobOutcome::Background { result, .. } => result.as_ref()?,
        _ => return None,
    };
    Some(match result {
        Ok(said) => said.input.reasons()[0].clone(),
        Err(reason) => reason.to_string(),
    })
}

/// A grey BMP of this width in pixels.
fn film(folder: &Path, name: &str, width: u32) -> PathBuf {
    let (height, row) = (50, (width * 3).div_ceil(4) * 4);
    let mut bytes = b"BM".to_vec();
    for number in [54 + row * height, 0, 54, 40, width, height] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend((0..row * height).map(|_| 90));
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn on_a_second_visit_no_image_is_scored_again_even_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("state/reviews.sqlite");
    let paths: Vec<_> = (100..104)
        .map(|width| film(folder.path(), &format!("{width}.bmp"), width))
        .collect();
    let first = Session::open("1", in_store(store.clone(), RULES), vec![]);
    let answers: Vec<_> = paths
        .iter()
        .map(|path| first.background_score(path))
        .collect();
    assert_eq!(answers[3], "103 pixels wide");
    assert_eq!(first.log().len(), 8, "{:?}", first.log());
    drop(first);

    let renamed = folder.path().join("renamed.bmp");
    fs::rename(&paths[0], &renamed).unwrap();
    let second = Session::open("1", in_store(store.clone(), RULES), vec![]);
    assert_eq!(second.background_score(&renamed), answers[0]);
    for (path, answer) in paths.iter().zip(&answers).skip(1) {
        assert_eq!(second.background_score(path), *answer);
    }
    // A selected image comes from the cache as well, unless its heat map is wanted.
    second.select(&renamed, 1, false);
    let classified =
        |outcome| matches!(outcome, JobOutcome::Classified { .. }).then(|| words(&outcome))?;
    assert_eq!(second.wait(classified), answers[0]);
    assert_eq!(scored(&second), 0, "{:?}", second.log());
    second.select(&renamed, 2, true);
    assert_eq!(second.wait(classified), answers[0]);
    assert_eq!(scored(&second), 1);
    // A known name with other content is another image.
    film(folder.path(), "101.bmp", 107);
    assert_eq!(second.background_score(&paths[1]), "107 pixels wide");
    drop(second);

    let other_card = Session::open("2", in_store(store, RULES), vec![]);
    assert_eq!(other_card.background_score(&renamed), answers[0]);
    assert_eq!(
        scored(&other_card),
        1,
        "another card may have other thresholds"
    );
}

#[test]
fn a_selected_image_is_scored_before_the_next_one_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = [101, 102, 103].map(|w| film(folder.path(), &format!("{w}.bmp"), w));
    let (open_a, gate_a) = mpsc::channel();
    let (open_b, gate_b) = mpsc::channel();
    let cache = in_store(folder.path().join("reviews.sqlite"), RULES);
    let session = Session::open("1", cache, vec![(101, gate_a), (102, gate_b)]);
    session.score_in_background(&a);
    assert_eq!(session.begun.recv(), Ok(101));
    session.select(&b, 1, false);
    assert_eq!(
        session.begun.recv(),
        Ok(102),
        "the selection does not wait for the background job"
    );
    open_a.send(()).unwrap();
    session.wait(|outcome| matches!(outcome, JobOutcome::Background { .. }).then_some(()));
    session.score_in_background(&c);
    open_b.send(()).unwrap();
    assert_eq!(session.begun.recv(), Ok(103));
    let log = session.log();
    let at = |line: &str| log.iter().position(|l| l == line);
    assert!(
        at("answer 102 pixels wide").unwrap() < at("scoring 103").unwrap(),
        "{log:?}"
    );
}

#[test]
fn two_images_are_scored_at_once_and_jobs_that_were_not_begun_are_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = [101, 102, 103].map(|w| film(folder.path(), &format!("{w}.bmp"), w));
    let (open_a, gate_a) = mpsc::channel();
    let (open_b, gate_b) = mpsc::channel();
    let cache = in_store(folder.path().join("reviews.sqlite"), RULES);
    let session = Session::open("1", cache, vec![(101, gate_a), (102, gate_b)]);
    for path in [&a, &b, &c] {
        session.score_in_background(path);
    }
    let mut begun = [session.begun.recv().unwrap(), session.begun.recv().unwrap()];
    begun.sort_unstable();
    assert_eq!(begun, [101, 102]);
    session.worker.cancel_background();
    let cancelled = session.wait(|outcome| match outcome {
        JobOutcome::Background { job, result, .. } => Some((job.source, result.is_none())),
        _ => None,
    });
    assert_eq!(cancelled, (Arc::from(c), true));
    open_b.send(()).unwrap();
    open_a.send(()).unwrap();
    for _ in 0..2 {
        session.wait(|outcome| matches!(outcome, JobOutcome::Background { .. }).then_some(()));
    }
    assert_eq!(scored(&session), 2);
}

#[test]
fn a_fault_costs_one_image_and_a_damaged_store_only_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    fs::write(&store, "no store at all, and long enough to have a header").unwrap();
    let session = Session::open("1", in_store(store.clone(), RULES), vec![]);
    let bad = film(folder.path(), "bad.bmp", 113);
    let good = film(folder.path(), "good.bmp", 114);
    let broken = folder.path().join("broken.png");
    fs::write(&broken, "not a picture").unwrap();
    assert_eq!(
        session.background_score(&bad),
        "the classifier failed on this image"
    );
    assert!(!session.background_score(&broken).is_empty());
    assert!(
        !session
            .background_score(&folder.path().join("gone.png"))
            .is_empty()
    );
    assert_eq!(session.background_score(&good), "114 pixels wide");
    drop(session);

    let uncached = Session::open("1", in_store(store.clone(), RULES), vec![]);
    assert_eq!(uncached.background_score(&good), "114 pixels wide");
    // The report comes before the first job, and perhaps before the model.
    let log = uncached.log();
    let reported = log.iter().find(|line| line.starts_with("cache disabled"));
    assert!(reported.unwrap().contains("not a store of cxr"), "{log:?}");
    assert!(fs::read_to_string(&store).unwrap().starts_with("no store"));
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/clear_16bit.dcm")
}

fn origin_of_sample(session: &Session) -> Option<Origin> {
    session.score_in_background(&sample());
    session.wait(|outcome| match outcome {
        JobOutcome::Background { origin, .. } => Some(origin.map(|origin| *origin)),
        _ => None,
    })
}

fn scored(session: &Session) -> usize {
    let log = session.log();
    log.iter()
        .filter(|line| line.starts_with("scoring"))
        .count()
}

/// A cache as an earlier version wrote it: answers without patient, study and time.
struct WithoutOrigins(Box<dyn PredictionCache>);

impl PredictionCache for WithoutOrigins {
    fn get(&mut self, image: ContentId, card: &ModelCard) -> Option<CachedPrediction> {
        let cached = self.0.get(image, card)?;
        Some(CachedPrediction {
            origin: None,
            ..cached
        })
    }

    fn insert(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        card: &ModelCard,
        prediction: &Prediction,
    ) -> Result<(), String> {
        self.0.insert(image, origin, card, prediction)
    }
}

#[test]
fn patient_and_time_come_from_the_cache_with_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let first = Session::open("1", in_store(store.clone(), RULES), vec![]);
    let origin = origin_of_sample(&first).unwrap();
    assert_eq!(origin.patient.id.as_deref(), Some("SYNTHETIC-clear_16bit"));
    assert!(origin.study.as_ref().unwrap().starts_with("2.25.1148"));
    assert!(origin.taken.as_ref().unwrap().starts_with("2020-01-01"));
    drop(first);
    let second = Session::open("1", in_store(store.clone(), RULES), vec![]);
    assert_eq!(origin_of_sample(&second), Some(origin.clone()));
    assert_eq!(scored(&second), 0);
    let picture = second.background_score(&film(folder.path(), "a.bmp", 99));
    assert_eq!(picture, "99 pixels wide");
    drop(second);

    let open = in_store(store, RULES);
    let old: OpenPredictionCache = Box::new(move || Ok(Box::new(WithoutOrigins(open()?))));
    let third = Session::open("1", old, vec![]);
    assert_eq!(
        origin_of_sample(&third),
        Some(origin),
        "the file is read for it"
    );
    assert_eq!(scored(&third), 0, "the network does not run");
}
