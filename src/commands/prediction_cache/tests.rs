//! The worker's own threads over a real store; only the network is a double.

use std::fs;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use super::*;
use crate::domain::{Canvas, ContentId, InputCheck, Origin, Radiograph, View};
use crate::imaging::{DecodeLimits, Decoder};
use crate::inference::{Classify, InferenceError};
use crate::worker::{BackgroundJob, Generation, ImageJob, JobOutcome, Load, RenderRequest, Worker};

/// What happened, in its order: `read 41` when the network begins, `said 41` when an answer comes.
type Log = Arc<Mutex<Vec<String>>>;

/// Knows images by their width. Panics over 13 pixels, and waits for leave over any that it has a
/// gate for.
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
        self.log.lock().unwrap().push(format!("read {width}"));
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
        })
    }
}

/// Whatever the machine has.
const THREADS: usize = 2;

struct Session {
    worker: Worker,
    outcomes: Receiver<JobOutcome>,
    begun: Receiver<usize>,
    log: Log,
}

impl Session {
    fn open(version: &str, memory: OpenMemory, gates: Vec<(usize, Receiver<()>)>) -> Self {
        let log = Log::default();
        let (begun, has_begun) = mpsc::channel();
        let (sender, outcomes) = mpsc::channel();
        let double = FakeModel {
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
        let double = Mutex::new(Some(double));
        let load: Load = Box::new(move || Ok(Box::new(double.lock().unwrap().take().unwrap())));
        let said = log.clone();
        let report = Arc::new(move |outcome: JobOutcome| {
            if let JobOutcome::CacheDisabled(why) = &outcome {
                said.lock().unwrap().push(format!("forgetful: {why}"));
            }
            if let Some(words) = words(&outcome) {
                said.lock().unwrap().push(format!("said {words}"));
            }
            let _ = sender.send(outcome);
        });
        let decoder = || Decoder::new(DecodeLimits::default(), None);
        let desk = Session {
            worker: Worker::with_memory(decoder, load, Some(memory), THREADS, report),
            outcomes,
            begun: has_begun,
            log,
        };
        desk.wait(|outcome| matches!(outcome, JobOutcome::Model(_)).then_some(()));
        desk
    }

    fn wait<T>(&self, what: impl Fn(JobOutcome) -> Option<T>) -> T {
        loop {
            if let Some(found) = what(self.outcomes.recv().unwrap()) {
                return found;
            }
        }
    }

    fn errand(&self, path: &Path) {
        self.worker.read_behind(BackgroundJob {
            source: path.into(),
            model: 0,
        });
    }

    /// Reads one behind, and gives its words.
    fn behind(&self, path: &Path) -> String {
        self.errand(path);
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

/// A grey BMP of this many pixels in width.
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
fn a_second_visit_runs_the_network_for_nothing_whatever_the_files_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("state/reviews.sqlite");
    let paths: Vec<_> = (100..104)
        .map(|width| film(folder.path(), &format!("{width}.bmp"), width))
        .collect();
    let first = Session::open("1", open_memory(store.clone()), vec![]);
    let said: Vec<_> = paths.iter().map(|path| first.behind(path)).collect();
    assert_eq!(said[3], "103 pixels wide");
    assert_eq!(first.log().len(), 8, "{:?}", first.log());
    drop(first);

    let renamed = folder.path().join("renamed.bmp");
    fs::rename(&paths[0], &renamed).unwrap();
    let second = Session::open("1", open_memory(store.clone()), vec![]);
    assert_eq!(second.behind(&renamed), said[0]);
    for (path, said) in paths.iter().zip(&said).skip(1) {
        assert_eq!(second.behind(path), *said);
    }
    // One that is looked at is known as well, unless its heat map is wanted.
    second.select(&renamed, 1, false);
    let classified =
        |outcome| matches!(outcome, JobOutcome::Classified { .. }).then(|| words(&outcome))?;
    assert_eq!(second.wait(classified), said[0]);
    assert_eq!(reads(&second), 0, "{:?}", second.log());
    second.select(&renamed, 2, true);
    assert_eq!(second.wait(classified), said[0]);
    assert_eq!(reads(&second), 1);
    // Other content under a known name is another image.
    film(folder.path(), "101.bmp", 107);
    assert_eq!(second.behind(&paths[1]), "107 pixels wide");
    drop(second);

    let other_card = Session::open("2", open_memory(store), vec![]);
    assert_eq!(other_card.behind(&renamed), said[0]);
    assert_eq!(reads(&other_card), 1, "its thresholds may be others");
}

#[test]
fn a_selection_is_answered_before_another_image_is_begun_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = [101, 102, 103].map(|w| film(folder.path(), &format!("{w}.bmp"), w));
    let (leave_a, gate_a) = mpsc::channel();
    let (leave_b, gate_b) = mpsc::channel();
    let memory = open_memory(folder.path().join("reviews.sqlite"));
    let desk = Session::open("1", memory, vec![(101, gate_a), (102, gate_b)]);
    desk.errand(&a);
    assert_eq!(desk.begun.recv(), Ok(101));
    desk.select(&b, 1, false);
    assert_eq!(
        desk.begun.recv(),
        Ok(102),
        "it does not even wait for that one"
    );
    leave_a.send(()).unwrap();
    desk.wait(|outcome| matches!(outcome, JobOutcome::Background { .. }).then_some(()));
    desk.errand(&c);
    leave_b.send(()).unwrap();
    assert_eq!(desk.begun.recv(), Ok(103));
    let log = desk.log();
    let at = |line: &str| log.iter().position(|l| l == line);
    assert!(
        at("said 102 pixels wide").unwrap() < at("read 103").unwrap(),
        "{log:?}"
    );
}

#[test]
fn two_are_read_at_once_and_what_was_not_begun_is_put_off() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = [101, 102, 103].map(|w| film(folder.path(), &format!("{w}.bmp"), w));
    let (leave_a, gate_a) = mpsc::channel();
    let (leave_b, gate_b) = mpsc::channel();
    let memory = open_memory(folder.path().join("reviews.sqlite"));
    let desk = Session::open("1", memory, vec![(101, gate_a), (102, gate_b)]);
    for path in [&a, &b, &c] {
        desk.errand(path);
    }
    let mut begun = [desk.begun.recv().unwrap(), desk.begun.recv().unwrap()];
    begun.sort_unstable();
    assert_eq!(begun, [101, 102]);
    desk.worker.put_off();
    let put_off = desk.wait(|outcome| match outcome {
        JobOutcome::Background { errand, result, .. } => Some((errand.source, result.is_none())),
        _ => None,
    });
    assert_eq!(put_off, (Arc::from(c), true));
    leave_b.send(()).unwrap();
    leave_a.send(()).unwrap();
    for _ in 0..2 {
        desk.wait(|outcome| matches!(outcome, JobOutcome::Background { .. }).then_some(()));
    }
    assert_eq!(reads(&desk), 2);
}

#[test]
fn a_fault_costs_its_row_and_a_store_in_ruins_only_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    fs::write(&store, "no store at all, and long enough to be looked at").unwrap();
    let desk = Session::open("1", open_memory(store.clone()), vec![]);
    let bad = film(folder.path(), "bad.bmp", 113);
    let good = film(folder.path(), "good.bmp", 114);
    let broken = folder.path().join("broken.png");
    fs::write(&broken, "not a picture").unwrap();
    assert_eq!(desk.behind(&bad), "the classifier failed on this image");
    assert!(!desk.behind(&broken).is_empty());
    assert!(!desk.behind(&folder.path().join("gone.png")).is_empty());
    assert_eq!(desk.behind(&good), "114 pixels wide");
    drop(desk);

    let forgetful = Session::open("1", open_memory(store.clone()), vec![]);
    assert_eq!(forgetful.behind(&good), "114 pixels wide");
    // Said before the first errand, and perhaps before the model was there.
    let log = forgetful.log();
    let said = log.iter().find(|line| line.starts_with("forgetful"));
    assert!(said.unwrap().contains("not a store of cxr"), "{log:?}");
    assert!(fs::read_to_string(&store).unwrap().starts_with("no store"));
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/clear_16bit.dcm")
}

fn origin_of_sample(desk: &Session) -> Option<Origin> {
    desk.errand(&sample());
    desk.wait(|outcome| match outcome {
        JobOutcome::Background { origin, .. } => Some(origin.map(|origin| *origin)),
        _ => None,
    })
}

fn reads(desk: &Session) -> usize {
    let log = desk.log();
    log.iter().filter(|line| line.starts_with("read")).count()
}

/// What an earlier version wrote: the answers without the origins.
struct Old(Box<dyn PredictionCache>);

impl PredictionCache for Old {
    fn recall(&mut self, image: ContentId, card: &ModelCard) -> Option<Recalled> {
        let recalled = self.0.recall(image, card)?;
        Some(Recalled {
            origin: None,
            ..recalled
        })
    }

    fn keep(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        card: &ModelCard,
        said: &Prediction,
    ) -> Result<(), String> {
        self.0.keep(image, origin, card, said)
    }
}

#[test]
fn whose_image_it_is_comes_with_the_answer_and_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reviews.sqlite");
    let first = Session::open("1", open_memory(store.clone()), vec![]);
    let origin = origin_of_sample(&first).unwrap();
    assert_eq!(origin.patient.id.as_deref(), Some("SYNTHETIC-clear_16bit"));
    assert!(origin.study.as_ref().unwrap().starts_with("2.25.1148"));
    assert!(origin.taken.as_ref().unwrap().starts_with("2020-01-01"));
    drop(first);
    let second = Session::open("1", open_memory(store.clone()), vec![]);
    assert_eq!(origin_of_sample(&second), Some(origin.clone()));
    assert_eq!(reads(&second), 0);
    let picture = second.behind(&film(folder.path(), "a.bmp", 99));
    assert_eq!(picture, "99 pixels wide");
    drop(second);

    let open = open_memory(store);
    let old: OpenMemory = Box::new(move || Ok(Box::new(Old(open()?))));
    let third = Session::open("1", old, vec![]);
    assert_eq!(origin_of_sample(&third), Some(origin), "the file is asked");
    assert_eq!(reads(&third), 0, "and the network is not");
}
