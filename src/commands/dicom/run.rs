//! The way of the studies through the model, and of the objects to their folder.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};

use super::folder::{NamedObject, ObjectFolder};
use super::studies::{Study, StudyFilm, studies};
use crate::cli::ObjectArguments;
use crate::commands::shared::batch::{
    Crew, Signals, StatusCounts, Workers, guarded, in_order, silence_workers,
};
use crate::commands::shared::{
    BAD_USAGE, CommandContext, SOME_FAILED, Usage, available_cores, complain,
};
use crate::dicom::{DicomError, MadeObject};
use crate::domain::{Failure, Radiograph};
use crate::export::path_text;
use crate::library::exists;

/// The studies that were found, and what cannot be in one.
pub struct ObjectRun<'a> {
    context: &'a CommandContext,
    signals: Signals,
    folder: ObjectFolder,
    pub studies: Vec<Study>,
    /// Files that got no result, so far.
    problems: usize,
}

/// What became of a study.
#[derive(Default)]
pub struct StudyObjects {
    pub objects: Vec<NamedObject>,
    /// Lines that name what could not be made.
    pub problems: Vec<String>,
    /// Lines about films that could not be read, which `counts` has too.
    failures: Vec<String>,
    pub counts: StatusCounts,
}

impl StudyObjects {
    /// Takes up an object, or the reason why there is none.
    pub fn take(
        &mut self,
        path: &Path,
        name: impl FnOnce(&MadeObject) -> String,
        made: Result<MadeObject, DicomError>,
    ) {
        match made {
            Ok(object) => self.objects.push(NamedObject {
                name: name(&object),
                bytes: object.bytes,
            }),
            Err(error) => self.problem(path, &error.to_string()),
        }
    }

    /// Counts a film that could not be read.
    pub fn failed(&mut self, path: &Path, reason: &str) {
        self.counts.count(None);
        self.failures.push(format!("{}: {reason}", path_text(path)));
    }

    /// A line about a file.
    pub fn problem(&mut self, path: &Path, reason: &str) {
        self.problems.push(format!("{}: {reason}", path_text(path)));
    }
}

impl<'a> ObjectRun<'a> {
    /// Finds the studies, and complains about files that belong to none.
    ///
    /// # Errors
    /// [`Usage`], if the folder cannot be made or no path is there.
    pub fn begin(
        arguments: &ObjectArguments,
        context: &'a CommandContext,
        jobs: Option<NonZeroUsize>,
    ) -> Result<Self> {
        let missing = arguments.paths.iter().all(|path| !exists(path));
        if missing {
            let names: Vec<_> = arguments.paths.iter().map(|path| path_text(path)).collect();
            let names = names.join(", ");
            return Err(Usage::error(format!("no such file or folder: {names}")));
        }
        let folder = ObjectFolder::of(arguments)?;
        silence_workers();
        let signals = Signals::watch().context("watching for signals")?;
        let jobs = jobs.map_or_else(available_cores, usize::from);
        let found = studies(&arguments.paths, &context.limits, jobs, &signals)?;
        found.problems.iter().for_each(|line| complain(line));
        Ok(ObjectRun {
            context,
            signals,
            folder,
            studies: found.studies,
            problems: found.problems.len(),
        })
    }

    /// Opens every film, and makes the objects of each study of what `look` saw.
    ///
    /// # Errors
    /// If an object cannot be written.
    pub fn films<T>(
        mut self,
        jobs: Option<NonZeroUsize>,
        look: impl Fn(&Path, &Radiograph) -> Result<T, String> + Sync,
        make: impl Fn(Vec<(StudyFilm, Result<T, Failure>)>) -> StudyObjects + Sync,
    ) -> Result<ExitCode> {
        let crew = Crew::new(jobs, self.context.compute);
        let open = crew.decoders(&self.context.limits);
        let studies = std::mem::take(&mut self.studies);
        let found = studies.len();
        let mut written = WrittenObjects::default();
        in_order(
            Workers {
                jobs: crew.threads,
                ahead: 1,
            },
            self.signals.stop(),
            |give: &mut dyn FnMut(Study) -> ControlFlow<()>| {
                for study in studies {
                    if give(study).is_break() {
                        return;
                    }
                }
            },
            || {
                let mut read = guarded(&open, &look);
                let make = &make;
                move |study: Study| {
                    let films = study.films.into_iter().map(|film| {
                        let seen = read(&film.path);
                        (film, seen)
                    });
                    make(films.collect())
                }
            },
            |done: StudyObjects| written.take(&self.folder, done),
        )
        .context("writing objects")?;
        Ok(self.conclude(found, &written))
    }

    /// Writes objects that need no film to be opened. None after a signal: it may have come while headers were read, and
    /// an object of some films of a study looks like one of all of them.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(self, done: StudyObjects) -> Result<ExitCode> {
        let mut written = WrittenObjects::default();
        let found = self.studies.len();
        if !self.signals.stop().load(Ordering::Relaxed) {
            let taken = written.take(&self.folder, done);
            taken.context("writing objects")?;
        }
        Ok(self.conclude(found, &written))
    }

    fn conclude(&self, found: usize, written: &WrittenObjects) -> ExitCode {
        if let Some(code) = self.signals.exit_code() {
            return code;
        }
        if found == 0 {
            complain("no film with a study");
            return ExitCode::from(BAD_USAGE);
        }
        let folder = path_text(self.folder.path());
        let StatusCounts {
            ok,
            caution,
            refused,
            errors,
            ..
        } = &written.counts;
        let films = match ok + caution + refused + errors {
            0 => String::new(),
            _ => format!("{ok} ok, {caution} caution, {refused} refused, {errors} failed; "),
        };
        let number = written.number;
        let objects = match number {
            1 => "1 object".to_owned(),
            _ => format!("{number} objects"),
        };
        complain(&format!("{films}{objects} in {folder}"));
        if self.problems + written.problems + errors > 0 || number == 0 {
            ExitCode::from(SOME_FAILED)
        } else {
            ExitCode::SUCCESS
        }
    }
}

#[derive(Default)]
struct WrittenObjects {
    number: usize,
    problems: usize,
    counts: StatusCounts,
}

impl WrittenObjects {
    fn take(&mut self, folder: &ObjectFolder, done: StudyObjects) -> io::Result<()> {
        for line in done.failures.iter().chain(&done.problems) {
            complain(line);
        }
        self.problems += done.problems.len();
        self.counts.add(&done.counts);
        for object in &done.objects {
            match folder.write(object)? {
                Ok(()) => self.number += 1,
                Err(refusal) => {
                    complain(&refusal);
                    self.problems += 1;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::ColorWhen;
    use crate::imaging::DecodeLimits;
    use crate::inference::Compute;

    #[test]
    fn after_a_signal_no_object_of_some_of_the_films_is_written() {
        let place = tempfile::tempdir().unwrap();
        let films = place.path().join("films");
        fs::create_dir(&films).unwrap();
        let context = CommandContext {
            limits: DecodeLimits::default(),
            compute: Compute::default(),
            model: None,
            store: None,
            colour: ColorWhen::Never,
        };
        for (is_stopped, written) in [(false, 1), (true, 0)] {
            let arguments = ObjectArguments {
                paths: vec![films.clone()],
                output: place.path().join(written.to_string()),
                force: false,
                with_patient: false,
                pseudonym_key: None,
                keep_uids: false,
                uid_root: None,
                store: None,
            };
            let run = ObjectRun::begin(&arguments, &context, None).unwrap();
            run.signals.stop().store(is_stopped, Ordering::Relaxed);
            let mut done = StudyObjects::default();
            done.objects.push(NamedObject {
                name: "kos-1.dcm".to_owned(),
                bytes: vec![1],
            });
            run.write(done).unwrap();
            let there = fs::read_dir(&arguments.output).unwrap().count();
            assert_eq!(there, written);
        }
    }
}
