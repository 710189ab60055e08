//! `cxr study`: the plan of a reader study, and how it goes.

mod check;
mod new;
mod order;
mod reference;
mod size;
mod status;
mod verify;

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;

use super::shared::reviews::not_opened;
use super::shared::study::{LoadedStudy, login, open_adjudication};
use super::shared::{CommandContext, Usage, complain, print};
use crate::cli::{CloseStudy, StudyAction};
use crate::domain::text::{Printable, clean};
use crate::store::{Store, study_event};

/// Runs `cxr study`.
///
/// # Errors
/// [`Usage`], if a file cannot be used; or if the store cannot be read or a file cannot be written.
pub fn run(action: &StudyAction, context: &CommandContext) -> Result<ExitCode> {
    match action {
        StudyAction::New(arguments) => new::run(arguments, context),
        StudyAction::Size(arguments) => size::run(&arguments.action),
        StudyAction::Check(of) => check::run(&of.study, context),
        StudyAction::Status(of) => status::run(&of.study),
        StudyAction::Verify(of) => verify::run(&of.study),
        StudyAction::Reference(arguments) => reference::run(arguments),
        StudyAction::Close(arguments) => close(arguments),
    }
}

/// Ends the readings of a study early, or, when these are over, its adjudication.
fn close(arguments: &CloseStudy) -> Result<ExitCode> {
    let study = LoadedStudy::read(&arguments.study)?;
    let reason = clean(&arguments.reason);
    if reason.trim().is_empty() {
        return Err(Usage::error("--reason: why, in a few words"));
    }
    let Some(read) = study.opened_store()? else {
        return Err(Usage::error(
            "no sitting has begun: there is nothing to close",
        ));
    };
    let name = &study.file.name;
    let (event, left) = match (read.open_study()?, open_adjudication(&read)?) {
        (Some(open), _) => (
            study_event::CLOSED,
            format!("{} readings not made", open.unread),
        ),
        (None, Some(open)) => (
            study_event::ENDED,
            format!("{} disagreements not decided", open.undecided),
        ),
        (None, None) => {
            return Err(Usage::error(format!("{name}: it is not open any more")));
        }
    };
    drop(read);
    let mut store = Store::open(&study.store_path()).map_err(not_opened)?;
    let detail = format!("{reason}; {left}; login {}", login());
    let digest = &study.file.digest;
    store.note_study_event(digest, "", event, &detail, SystemTime::now())?;
    let open = open_adjudication(&store)?;
    store.close();
    print(&Printable::page(&format!("{name}: closed, {left}\n")))?;
    if let Some(open) = open {
        complain(&format!(
            "{} disagreements are still to be decided by the adjudicators: until then the store stays shut; close it \
             again to end that too",
            open.undecided
        ));
    }
    Ok(ExitCode::SUCCESS)
}
