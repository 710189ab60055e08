//! `cxr merge`: one table of the parts of a sharded run, or the shards that are still to run.
//!
//! Every part is read twice: once to see that it is what its end says, and once for its rows. No table is begun before
//! all parts have passed.

mod order;
mod parts;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::BufWriter;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::order::RowOrder;
use self::parts::{FoundPart, WholePart};
use self::rows::RowMerge;
use super::shared::batch::Signals;
use super::shared::output_file::{OutputFile, refuse_to_replace};
use super::shared::{SOME_FAILED, Usage, complain, note, print};
use crate::cli;
use crate::domain::text::Printable;
use crate::export::{FlatWriter, TableFormat, path_text};

/// Runs `cxr merge`.
///
/// # Errors
/// [`Usage`], if the parts do not belong together or the table would replace a file; or if the table cannot be written.
pub fn run(arguments: &cli::Merge) -> Result<ExitCode> {
    let output = &arguments.output;
    let asked = arguments.format.map(TableFormat::from);
    let format = TableFormat::of(asked, Some(output));
    let format = format.map_err(|error| Usage::error(format!("-o {error}")))?;
    refuse_to_replace(output, arguments.force)?;
    let signals = Signals::watch().context("watching for signals")?;

    let mut parts = Vec::new();
    for path in &arguments.parts {
        match parts::find(path)? {
            FoundPart::Whole(part) => parts.push(*part),
            FoundPart::NotWhole(reason) => complain(&format!("{}: {reason}", path_text(path))),
        }
    }
    let Some(about) = parts.first().map(|part| part.end.about.clone()) else {
        return Err(Usage::error(
            "none of these is a whole part of a run, so that the number of shards is not known",
        ));
    };
    refuse_mixed(&parts)?;
    let order = RowOrder::new(&arguments.sort, arguments.reverse, &about)?;
    refuse_lost_members(format, &parts)?;
    let mut checked: Vec<WholePart> = Vec::new();
    for mut part in parts {
        match part.check(&order, signals.stop())? {
            None => checked.push(part),
            Some(reason) => complain(&format!("{}: {reason}", path_text(&part.path))),
        }
        if let Some(code) = signals.exit_code() {
            return Ok(code);
        }
    }
    let mut checked = without_worse_readers(checked);
    checked.sort_by_key(|part| part.end.shard);
    let missing = missing(&checked, about.of);
    if !missing.is_empty() {
        return still_to_run(&missing, about.of);
    }
    let merge = RowMerge {
        parts: &checked,
        order: &order,
        format,
        beside: output,
        stop: signals.stop(),
    };
    let written = || -> Result<bool> {
        let file = OutputFile::beside(output)?;
        let out = BufWriter::with_capacity(1 << 16, file.handle()?);
        let mut table = FlatWriter::about(out, format, &about.columns, &about.metadata())?;
        if !merge.write(&mut table)? {
            return Ok(false);
        }
        let out = table.finish()?;
        out.into_inner()
            .map_err(|error| error.into_error())?
            .sync_all()?;
        refuse_to_replace(output, arguments.force)?;
        file.publish(output, arguments.force)?;
        Ok(true)
    };
    let written = written();
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    written.map_err(|error| {
        // A usage error names its file itself.
        if error.is::<Usage>() {
            error
        } else {
            error.context(format!("writing {}", path_text(output)))
        }
    })?;
    if !arguments.quiet {
        summarise(&checked, &path_text(output));
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses parts of several runs, and two parts of one shard.
fn refuse_mixed(parts: &[WholePart]) -> Result<()> {
    let mut by_shard: BTreeMap<u32, &WholePart> = BTreeMap::new();
    for part in parts {
        let first = &parts[0];
        if let Some(words) = first.end.about.difference(&part.end.about) {
            return Err(Usage::error(format!(
                "{} and {} are parts of different runs; {words}",
                path_text(&first.path),
                path_text(&part.path),
            )));
        }
        if let Some(other) = by_shard.insert(part.end.shard, part) {
            return Err(Usage::error(format!(
                "{} and {} are both shard {} of {}",
                path_text(&other.path),
                path_text(&part.path),
                part.end.shard,
                part.end.about.of
            )));
        }
    }
    Ok(())
}

/// Leaves out parts whose runs could not read the headers of more films than others could, and says so. Such a film may be
/// of a study in their shards, and in no part.
fn without_worse_readers(parts: Vec<WholePart>) -> Vec<WholePart> {
    let unread = |part: &WholePart| part.end.content.unread_headers.clone().unwrap_or_default();
    let Some(best) = parts.iter().map(unread).min() else {
        return parts;
    };
    let is_alike = |part: &WholePart| {
        let found = unread(part);
        if found != best {
            complain(&format!(
                "{}: {} headers could not be read there, and not the same ones as for other parts: its shard counts \
                 as missing",
                path_text(&part.path),
                found.count
            ));
        }
        found == best
    };
    parts.into_iter().filter(is_alike).collect()
}

/// Refuses to write rows of JSON from parts that do not have all that such rows hold.
fn refuse_lost_members(format: TableFormat, parts: &[WholePart]) -> Result<()> {
    let other = parts.iter().find(|part| !part.format.is_json());
    match other {
        Some(part) if format.is_json() => Err(Usage::error(format!(
            "{}: it does not have all that a row of JSON holds; only parts in .jsonl make such a table",
            path_text(&part.path)
        ))),
        _ => Ok(()),
    }
}

/// The shards from 1 to `of` that no part has.
fn missing(parts: &[WholePart], of: u32) -> Vec<u32> {
    let there: BTreeSet<u32> = parts.iter().map(|part| part.end.shard).collect();
    (1..=of).filter(|shard| !there.contains(shard)).collect()
}

/// Prints the array that is still to run, and nothing else on standard output.
fn still_to_run(missing: &[u32], of: u32) -> Result<ExitCode> {
    complain(&format!(
        "{} of {of} shards missing, no table is written; still to run: {}",
        missing.len(),
        ranges(missing)
    ));
    print(&Printable::page(&format!("--array={}\n", ranges(missing))))?;
    Ok(ExitCode::from(SOME_FAILED))
}

/// Numbers as Slurm takes them: `3,7-9`.
fn ranges(numbers: &[u32]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let run = (first..).zip(rest).take_while(|(n, found)| n == *found);
        let length = run.count();
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = match rest[length - 1] {
            last if last == first => write!(text, "{comma}{first}"),
            last => write!(text, "{comma}{first}-{last}"),
        };
        rest = &rest[length..];
    }
    text
}

fn summarise(parts: &[WholePart], place: &str) {
    let rows: u64 = parts.iter().map(|part| part.end.content.rows).sum();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (status, count) in parts.iter().flat_map(|part| &part.end.content.counts) {
        *counts.entry(status).or_default() += count;
    }
    let counts = counts
        .iter()
        .map(|(status, count)| format!("{count} {status}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    note(&Printable::line(&format!(
        "{rows} rows of {} parts: {counts}; {place}",
        parts.len()
    )));
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn shards_are_named_as_an_array() {
        for (numbers, text) in [
            (&[3][..], "3"),
            (&[1, 2], "1-2"),
            (&[1, 3, 4, 5, 9], "1,3-5,9"),
            (&[], ""),
        ] {
            assert_eq!(ranges(numbers), text);
        }
    }
}
