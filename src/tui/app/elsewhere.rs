//! Effects that reach beyond the screen: files that are written, and programs that are started.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::App;
use crate::domain::text::clean;
use crate::domain::{HeatMapChoice, Prevalences};
use crate::starting;
use crate::tui::hooks::{Hook, OpenTarget, PictureOrder, ReportOrder};
use crate::tui::update::{Message, away};
use crate::worker::{Generation, RenderRequest};

const ANOTHER: &str = "another image came on the screen: nothing was written";

impl App {
    /// Writes the picture of the selected film, on a thread of its own.
    pub(super) fn save_picture(&mut self, generation: Generation, frame: RenderRequest) {
        match self.worker.film(generation) {
            Some(film) => self.order(&self.hooks.picture, PictureOrder { film, frame }),
            None => self.model.notice = Some(ANOTHER.to_owned()),
        }
    }

    /// Writes the report of the selected film, likewise.
    pub(super) fn write_report(
        &mut self,
        generation: Generation,
        source: Arc<Path>,
        model: String,
        heat_map: HeatMapChoice,
        (assumed, foretells): (Prevalences, bool),
    ) {
        let Some(film) = self.worker.film(generation) else {
            self.model.notice = Some(ANOTHER.to_owned());
            return;
        };
        let order = ReportOrder {
            film,
            source,
            model,
            heat_map,
            assumed,
            foretells,
        };
        self.order(&self.hooks.report, order);
    }

    fn order<T: Send + 'static>(&self, hook: &Hook<T>, order: T) {
        let (hook, sender) = (hook.clone(), self.sender.clone());
        thread::spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(|| hook(&order)));
            let words = match done {
                Ok(Ok(words)) => words,
                Ok(Err(reason)) => format!("not written: {reason}"),
                Err(_) => "not written: cxr failed on this image".to_owned(),
            };
            let _ = sender.send(Message::Finished(clean(&words)));
        });
    }

    /// Opens a film, or its folder, in the program of the configuration.
    pub(super) fn open(&mut self, target: OpenTarget, film: &Path) -> io::Result<()> {
        let (program, key) = match target {
            OpenTarget::Film => (&self.hooks.open.film, "film"),
            OpenTarget::Folder => (&self.hooks.open.folder, "folder"),
        };
        let Some(program) = program.clone() else {
            self.model.notice = Some(format!(
                "no program to open it: [open] {key} in the configuration names one"
            ));
            return Ok(());
        };
        let path = match target {
            OpenTarget::Film => Some(film).filter(|film| film.is_file()),
            OpenTarget::Folder => film.parent().map(|folder| match folder.as_os_str() {
                // The film's name alone: it is in the current folder.
                name if name.is_empty() => Path::new("."),
                _ => folder,
            }),
        };
        let path = path.filter(|path| path.exists());
        let Some(path) = path.map(Path::to_owned) else {
            self.model.notice = Some(
                "nothing to open: it is no file of this disk (in an archive, of a PACS, or gone)"
                    .to_owned(),
            );
            return Ok(());
        };
        if !program.takes_terminal {
            self.model.notice = Some(format!("opening it in {} …", program.name()));
            let sender = self.sender.clone();
            thread::spawn(move || {
                if let Err(reason) = program.run_beside(&path) {
                    let _ = sender.send(Message::Finished(clean(&reason)));
                }
            });
            return Ok(());
        }
        let ended = {
            // No key reaches this program while the other one has the terminal.
            let pause = self.key_gate.pause();
            if pause.is_none() {
                self.model.notice = Some("not opened: a key is being read, try again".to_owned());
                return Ok(());
            }
            let screen = &mut self.screen;
            away(&mut self.model, || {
                screen.lend(|| {
                    let run = program
                        .command(&path)
                        .and_then(|mut command| starting::spawn(&mut command)?.wait());
                    program.ended(run)
                })
            })?
        };
        self.model.notice = ended.err();
        self.repaint()
    }
}
