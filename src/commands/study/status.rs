//! `cxr study status`: how far each reader is. No result is shown.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::commands::shared::date::minute_of;
use crate::commands::shared::print;
use crate::commands::shared::study::{LoadedStudy, now_ms};
use crate::domain::text::Printable;
use crate::store::{StudyEvent, study_event};
use crate::study::{NextSitting, next_sitting};

pub fn run(path: &Path) -> Result<ExitCode> {
    let study = LoadedStudy::read(path)?;
    let (calls, events) = match study.opened_store()? {
        None => (Vec::new(), Vec::new()),
        Some(store) => (
            store.study_calls(&study.file.digest)?,
            store.study_events()?,
        ),
    };
    let mut page = format!("{}, SHA-256 {}\n", study.file.name, study.file.digest);
    let (mut read, mut expected) = (0, 0);
    for list in study.lists() {
        let progress = study.progress(&list, &calls, &events);
        for mode in &progress {
            let last = mode
                .last_ms
                .map_or_else(String::new, |last| format!(", last at {}", minute_of(last)));
            // Writing to a string cannot fail.
            let _ = writeln!(
                page,
                "  {} · {}: {} of {} read{last}",
                list.reader,
                mode.mode.word(),
                mode.read,
                mode.expected
            );
            (read, expected) = (read + mode.read, expected + mode.expected);
        }
        let next = next_sitting(&progress, study.file.washout_days, now_ms());
        let _ = writeln!(page, "  {} · {}", list.reader, next_words(next));
    }
    let _ = writeln!(page, "all readers: {read} of {expected} readings made");
    for event in &events {
        page += &event_line(event);
    }
    print(&Printable::page(&page))
}

fn next_words(next: NextSitting) -> String {
    match next {
        NextSitting::Open { mode, .. } => format!("next: {}, open", mode.word()),
        NextSitting::Wait { mode, until_ms } => format!(
            "next: {}, after the wash-out at {}",
            mode.word(),
            minute_of(until_ms)
        ),
        NextSitting::Done => "done".to_owned(),
    }
}

fn event_line(event: &StudyEvent) -> String {
    let reader = match event.reader.as_str() {
        "" => String::new(),
        reader => format!(" {reader}"),
    };
    let detail = match event.event.as_str() {
        study_event::BEGUN | study_event::REGISTERED => String::new(),
        _ if event.detail.is_empty() => String::new(),
        _ => format!(": {}", event.detail),
    };
    format!(
        "{} {}{reader}{detail}\n",
        minute_of(event.at_ms),
        event.event
    )
}
