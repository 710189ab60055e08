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
//! The loop sleeps on the channel; it wakes by itself only while something moves.

pub mod keymap;
pub mod look;
mod model;
pub mod preview;
pub mod terminal;
mod update;
mod view;
pub(crate) mod worklist;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::layout::Size;

use crate::domain::text::clean;
use crate::domain::{Canvas, Prevalences};
use crate::library::{self, KnownFile, WalkItem};
use crate::store::{self, Ending, Pending, Recorder, Request};
use crate::worker::{self, JobOutcome, OutcomeSink, Worker};
use keymap::Keymap;
pub use look::Appearance;
pub use model::ModelChoice;
use model::{BackgroundState, Model, Session};
use preview::{Colours, GraphicsMode, Painter};
use terminal::{
    Attendant, Capabilities, ColourChoice, Inside, LateAnswer, Notice, Screen, Signal, Tmux,
};
use update::{Effect, Message, session, update};
use view::Theme;
use view::layout::PaneLayout;
use worklist::Undated;

/// Images that are sent for at once, for each thread that reads them: none waits for the screen.
const AHEAD: usize = 2;
/// A wake-up while something moves: the sign of progress turns with it.
const TICK: Duration = Duration::from_millis(100);
/// Whoever has pressed no key for so long may sit at another terminal now.
const AWAY: Duration = Duration::from_secs(2);
/// How long reviews that are not on the disk may keep a program that was told to end: longer than the
/// recorder takes to write them to the store or beside it.
const LAST_REVIEWS: Duration = Duration::from_secs(20);
/// Found images come in batches no larger and no older than these.
const BATCH: usize = 2_000;
const BATCH_AGE: Duration = Duration::from_millis(40);

/// What the screen is started with.
pub struct Options {
    pub paths: Vec<PathBuf>,
    pub graphics: GraphicsMode,
    pub colour: ColourChoice,
    pub look: Appearance,
    pub keymap: Keymap,
    /// How long the terminal may take to answer.
    pub probe: Duration,
    /// KiB beyond which a picture comes coarse first; 0 for never.
    pub coarse_above: Option<u32>,
    /// Prevalences that are assumed instead of the card's.
    pub assumed: Prevalences,
    /// The models to switch between, in the worker's order.
    pub models: Vec<ModelChoice>,
    /// What computes, in a word: `cpu`.
    pub device: String,
    /// Where reviews go, and in whose name.
    pub reviews: Pending,
    pub reviewer: String,
    /// Read the rest of the folder behind what is looked at.
    pub background: bool,
    /// Hide what the model says until the reader has made a call; with a seed, in a random order.
    pub blinded: Option<Option<u64>>,
    /// Begin at the top, whatever was left.
    pub fresh: bool,
}

/// How it was left.
pub struct Left {
    pub code: u8,
    /// What could not be written to the review log, if there is something.
    pub unwritten: Option<String>,
}

/// Shows the screen until the reader leaves it, and says with which exit code. `start` is called
/// once the terminal is taken.
///
/// # Errors
/// If the terminal cannot be read from or written to.
pub fn run(options: Options, start: impl FnOnce(OutcomeSink) -> Worker) -> io::Result<Left> {
    let (sender, receiver) = mpsc::channel();
    terminal::install_panic_hook();
    let ending = Arc::new(OnceLock::new());
    listen_for_signals(&sender, ending.clone())?;
    let screen = Screen::enter()?;

    // Before any thread reads keys: the answers must not become some.
    let can = terminal::probe(options.probe);
    let variable = |name: &str| std::env::var(name).ok();
    let colours = terminal::colours(options.colour, variable);
    let ascii = options.look.ascii.holds(variable);
    let theme = Theme::of(colours, options.look.theme.palette(variable), ascii);
    // Without colours an image of cells is made of letters, and pixels are what they are.
    let of_cells = if ascii { Colours::None } else { colours };
    let (painter, _) = preview::choose(options.graphics, &can, of_cells);
    let budget = preview::budget(options.coarse_above, &can);
    let painter = preview::within(budget, painter);
    for key in can.typed.chars().map(typed_key) {
        let _ = sender.send(Message::Key(key));
    }
    let attendant = attend(&can, &sender);
    listen_for_keys(sender.clone(), LateAnswer::after(&can), attendant.clone());
    // Before the walk: what comes during it is seen by one of the two.
    let log = options.reviews.path().to_owned();
    let watch = watch_disk(options.paths.clone(), log.clone(), sender.clone());
    spawn_scan(options.paths.clone(), log.clone(), sender.clone());
    let dates = sender.clone();
    let session = Session::new(&options.paths);
    // One row of a store that is open: nothing to wait for.
    let mark = options.reviews.store().filter(|_| !options.fresh);
    let mark = mark.and_then(|store| store.bookmark(&options.reviewer, &session.folders).ok()?);
    let news = sender.clone();
    let recorder = Recorder::start(options.reviews, &options.reviewer, move |tidings| {
        let _ = news.send(Message::Review(tidings));
    });
    // It is set once.
    let _ = ending.set(recorder.ending());
    let recorder = Rc::new(recorder);
    let worker = start(Arc::new(move |outcome| {
        let _ = sender.send(Message::Worker(outcome));
    }));

    let size = screen.terminal.size()?;
    let painting = painter.as_ref().map_or("off", |painter| painter.name());
    let mut model = Model::new(options.keymap, size, painting);
    model.colour = colours != Colours::None && painting != "letters";
    model.columns = options.look.columns;
    let roots: Arc<[PathBuf]> = options.paths.clone().into();
    model.worklist.set_roots(options.paths);
    if let Some(seed) = options.blinded {
        model.read_blinded(seed);
    }
    model.assumed = options.assumed;
    model.choices.all = options.models;
    model.device = options.device;
    model.reviews.reviewer = options.reviewer;
    session::begin(&mut model, session, mark);
    if options.background {
        model.background.reading = BackgroundState::On;
        model.background.ahead = AHEAD * worker::threads_behind();
    }
    let app = App {
        recorder: recorder.clone(),
        _watch: watch,
        roots,
        log,
        dates,
        model,
        theme,
        graphics: options.graphics,
        colours: of_cells,
        can,
        budget,
        attendant,
        painter,
        worker,
        screen,
    };
    let code = match app.run(&receiver) {
        // That nothing can be drawn is no failure of a program whose terminal was closed.
        Err(_) if terminal::is_dead() => terminal::HUNG_UP,
        ended => ended?,
    };
    // The terminal is given back by now: a slow disk keeps nobody from the shell's screen.
    let unwritten = Rc::into_inner(recorder).and_then(Recorder::end);
    Ok(Left { code, unwritten })
}

/// A key from the byte that a terminal sends for it.
fn typed_key(c: char) -> KeyEvent {
    match c {
        '\r' => KeyCode::Enter.into(),
        '\u{1}'..='\u{1a}' => {
            let letter = char::from(c as u8 + b'a' - 1);
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
        }
        c => KeyCode::Char(c).into(),
    }
}

/// The pieces that the loop holds together.
struct App {
    model: Model,
    theme: Theme,
    /// What the painter was chosen by.
    graphics: GraphicsMode,
    colours: Colours,
    can: Capabilities,
    /// Bytes beyond which a picture comes coarse first.
    budget: Option<usize>,
    attendant: Option<Attendant>,
    painter: Option<Box<dyn Painter>>,
    recorder: Rc<Recorder>,
    /// Ends the watch over the folders when it is dropped.
    _watch: Sender<()>,
    roots: Arc<[PathBuf]>,
    /// The file of the reviews, which nothing but the store may open.
    log: PathBuf,
    /// For what looks at the disk by itself.
    dates: Sender<Message>,
    screen: Screen,
    /// Dropped last: it may wait for the disk, and the terminal is given back by then.
    worker: Worker,
}

impl App {
    fn run(mut self, messages: &Receiver<Message>) -> io::Result<u8> {
        loop {
            if let ControlFlow::Break(code) = self.lay_out()? {
                return Ok(code);
            }
            self.draw()?;
            if self.model.awaits_drawing()
                && let ControlFlow::Break(code) = self.take(Message::Drawn)?
            {
                return Ok(code);
            }
            let Some(first) = self.wait(messages) else {
                return Ok(0);
            };
            // Everything that has come meanwhile is taken in before the next frame.
            for message in std::iter::once(first).chain(messages.try_iter().take(BATCH)) {
                if let ControlFlow::Break(code) = self.take(message)? {
                    return Ok(code);
                }
            }
        }
    }

    /// The next message; `None` when nobody is left to send one.
    fn wait(&self, messages: &Receiver<Message>) -> Option<Message> {
        let due = self.painter.as_ref().and_then(|painter| painter.due());
        let due = due.map(|due| due.saturating_duration_since(Instant::now()));
        let tick = self.model.is_busy().then_some(TICK);
        let Some(longest) = due.into_iter().chain(tick).min() else {
            return messages.recv().ok();
        };
        match messages.recv_timeout(longest) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => Some(Message::Tick),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn take(&mut self, message: Message) -> io::Result<ControlFlow<u8>> {
        if let Message::Several(messages) = message {
            for message in messages {
                if let ControlFlow::Break(code) = self.take(message)? {
                    return Ok(ControlFlow::Break(code));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        self.look_up(&message);
        if let Message::Attached(tmux) = message {
            self.adopt(tmux)?;
            return Ok(ControlFlow::Continue(()));
        }
        for effect in update(&mut self.model, message) {
            match effect {
                Effect::Select(job) => self.worker.select(job),
                Effect::Redraw(job) => self.worker.redraw(job),
                Effect::ReadBehind(errand) => self.worker.read_behind(errand),
                Effect::PutOff => self.worker.put_off(),
                Effect::UseModel(generation, model) => self.worker.use_model(generation, model),
                Effect::Ask(request) => self.recorder.ask(request),
                Effect::Rescan(known) => {
                    let (roots, log) = (self.roots.clone(), self.log.clone());
                    spawn_rescan(roots, log, known, self.dates.clone());
                }
                Effect::Date(undated) => spawn_dating(undated, self.dates.clone()),
                Effect::Repaint => self.repaint()?,
                Effect::Suspend => self.suspend()?,
                Effect::Quit(code) => return Ok(ControlFlow::Break(code)),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Asks the log of whatever comes in sight. The answers come after the message.
    fn look_up(&self, message: &Message) {
        match message {
            Message::Found { images, .. } if !images.is_empty() => {
                self.recorder.ask(Request::Found(images.clone()));
                self.ask_whether_seen(images.clone());
            }
            Message::Worker(JobOutcome::Opened {
                source,
                result: Ok(facts),
                ..
            }) => {
                let request = Request::Opened(source.clone(), facts.content);
                self.recorder.ask(request);
                self.ask_whether_seen(vec![source.clone()]);
            }
            Message::Touched { touched, .. } => {
                let there = touched.iter().filter(|touched| touched.exists);
                let paths: Vec<_> = there.map(|touched| touched.path.clone()).collect();
                self.recorder.ask(Request::Found(paths.clone()));
                self.ask_whether_seen(paths);
            }
            _ => {}
        }
    }

    /// What was seen before matters only to who reads blinded.
    fn ask_whether_seen(&self, images: Vec<Arc<Path>>) {
        if self.model.blinded.is_some() {
            self.recorder.ask(Request::WereAnswersSeen(images));
        }
    }

    /// Tells the model where its panes will be, if that has changed.
    fn lay_out(&mut self) -> io::Result<ControlFlow<u8>> {
        let layout = PaneLayout::of(&self.model);
        // Without a painter nothing is shown, and images are still opened and classified.
        let nothing = Canvas {
            width: 0,
            height: 0,
            pixel_aspect: 1.0,
        };
        let canvas = self
            .painter
            .as_ref()
            .map_or(nothing, |painter| painter.canvas(layout.image));
        if self.model.panes == layout.panes() && self.model.viewer.canvas == Some(canvas) {
            return Ok(ControlFlow::Continue(()));
        }
        self.take(Message::LaidOut {
            panes: layout.panes(),
            canvas,
        })
    }

    fn suspend(&mut self) -> io::Result<()> {
        if self.screen.suspend()? {
            self.repaint()
        } else {
            self.model.notice = Some("no shell here to suspend to".to_owned());
            Ok(())
        }
    }

    /// Another terminal has come to look: it has none of the pictures, and may have another way.
    fn adopt(&mut self, tmux: Box<Tmux>) -> io::Result<()> {
        self.can.cell = tmux.cell.or(self.can.cell);
        self.can.inside = Inside::Tmux(tmux);
        let (painter, _) = preview::choose(self.graphics, &self.can, self.colours);
        self.model.painting = painter.as_ref().map_or("off", |painter| painter.name());
        self.painter = preview::within(self.budget, painter);
        self.repaint()
    }

    fn repaint(&mut self) -> io::Result<()> {
        if let Some(painter) = &mut self.painter {
            painter.finish(None)?;
            painter.forget();
            // Another font has other cells, and the same number of them may be left.
            if let Some(cell) = terminal::cell_from_system() {
                painter.set_cell(cell);
            }
        }
        self.model.size = self.screen.clear()?;
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        crossterm::execute!(io::stdout(), BeginSynchronizedUpdate)?;
        let mut target = None;
        self.screen.terminal.draw(|frame| {
            let painter = self.painter.as_deref_mut();
            target = view::draw(&self.model, &self.theme, painter, frame);
        })?;
        if let Some(painter) = &mut self.painter {
            painter.finish(target.as_ref())?;
            let sent = painter.take_sent();
            if let Some(attendant) = self.attendant.as_ref().filter(|_| sent > 0) {
                attendant.sent(sent);
            }
        }
        crossterm::execute!(io::stdout(), EndSynchronizedUpdate)
    }
}

/// Signals become messages, from before the terminal is taken. The thread that draws may hang in a write
/// to a line that is dead: then reviews are written without it.
fn listen_for_signals(sender: &Sender<Message>, ending: Arc<OnceLock<Ending>>) -> io::Result<()> {
    let sender = sender.clone();
    let notify = move |signal| {
        let _ = sender.send(match signal {
            Signal::Quit(code) => Message::Quit(code),
            Signal::Suspend => Message::Suspend,
            Signal::Resume => Message::Refresh,
        });
    };
    terminal::watch(notify, move || {
        if let Some(ending) = ending.get() {
            ending.end_within(LAST_REVIEWS);
        }
    })
}

/// Has tmux watched, if there is one: other terminals may come to look.
fn attend(can: &Capabilities, sender: &Sender<Message>) -> Option<Attendant> {
    let Inside::Tmux(tmux) = &can.inside else {
        return None;
    };
    let sender = sender.clone();
    Some(Attendant::start(tmux.as_ref().clone(), move |notice| {
        let _ = sender.send(match notice {
            Notice::Attached(now) => Message::Attached(now.into()),
            Notice::Lost => Message::Refresh,
        });
    }))
}

/// Keys and the mouse become messages.
fn listen_for_keys(sender: Sender<Message>, mut late: LateAnswer, attendant: Option<Attendant>) {
    thread::spawn(move || {
        let mut last = Instant::now();
        while let Some(events) = next_events() {
            // Whoever comes back may come from elsewhere.
            let back = |event: &Event| matches!(event, Event::FocusGained | Event::Resize(..));
            let back = events.iter().any(back);
            let pause = std::mem::replace(&mut last, Instant::now()).elapsed();
            if let Some(attendant) = attendant.as_ref().filter(|_| back || pause > AWAY) {
                attendant.look();
            }
            let messages = events.into_iter().filter_map(|event| match event {
                Event::Key(key) if late.swallows(&key) => None,
                Event::Key(key) => Some(Message::Key(key)),
                Event::Mouse(mouse) => Some(Message::Mouse(mouse)),
                Event::Paste(text) => Some(Message::Paste(text)),
                Event::Resize(width, height) => {
                    let size = terminal::drawable(Size { width, height });
                    Some(Message::Resize(size))
                }
                Event::FocusGained | Event::FocusLost => None,
            });
            let message = match messages.collect::<Vec<_>>() {
                messages if messages.is_empty() => continue,
                messages => Message::Several(messages),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
}

/// Waits for an event, and takes with it what has come already: nobody has seen what the first led to
/// when the last was typed, so nothing is drawn between them. `None` if the terminal cannot be read.
fn next_events() -> Option<Vec<Event>> {
    let mut events = vec![event::read().ok()?];
    while events.len() < BATCH && event::poll(Duration::ZERO).unwrap_or(false) {
        events.push(event::read().ok()?);
    }
    Some(events)
}

/// Walks the folders, and sends what it finds in batches. The files of the review log are left alone,
/// under any name: to open and close one would take the log's locks away.
fn spawn_scan(paths: Vec<PathBuf>, log: PathBuf, sender: Sender<Message>) {
    thread::spawn(move || {
        let mut images: Vec<Arc<Path>> = Vec::new();
        let mut problems = Vec::new();
        let mut left_out = Vec::new();
        let mut since = Instant::now();
        let is_log = |path: &Path| store::is_part_of(&log, path);
        library::scan_except(&paths, is_log, |found| {
            match found {
                WalkItem::Image(path) => images.push(path.into()),
                WalkItem::Unread { path, format } => left_out.push((path.into(), format)),
                WalkItem::Problem { path, reason } => {
                    problems.push(clean(&format!("{}: {reason}", path.display())));
                }
            }
            if images.len() < BATCH && since.elapsed() < BATCH_AGE {
                return ControlFlow::Continue(());
            }
            since = Instant::now();
            if !left_out.is_empty() {
                let _ = sender.send(Message::LeftOut(std::mem::take(&mut left_out)));
            }
            let (images, problems) = (std::mem::take(&mut images), std::mem::take(&mut problems));
            match sender.send(Message::Found { images, problems }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        let _ = sender.send(Message::LeftOut(left_out));
        let _ = sender.send(Message::Found { images, problems });
        let _ = sender.send(Message::ScanFinished);
    });
}

/// Has what becomes of files told until the other end is dropped, where the system does: elsewhere a
/// key looks for them. A large tree takes a while to be watched, and nothing waits for it.
fn watch_disk(roots: Vec<PathBuf>, log: PathBuf, sender: Sender<Message>) -> Sender<()> {
    let (hold, held) = mpsc::channel::<()>();
    thread::spawn(move || {
        let is_log = move |path: &Path| store::is_part_of(&log, path);
        let watch = library::watch(&roots, is_log, move |touched| {
            let asked = false;
            let _ = sender.send(Message::Touched { touched, asked });
        });
        if watch.is_ok() {
            let _ = held.recv();
        }
    });
    hold
}

/// Walks the folders again.
fn spawn_rescan(
    roots: Arc<[PathBuf]>,
    log: PathBuf,
    known: Vec<KnownFile>,
    sender: Sender<Message>,
) {
    thread::spawn(move || {
        let is_log = |path: &Path| store::is_part_of(&log, path);
        let touched = library::rescan(&roots, is_log, &known);
        let asked = true;
        let _ = sender.send(Message::Touched { touched, asked });
    });
}

/// Asks the disk, which may be slow, when files were changed last.
fn spawn_dating(undated: Undated, sender: Sender<Message>) {
    thread::spawn(move || {
        let times = undated.paths.iter().map(|path| library::changed(path));
        let _ = sender.send(Message::Dated {
            first: undated.first,
            times: times.collect(),
        });
    });
}
