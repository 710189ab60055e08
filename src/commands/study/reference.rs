//! `cxr study reference`: what readers and adjudicators decided, as a table of cases.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::ReferenceOfStudy;
use crate::commands::shared::output_file::{refuse_input, refuse_to_replace, write_whole};
use crate::commands::shared::study::{LoadedStudy, PanelCalls};
use crate::commands::shared::{SOME_FAILED, Usage, complain, print};
use crate::domain::text::Printable;
use crate::export::{Cell, TableFormat, TableWriter, path_text};
use crate::study::{DecisionKind, PanelDecision, reference_mode};

pub fn run(arguments: &ReferenceOfStudy) -> Result<ExitCode> {
    let output = arguments.output.as_path();
    if output.extension().is_none_or(|ending| ending != "csv") {
        return Err(Usage::error(format!(
            "-o {}: a .csv file, please",
            path_text(output)
        )));
    }
    refuse_to_replace(output, arguments.force)?;
    let study = LoadedStudy::read(&arguments.study)?;
    let list = study.folder.join(&study.file.cases.file);
    refuse_input("-o", output, [&*study.path, &list])?;
    let Some(store) = study.opened_store()? else {
        return Err(Usage::error("no sitting has begun: nothing is decided"));
    };
    if let Some(open) = store.open_study()? {
        return Err(Usage::error(format!(
            "{} readings of the study are still to be made",
            open.unread
        )));
    }
    let mode = reference_mode(&study.file).word();
    let panel = PanelCalls::read(&study.file.digest, mode, &store)?;
    let table = DecisionTable::of(&study, &panel)?;
    write_whole(output, &table.bytes, arguments.force)?;
    let columns = study.file.questions.iter();
    let columns: String = columns
        .map(|label| format!(" --label-column {:?}", format!("{label}={label}")))
        .collect();
    print(&Printable::page(&format!(
        "{} cases, {} questions each: {} by consensus, {} adjudicated, {} undecided\n\
         cxr evaluate -m {}{columns}\n",
        study.list.cases.len(),
        study.file.questions.len(),
        table.by_consensus,
        table.adjudicated,
        table.undecided,
        path_text(output)
    )))?;
    if table.undecided == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!(
        "{} answers are undecided: their cells are empty",
        table.undecided
    ));
    Ok(ExitCode::from(SOME_FAILED))
}

/// The table, and how its answers were found.
struct DecisionTable {
    bytes: Vec<u8>,
    by_consensus: usize,
    adjudicated: usize,
    undecided: usize,
}

impl DecisionTable {
    fn of(study: &LoadedStudy, panel: &PanelCalls) -> Result<Self> {
        let questions = &study.file.questions;
        let mut columns = vec!["path".to_owned(), "image_sha256".to_owned()];
        for question in questions {
            columns.push(question.clone());
            columns.extend(["found", "by", "at"].map(|part| format!("{question} {part}")));
        }
        let mut table = DecisionTable {
            bytes: Vec::new(),
            by_consensus: 0,
            adjudicated: 0,
            undecided: 0,
        };
        let mut writer = TableWriter::begin(Vec::new(), TableFormat::Csv, columns)?;
        for case in &study.list.cases {
            let mut row = vec![
                Cell::text(&path_text(&study.case_file(case))),
                Cell::text(&case.content.to_string()),
            ];
            for question in questions {
                row.extend(table.cells(panel.decision(case, question, study.readers_per_case())));
            }
            writer.row(&row)?;
        }
        table.bytes = writer.finish()?;
        Ok(table)
    }

    /// The answer, how it was found, by whom, and when; and counts it.
    fn cells(&mut self, decision: Option<PanelDecision>) -> [Cell; 4] {
        let Some(decision) = decision else {
            self.undecided += 1;
            return [const { Cell::Empty }; 4];
        };
        match decision.kind {
            DecisionKind::Consensus => self.by_consensus += 1,
            DecisionKind::Adjudicated => self.adjudicated += 1,
        }
        [
            Cell::text(if decision.present { "1" } else { "0" }),
            Cell::text(decision.kind.word()),
            Cell::text(&decision.by.join("; ")),
            Cell::text(&decision.at),
        ]
    }
}
