//! The terminal interface, and the only place that names ratatui.
//!
//! ```text
//! keys, mouse ┐                             ┌► effects: worker, recorder, suspend, quit
//! folder walk ┼─► one channel ─► update ────┤
//! worker      ┤                             └► model ─► view ─► screen
//! recorder    ┤
//! signals     ┘
//! ```
//!
//! The loop (`app`) sleeps on the channel. It wakes by itself only while work is under way.

mod app;
mod clipboard;
pub mod hooks;
pub mod keymap;
pub mod look;
mod model;
mod model_choice;
mod placing;
pub mod preview;
mod rating;
mod remembered;
mod report;
mod scan;
mod sources;
mod split;
pub mod terminal;
mod update;
mod view;
pub(crate) mod worklist;

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::domain::Prevalences;
use crate::store::{Pending, Recorder};
use crate::worker::{self, OutcomeSink, Worker};
use app::{App, Dress};
use hooks::ScreenHooks;
use keymap::Keymap;
pub use look::Appearance;
pub use model::SittingSummary;
pub use model::StudySitting;
use model::{BackgroundState, Coarse, Model, Session};
pub use model_choice::ModelChoice;
use preview::GraphicsMode;
pub use report::terminal_report;
use terminal::{ColourChoice, Colours, LateAnswer, Screen};
use update::{Message, session};
pub use worklist::KnownFilms;

/// Images in flight for each background thread: no thread waits for the screen to send the next one.
const JOBS_PER_THREAD: usize = 2;
/// The most images in a batch that the walk sends, and the most messages handled between two frames.
const BATCH: usize = 2_000;

/// The settings and services that the screen starts with.
pub struct Options {
    pub paths: Vec<PathBuf>,
    pub graphics: GraphicsMode,
    pub colour: ColourChoice,
    pub look: Appearance,
    pub keymap: Keymap,
    /// How long the terminal may take to answer.
    pub probe: Duration,
    /// The size in KiB above which a picture comes coarse first; 0 means never, `None` decides by how long
    /// the terminal took to answer.
    pub coarse_above: Option<u32>,
    /// Prevalences that are assumed instead of the card's.
    pub assumed: Prevalences,
    /// Whether outcomes are shown from the start.
    pub prognosis: bool,
    /// The models to switch between, in the worker's order.
    pub models: Vec<ModelChoice>,
    /// The device that computes, in a word: `cpu`.
    pub device: String,
    /// The queue of reviews to save.
    pub reviews: Pending,
    /// The name recorded with each review.
    pub reviewer: String,
    /// Score the rest of the folder in the background.
    pub background: bool,
    /// Hide the model's answer until the reader has made a call; with a seed, in a random order.
    pub blinded: Option<Option<u64>>,
    /// A sitting of a study; `blinded` does not matter then.
    pub sitting: Option<StudySitting>,
    /// Begin at the top, and not where the reader left off.
    pub fresh: bool,
    /// Films of which a table tells patient, time or view.
    pub films: KnownFilms,
    /// What the screen has others do.
    pub hooks: ScreenHooks,
}

/// How the screen ended.
pub struct Left {
    /// The exit code.
    pub code: u8,
    /// One line about reviews that could not be written to the store, if there are any.
    pub unwritten: Option<String>,
    /// What the reader did; `None` if they reviewed no image.
    pub summary: Option<SittingSummary>,
}

/// Shows the screen until the reader leaves it. `start` starts the worker; it is called once the terminal is
/// taken.
///
/// # Errors
/// If the terminal cannot be read from or written to.
pub fn run(options: Options, start: impl FnOnce(OutcomeSink) -> Worker) -> io::Result<Left> {
    let (sender, receiver) = mpsc::channel();
    terminal::install_panic_hook();
    let ending = Arc::new(OnceLock::new());
    sources::listen_for_signals(&sender, ending.clone())?;
    let screen = Screen::enter(preview::delete_images)?;

    // Before any thread reads keys: the terminal's answers must not be taken for keys.
    let can = terminal::probe(options.probe);
    let variable = |name: &str| std::env::var(name).ok();
    let colours = terminal::colours(options.colour, variable);
    let look = options.look;
    let dress = Dress { look, colours };
    let theme = dress.theme(&can);
    // In ASCII an image made of cells consists of letters, which have no colours; pixels keep theirs.
    let of_cells = if theme.ascii { Colours::None } else { colours };
    let budget = preview::budget(options.coarse_above, &can);
    let (painter, reason) = preview::paired(options.graphics, &can, of_cells, budget);
    for key in can.typed.chars().map(terminal::typed_key) {
        let _ = sender.send(Message::Key(key));
    }
    let tmux_watch = sources::watch_tmux(&can, &sender);
    let late = LateAnswer::after(&can);
    let answers = late.may_come();
    let (key_gate, wait) = sources::key_gate()?;
    sources::listen_for_keys(sender.clone(), late, tmux_watch.clone(), wait);
    // The watch starts before the walk, so that a file that is added meanwhile is seen by one of the two. Where it takes
    // too long, the folders are walked again.
    let log = options.reviews.path().to_owned();
    let watch = sources::watch_disk(options.paths.clone(), log.clone(), sender.clone());
    scan::spawn_scan(
        options.paths.clone(),
        log.clone(),
        watch.stands,
        sender.clone(),
    );
    let session = Session::new(&options.paths);
    // One row of an open store: fast enough for this thread.
    let bookmark = options.reviews.store().filter(|_| !options.fresh);
    let bookmark =
        bookmark.and_then(|store| store.bookmark(&options.reviewer, &session.folders).ok()?);
    let to_loop = sender.clone();
    let recorder = Recorder::start(options.reviews, &options.reviewer, move |news| {
        let _ = to_loop.send(Message::Review(news));
    });
    // The only call: it cannot fail.
    let _ = ending.set(recorder.ending());
    let recorder = Rc::new(recorder);
    let to_loop = sender.clone();
    let worker = start(Arc::new(move |outcome| {
        let _ = to_loop.send(Message::Worker(outcome));
    }));

    let size = screen.terminal.size()?;
    let painting = painter.as_ref().map_or("off", |painter| painter.name());
    let mut model = Model::new(options.keymap, size, painting);
    model.colour = colours != Colours::None && painting != "letters";
    let coarse = preview::coarseness(options.graphics, painting, &can, &reason);
    model.coarse = coarse.map(Coarse::new);
    let remembered = remembered::load(&remembered::place(&log));
    model.is_first_time = remembered.is_none();
    model.sizes = remembered.unwrap_or_default();
    model.columns = options.look.columns;
    let roots: Arc<[PathBuf]> = options.paths.clone().into();
    model.worklist.set_roots(options.paths);
    model.worklist.set_known_films(options.films);
    match (options.sitting, options.blinded) {
        (Some(sitting), _) => model.read_for_study(sitting),
        (None, Some(seed)) => model.read_blinded(seed),
        (None, None) => {}
    }
    model.assumed = options.assumed;
    model.prognosis = options.prognosis;
    model.choices.all = options.models;
    if let Some(first) = model.choices.all.first() {
        model.worklist.use_model(&first.sha256);
    }
    model.device = options.device;
    model.reviews.reviewer = options.reviewer;
    session::begin(&mut model, session, bookmark);
    if options.background {
        model.background.state = BackgroundState::On;
        model.background.limit = JOBS_PER_THREAD * worker::background_threads();
    }
    let headers = sources::spawn_header_reader(sender.clone());
    let contents = sources::spawn_content_reader(sender.clone());
    let app = App {
        headers,
        contents,
        recorder: recorder.clone(),
        _watch: watch.hold,
        roots,
        log,
        sender,
        model,
        theme,
        dress,
        probe: options.probe,
        graphics: options.graphics,
        colours: of_cells,
        can,
        budget,
        tmux_watch,
        answers,
        painter,
        worker,
        hooks: options.hooks,
        key_gate,
        screen,
    };
    let (code, model) = match app.run(&receiver) {
        // The terminal was closed: that nothing can be drawn is not an error then.
        Err(_) if terminal::is_dead() => (terminal::HUNG_UP, None),
        ended => ended.map(|(code, model)| (code, Some(model)))?,
    };
    // The terminal is restored by now, so a slow disk does not keep the reader from the shell.
    let unwritten = Rc::into_inner(recorder).and_then(Recorder::end);
    Ok(Left {
        code,
        unwritten,
        summary: model.and_then(|model| summary(model, &receiver)),
    })
}

/// What the reader did, by what is in the log: its last news are heard now.
fn summary(mut model: Model, messages: &mpsc::Receiver<Message>) -> Option<SittingSummary> {
    for message in messages.try_iter() {
        if let Message::Review(_) = message {
            // Nothing is done any more.
            update::update(&mut model, message);
        }
    }
    model.summary()
}
