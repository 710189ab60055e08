//! A heat map adds up to the score that it explains, and drawing it does not read the file again.

mod skip;

use std::fs;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cxr::domain::{
    Canvas, HeatMap, HeatMapChoice, HeatMapLayer, HeatMapSubject, InputCheck, Pathology,
    Prediction, Radiograph, Region, Samples, View,
};
use cxr::evaluation::pointing::MapOnFilm;
use cxr::imaging::{self, DecodeLimits, Decoder};
use cxr::inference::{Classifier, Classify, Lungs};
use cxr::worker::{Generation, ImageJob, JobOutcome, Load, RenderRequest, Shown, Worker};

/// Largest |mean(M_c) + b_c − logit_c|: both are sums of some 46,000 products in single precision.
const TOLERANCE: f32 = 1e-4;
/// Long enough that no working machine reaches it.
const LIMIT: Duration = Duration::from_secs(60);

/// A synthetic radiograph that passes the input check, stretched to `width` × `height`.
fn film(width: usize, height: usize) -> Radiograph {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
    let film = image::open(sample).unwrap().into_luma8();
    let film = image::imageops::thumbnail(&film, width as u32, height as u32);
    Radiograph::plain(width, height, Samples::Grey8(film.into_raw()), "made")
}

/// The largest difference between a map's sum and the logit that it explains.
fn worst(prediction: &Prediction) -> f32 {
    let maps = prediction.activation.as_ref().expect("maps");
    // A product has no map of its own, and a label that gets no number has no finding.
    let findings = prediction.findings.iter();
    let outputs = findings.filter(|finding| finding.factors.is_none());
    outputs
        .map(|finding| {
            let map = maps.label(&finding.label).expect("a map");
            assert_eq!(map.values.len(), maps.width * maps.height);
            (map.logit() - finding.logit).abs()
        })
        .fold(0.0, f32::max)
}

#[test]
fn on_synthetic_films_every_map_adds_up_to_its_logit() {
    let classifier = Classifier::bundled().unwrap();
    let oblong_pixels = Radiograph {
        pixel_aspect: 2.0,
        ..film(300, 200)
    };
    for radiograph in [
        film(300, 300),
        film(500, 320),
        film(280, 400),
        oblong_pixels,
    ] {
        let prediction = classifier.classify(&radiograph).unwrap();
        assert_ne!(prediction.input.word(), "refused", "{:?}", prediction.input);
        let worst = worst(&prediction);
        println!("{} × {}: {worst:.1e}", radiograph.width, radiograph.height);
        assert!(worst < TOLERANCE, "{worst}");

        // The network saw the lungs, with a margin around them.
        let region = prediction.activation.as_ref().unwrap().region;
        let lungs = Lungs::of(&radiograph).unwrap();
        assert_eq!(Some(region), lungs.region());
        assert!(region.width < radiograph.width, "{region:?}");
    }
}

#[test]
fn on_real_radiographs_every_map_adds_up_to_its_logit() {
    let Some(data) = skip::private_data("fullres") else {
        return;
    };
    let classifier = Classifier::bundled().unwrap();
    let (mut seen, mut largest) = (0, 0.0_f32);
    for file in fs::read_dir(data.join("fullres")).unwrap() {
        // The folder also holds a README.
        let Ok(radiograph) = imaging::open(&file.unwrap().path(), &DecodeLimits::default()) else {
            continue;
        };
        let prediction = classifier.classify(&radiograph).unwrap();
        if matches!(prediction.input, InputCheck::Refused(_)) {
            assert!(prediction.activation.is_none());
            continue;
        }
        largest = largest.max(worst(&prediction));
        seen += 1;
    }
    println!("{seen} radiographs, worst {largest:.1e}");
    assert!(seen > 0 && largest < TOLERANCE, "{seen} {largest}");
}

/// `cxr evaluate` and the screen agree on where a map looks, on a film and a region that are not square.
#[test]
fn the_strongest_point_has_the_deepest_colour() {
    let mut values = vec![-1.0; 12];
    (values[6], values[4]) = (5.0, 3.0);
    let map = HeatMap {
        subject: HeatMapSubject::Label(Pathology("Pneumonia".into())),
        width: 4,
        height: 3,
        values,
        region: Region {
            left: 40,
            top: 20,
            width: 320,
            height: 240,
        },
    };
    let measured = MapOnFilm::new(&map, (400, 300)).unwrap();
    let strongest = measured.strongest_point().unwrap();
    // Row 1, column 2 of cells of 80 × 80 pixels.
    assert_eq!((strongest.x, strongest.y), (240.0 / 400.0, 140.0 / 300.0));

    let film = Radiograph::plain(400, 300, Samples::Grey8(vec![80; 120_000]), "made");
    let layer = HeatMapLayer {
        content: Default::default(),
        map: Arc::new(map),
        opacity: 1.0,
    };
    let canvas = Canvas {
        width: 400,
        height: 300,
        pixel_aspect: 1.0,
    };
    let view = View::default();
    let picture = imaging::show(&film, &view, canvas).0;
    let painted = imaging::overlay(&picture, imaging::seen(&film, &view, canvas), &layer);
    assert_eq!((painted.width, painted.height), (400, 300));
    let depth = |at: usize| {
        let [red, _, blue] = painted.rgb(at % 400, at / 400);
        i32::from(red) - i32::from(blue)
    };
    let deepest = (0..120_000).map(depth).max().unwrap();
    for at in (0..120_000).filter(|&at| depth(at) == deepest) {
        let (x, y) = ((at % 400) as f64 + 0.5, (at / 400) as f64 + 0.5);
        let (dx, dy) = (x - 400.0 * strongest.x, y - 300.0 * strongest.y);
        assert!(dx.abs() < 5.0 && dy.abs() < 5.0, "{x} {y}");
    }
}

/// A worker and its outcomes, in the order in which they arrive.
struct TestWorker {
    worker: Worker,
    outcomes: mpsc::Receiver<JobOutcome>,
}

impl TestWorker {
    fn start() -> Self {
        let (sender, outcomes) = mpsc::channel();
        let load = || Ok(Box::new(Classifier::bundled()?) as Box<dyn Classify>);
        let report = Arc::new(move |outcome| {
            let _ = sender.send(outcome);
        });
        let worker = Worker::start(
            || Decoder::new(DecodeLimits::default(), None),
            Box::new(load) as Load,
            report,
        );
        TestWorker { worker, outcomes }
    }

    fn wait<T>(&self, wanted: impl Fn(JobOutcome) -> Option<T>) -> T {
        loop {
            let outcome = self
                .outcomes
                .recv_timeout(LIMIT)
                .expect("an outcome in time");
            if let Some(found) = wanted(outcome) {
                return found;
            }
        }
    }

    fn shown(&self) -> Shown {
        self.wait(|outcome| match outcome {
            JobOutcome::Shown { shown, .. } => Some(shown),
            _ => None,
        })
    }
}

#[test]
fn drawing_a_heat_map_does_not_read_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.png");
    let made = film(320, 300);
    let Samples::Grey8(pixels) = made.samples else {
        panic!("the film has 8 bits")
    };
    let grey = image::GrayImage::from_raw(320, 300, pixels).unwrap();
    grey.save(&path).unwrap();
    let running = TestWorker::start();
    let canvas = Canvas {
        width: 64,
        height: 64,
        pixel_aspect: 1.0,
    };
    let job = |heat_map| ImageJob {
        source: path.clone().into(),
        generation: Generation(1),
        frame: RenderRequest {
            view: View::default(),
            canvas,
            heat_map,
            marks: None,
        },
        scored: None,
        maps: false,
        model: 0,
        neighbours: Vec::new(),
    };
    running.worker.select(job(None));
    let bare = running.shown();
    assert!(bare.legend.is_none() && !bare.image.colour);
    let prediction = running.wait(|outcome| match outcome {
        JobOutcome::Classified { result, .. } => Some(result.unwrap()),
        _ => None,
    });

    fs::remove_file(&path).unwrap();
    let layer = |opacity| HeatMapLayer {
        content: prediction.content,
        map: Arc::new(prediction.heat_map(&HeatMapChoice::Foremost).unwrap()),
        opacity,
    };
    for opacity in [0.3, 0.9] {
        running.worker.redraw(job(Some(layer(opacity))));
        let shown = running.shown();
        assert!(shown.image.colour, "painted in colour");
        assert_eq!(shown.legend.unwrap().opacity, opacity);
        assert_eq!(
            (shown.image.width, shown.image.height),
            (bare.image.width, bare.image.height)
        );
    }
    running.worker.redraw(job(None));
    assert_eq!(
        running.shown(),
        bare,
        "without the heat map, the picture is unchanged"
    );
}
