//! The way of the studies through the model, and of the objects to their folder.

use std::collections::HashSet;
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

/// Why a film has no result that its header is not of any more.
const REPLACED: &str = "it was replaced by another file after its header was read";

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
                film: path.to_owned(),
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

    /// Opens every film, and makes the objects of each study of what `look` saw. A film that was replaced after its
    /// header was read has failed: its picture may be of another patient than the header.
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
                let mut read = guarded(&open, |path: &Path, radiograph: &Radiograph| {
                    Ok((radiograph.content, look(path, radiograph)?))
                });
                let make = &make;
                move |study: Study| {
                    let films = study.films.into_iter().map(|film| {
                        let seen = read(&film.path).and_then(|(content, seen)| {
                            let is_same = content == film.header.content;
                            is_same
                                .then_some(seen)
                                .ok_or_else(|| Failure::Failed(REPLACED.to_owned()))
                        });
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
    /// The names of all objects of this run. `--force` is for those of others.
    names: HashSet<String>,
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
        for object in done.objects {
            if self.names.contains(&object.name) {
                let (film, name) = (path_text(&object.film), &object.name);
                complain(&format!(
                    "{film}: another film of this run has an object of the name {name}, so that this one is not written"
                ));
                self.problems += 1;
                continue;
            }
            match folder.write(&object)? {
                Ok(()) => {
                    self.number += 1;
                    self.names.insert(object.name);
                }
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
    use std::sync::Mutex;

    use super::*;
    use crate::cli::ColorWhen;
    use crate::imaging::DecodeLimits;
    use crate::inference::Compute;

    fn context() -> CommandContext {
        CommandContext {
            limits: DecodeLimits::default(),
            compute: Compute::default(),
            model: None,
            store: None,
            colour: ColorWhen::Never,
        }
    }

    fn arguments(films: &Path, output: &Path) -> ObjectArguments {
        ObjectArguments {
            paths: vec![films.to_owned()],
            output: output.to_owned(),
            force: false,
            with_patient: false,
            pseudonym_key: None,
            keep_uids: false,
            uid_root: None,
            store: None,
        }
    }

    /// The next patient's film comes under the same name after the headers were read.
    #[test]
    fn a_film_that_was_replaced_after_its_header_was_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let films = place.path().join("films");
        fs::create_dir(&films).unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        let put = |name: &str, sample: &str| fs::copy(samples.join(sample), films.join(name));
        put("kept.dcm", "clear_16bit.dcm").unwrap();
        put("replaced.dcm", "pneumonia_12bit_mono1.dcm").unwrap();
        let context = context();
        let arguments = arguments(&films, &place.path().join("out"));
        let run = ObjectRun::begin(&arguments, &context, None).unwrap();
        assert_eq!(run.studies.len(), 2);
        put("replaced.dcm", "covid_like_ap.dcm").unwrap();
        let seen = Mutex::new(Vec::new());
        let look = |_: &Path, radiograph: &Radiograph| Ok(radiograph.content);
        run.films(None, look, |films| {
            let mut all = seen.lock().unwrap();
            all.extend(films.into_iter().map(|(film, content)| {
                let name = film.path.file_name().unwrap().to_owned();
                (name, film.header.content, content)
            }));
            StudyObjects::default()
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        let [(_, header, content), (_, _, replaced)] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(content.as_ref(), Ok(header));
        let Err(Failure::Failed(reason)) = replaced else {
            panic!("{replaced:?}");
        };
        assert!(reason.contains("replaced"), "{reason}");
    }

    #[test]
    fn after_a_signal_no_object_of_some_of_the_films_is_written() {
        let place = tempfile::tempdir().unwrap();
        let films = place.path().join("films");
        fs::create_dir(&films).unwrap();
        let context = context();
        for (is_stopped, written) in [(false, 1), (true, 0)] {
            let arguments = arguments(&films, &place.path().join(written.to_string()));
            let run = ObjectRun::begin(&arguments, &context, None).unwrap();
            run.signals.stop().store(is_stopped, Ordering::Relaxed);
            let mut done = StudyObjects::default();
            done.objects.push(NamedObject {
                name: "kos-1.dcm".to_owned(),
                film: "film.dcm".into(),
                bytes: vec![1],
            });
            run.write(done).unwrap();
            let there = fs::read_dir(&arguments.output).unwrap().count();
            assert_eq!(there, written);
        }
    }

    #[test]
    fn no_object_of_a_run_lies_over_another_one_of_it() {
        let place = tempfile::tempdir().unwrap();
        let arguments = ObjectArguments {
            force: true,
            ..arguments(&place.path().join("films"), &place.path().join("out"))
        };
        let folder = ObjectFolder::of(&arguments).unwrap();
        let file = arguments.output.join("sc-1.dcm");
        fs::write(&file, "of a run before").unwrap();
        let mut written = WrittenObjects::default();
        for bytes in [vec![1], vec![2]] {
            let mut done = StudyObjects::default();
            done.objects.push(NamedObject {
                name: "sc-1.dcm".to_owned(),
                film: "film.dcm".into(),
                bytes,
            });
            written.take(&folder, done).unwrap();
        }
        assert_eq!((written.number, written.problems), (1, 1));
        assert_eq!(fs::read(&file).unwrap(), [1]);
    }
}
