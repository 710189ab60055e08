//! The loop: takes messages, lets `update` change the model, runs the effects, and draws.

mod elsewhere;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};

use super::hooks::ScreenHooks;
use super::look::Appearance;
use super::model::{Coarse, GridLayout, Model};
use super::preview::{self, GraphicsMode, Painter};
use super::sources::KeyGate;
use super::terminal::{
    self, AnswersMayCome, Capabilities, Colours, Inside, Screen, Tmux, TmuxWatch,
};
use super::update::{Effect, Message, away, update};
use super::view::{self, Theme};
use super::{BATCH, clipboard, remembered, sources};
use crate::domain::Canvas;
use crate::store::{Recorder, Request};
use crate::worker::{HeaderJobs, JobOutcome, Worker};

/// The wake-up interval while work is under way: the sign of progress turns with it.
const TICK: Duration = Duration::from_millis(100);

/// A reader who asks for it waits at least this long for the terminal's answers.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// Everything that the loop needs.
pub struct App {
    pub model: Model,
    pub theme: Theme,
    /// What the theme follows, beside the terminal.
    pub dress: Dress,
    /// These three chose the painter, and choose another one when another terminal is attached to tmux.
    pub graphics: GraphicsMode,
    pub colours: Colours,
    pub can: Capabilities,
    /// How long the terminal may take to answer.
    pub probe: Duration,
    /// The size in bytes above which a picture comes coarse first.
    pub budget: Option<usize>,
    pub tmux_watch: Option<TmuxWatch>,
    pub answers: AnswersMayCome,
    pub painter: Option<Box<dyn Painter>>,
    pub recorder: Rc<Recorder>,
    /// Files whose headers are to be read; ends the header reader when it is dropped.
    pub headers: Sender<HeaderJobs>,
    /// Files of which it is to be found out which images they hold; ends that thread when it is dropped.
    pub contents: Sender<Vec<Arc<Path>>>,
    /// Ends the watch over the folders when it is dropped.
    pub _watch: Sender<()>,
    pub roots: Arc<[PathBuf]>,
    /// The file of the reviews: only the store may open it.
    pub log: PathBuf,
    /// Handed to the threads that look at the disk.
    pub sender: Sender<Message>,
    pub hooks: ScreenHooks,
    /// Lets no key be read while another program has the terminal.
    pub key_gate: KeyGate,
    pub screen: Screen,
    /// Dropped last: it may wait for the disk, and the terminal is restored by then.
    pub worker: Worker,
}

/// What the theme follows, beside the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Dress {
    pub look: Appearance,
    pub colours: Colours,
}

impl Dress {
    /// The theme for a terminal.
    pub fn theme(self, can: &Capabilities) -> Theme {
        let variable = |name: &str| std::env::var(name).ok();
        let ascii = self.look.ascii.is_on(variable);
        let palette = self.look.theme.palette(can.background, variable);
        Theme {
            is_light: can.is_xterm(),
            ..Theme::of(self.colours, palette, ascii)
        }
    }
}

impl App {
    /// Runs until the reader or a signal ends the program; returns the exit code, and what the screen knew then.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    pub fn run(mut self, messages: &Receiver<Message>) -> io::Result<(u8, Model)> {
        let code = self.run_until_the_end(messages)?;
        self.model.sitting.show(None, Instant::now());
        Ok((code, self.model))
    }

    fn run_until_the_end(&mut self, messages: &Receiver<Message>) -> io::Result<u8> {
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
            // All messages that have arrived by now are handled before the next frame.
            for message in std::iter::once(first).chain(messages.try_iter().take(BATCH)) {
                if let ControlFlow::Break(code) = self.take(message)? {
                    return Ok(code);
                }
            }
        }
    }

    /// The next message; `None` when all senders are gone. Without work under way it sleeps until a message
    /// arrives.
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
        self.ask_the_log(&message);
        if let Message::Attached(tmux) = message {
            self.adopt(tmux)?;
            return Ok(ControlFlow::Continue(()));
        }
        if let Message::HasKitty = message {
            self.can.answered = true;
            if !std::mem::replace(&mut self.can.kitty, true) {
                self.choose_painter()?;
            }
            return Ok(ControlFlow::Continue(()));
        }
        for effect in update(&mut self.model, message) {
            match effect {
                Effect::Select(job) => self.worker.select(job),
                Effect::Redraw(job) => self.worker.redraw(job),
                Effect::Compare(job) => self.worker.compare(job),
                Effect::ReadHeaders(jobs) => {
                    let _ = self.headers.send(jobs);
                }
                Effect::ReadContents(paths) => {
                    let _ = self.contents.send(paths);
                }
                Effect::ScoreInBackground(job) => self.worker.score_in_background(job),
                Effect::MakeThumbnails(jobs) => self.worker.make_thumbnails(jobs),
                Effect::CancelBackground => self.worker.cancel_background(),
                Effect::UseModel(generation, model) => self.worker.use_model(generation, model),
                Effect::Ask(request) => self.recorder.ask(request),
                Effect::Rescan { known, asked } => {
                    let (roots, log) = (self.roots.clone(), self.log.clone());
                    sources::spawn_rescan(roots, log, known, asked, self.sender.clone());
                }
                Effect::ReadHeader(source) => {
                    sources::spawn_header(source, self.sender.clone());
                }
                Effect::Date(undated) => sources::spawn_dating(undated, self.sender.clone()),
                Effect::Repaint => self.repaint()?,
                Effect::Copy(text) => clipboard::copy(&text, &self.can.inside)?,
                Effect::SavePicture(generation, frame) => self.save_picture(generation, frame),
                Effect::WriteReport {
                    generation,
                    source,
                    model,
                    heat_map,
                    assumed,
                    foretells,
                } => {
                    self.write_report(generation, source, model, heat_map, (assumed, foretells));
                }
                Effect::Open(target, film) => self.open(target, &film)?,
                Effect::Remember(sizes) => {
                    let _ = remembered::save(&remembered::place(&self.log), &sizes);
                }
                Effect::ProbeAgain => self.probe_again()?,
                Effect::Suspend => self.suspend()?,
                Effect::Quit(code) => return Ok(ControlFlow::Break(code)),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Asks the log about the images in a message. The answers arrive as messages of their own, later.
    fn ask_the_log(&self, message: &Message) {
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
                let existing = touched.iter().filter(|touched| touched.exists);
                let paths: Vec<_> = existing.map(|touched| touched.path.clone()).collect();
                self.recorder.ask(Request::Found(paths.clone()));
                self.ask_whether_seen(paths);
            }
            Message::Contents(files) => {
                let read = files.iter().map(|file| {
                    let content = file.content.map(|(content, _)| content);
                    (file.path.clone(), content)
                });
                self.recorder.ask(Request::Compared(read.collect()));
                self.ask_whether_seen(files.iter().map(|file| file.path.clone()).collect());
            }
            _ => {}
        }
    }

    /// Whether the reader saw an answer before matters only in blinded reading.
    fn ask_whether_seen(&self, images: Vec<Arc<Path>>) {
        if self.model.blinded.is_some() {
            self.recorder.ask(Request::WereAnswersSeen(images));
        }
    }

    /// Tells the model where its panes will be, if that has changed.
    fn lay_out(&mut self) -> io::Result<ControlFlow<u8>> {
        if let ControlFlow::Break(code) = self.lay_out_grid()? {
            return Ok(ControlFlow::Break(code));
        }
        let layout = view::pane_layout(&self.model);
        // Without a painter no image is shown, but images are still opened and classified.
        let nothing = Canvas {
            width: 0,
            height: 0,
            pixel_aspect: 1.0,
        };
        let canvas = self
            .painter
            .as_ref()
            .map_or(nothing, |painter| painter.canvas(layout.image));
        let compared = self.painter.as_ref().zip(layout.split);
        let compared = compared.map(|(painter, split)| painter.canvas(split.compared.image));
        let model = &self.model;
        if model.panes == layout.panes()
            && model.viewer.canvas == Some(canvas)
            && model.comparison.canvas == compared
        {
            return Ok(ControlFlow::Continue(()));
        }
        self.take(Message::LaidOut {
            panes: layout.panes(),
            canvas,
            compared,
        })
    }

    /// Tells the model how many pixels a picture of the grid has, if that has changed.
    fn lay_out_grid(&mut self) -> io::Result<ControlFlow<u8>> {
        // Without a painter there are no pictures.
        let Some(painter) = self.painter.as_ref().filter(|_| self.model.grid.is_open) else {
            return Ok(ControlFlow::Continue(()));
        };
        let layout = self.model.grid.layout(self.model.size);
        let canvas = painter.canvas(GridLayout::picture(layout.tile(0)));
        if self.model.grid.canvas == Some(canvas) {
            return Ok(ControlFlow::Continue(()));
        }
        self.take(Message::GridLaidOut(canvas))
    }

    fn suspend(&mut self) -> io::Result<()> {
        if away(&mut self.model, || self.screen.suspend())? {
            self.repaint()
        } else {
            self.model.notice = Some("no shell here to suspend to".to_owned());
            Ok(())
        }
    }

    /// Adapts to a terminal that was attached to tmux: it has none of the pictures yet, and may need
    /// another painter.
    fn adopt(&mut self, tmux: Box<Tmux>) -> io::Result<()> {
        self.can.cell = tmux.cell.or(self.can.cell);
        self.can.inside = Inside::Tmux(tmux);
        self.choose_painter()
    }

    /// Chooses the painter for what is now known of the terminal.
    fn choose_painter(&mut self) -> io::Result<()> {
        let chosen = preview::paired(self.graphics, &self.can, self.colours, self.budget);
        self.use_painter(chosen)
    }

    fn use_painter(
        &mut self,
        (painter, reason): (Option<Box<dyn Painter>>, terminal::Reason),
    ) -> io::Result<()> {
        let painting = painter.as_ref().map_or("off", |painter| painter.name());
        self.model.painting = painting;
        let coarse = preview::coarseness(self.graphics, painting, &self.can, &reason);
        self.model.coarse = coarse.map(Coarse::new);
        if let Some(before) = &mut self.painter {
            before.finish(None)?;
            before.finish_tiles(&[])?;
        }
        self.painter = painter;
        self.repaint()
    }

    /// Asks again what the terminal can do, where it shows less than a terminal could. tmux answers in a message.
    fn probe_again(&mut self) -> io::Result<()> {
        if self.graphics != GraphicsMode::Auto {
            return Ok(());
        }
        match &self.can.inside {
            Inside::Tmux(_) => {
                sources::ask_tmux_again(self.sender.clone());
                Ok(())
            }
            _ if self.can.answered && self.model.coarse.is_none() => Ok(()),
            _ => self.ask_the_terminal(),
        }
    }

    /// Asks the terminal itself, while no key is read: its answers could not be told from keys.
    fn ask_the_terminal(&mut self) -> io::Result<()> {
        self.model.notice = Some("asking the terminal what it can show …".to_owned());
        self.draw()?;
        let Some(pause) = self.key_gate.pause() else {
            self.model.notice = Some("not asked: a key is being read, try again".to_owned());
            return Ok(());
        };
        let can = terminal::probe(ASKED_AGAIN.max(self.probe));
        // Before keys are read again: for sixel the terminal is asked once more.
        let chosen = preview::paired(self.graphics, &can, self.colours, self.budget);
        drop(pause);
        for key in can.typed.chars().map(terminal::typed_key) {
            let _ = self.sender.send(Message::Key(key));
        }
        if !can.answered {
            self.answers.note();
            self.model.notice = Some("the terminal did not answer".to_owned());
            return Ok(());
        }
        self.can = can;
        self.theme = self.dress.theme(&self.can);
        self.use_painter(chosen)?;
        self.model.notice = Some(format!("the terminal shows: {}", self.model.painting));
        Ok(())
    }

    fn repaint(&mut self) -> io::Result<()> {
        if let Some(painter) = &mut self.painter {
            painter.finish(None)?;
            painter.finish_tiles(&[])?;
            painter.forget();
            // Another font has cells of another size, even where the number of cells stays the same.
            if let Some(cell) = terminal::cell_from_system() {
                painter.set_cell(cell);
            }
        }
        self.model.size = self.screen.clear()?;
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        crossterm::execute!(io::stdout(), BeginSynchronizedUpdate)?;
        let (mut target, mut tiles) = (None, Vec::new());
        self.screen.terminal.draw(|frame| {
            let painter = self.painter.as_deref_mut();
            if self.model.grid.is_open {
                tiles = view::draw_grid(&self.model, &self.theme, painter, frame);
            } else {
                target = view::draw(&self.model, &self.theme, painter, frame);
            }
        })?;
        if let Some(painter) = &mut self.painter {
            painter.finish(target.as_ref())?;
            painter.finish_tiles(&tiles)?;
            let sent = painter.take_sent();
            if let Some(tmux_watch) = self.tmux_watch.as_ref().filter(|_| sent > 0) {
                tmux_watch.sent(sent);
            }
        }
        crossterm::execute!(io::stdout(), EndSynchronizedUpdate)
    }
}
