//! `cxr merge`: one table of the parts of a sharded run, or the shards that are still to run.
//!
//! Every part is read twice: once to see that it is what its end says, and once for its rows. No table is begun before
//! all parts have passed.

mod order;
mod parts;
mod rows;

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::order::RowOrder;
use self::parts::{FoundPart, WholePart};
use self::rows::RowMerge;
use super::shared::batch::Signals;
use super::shared::output_file::{OutputFile, refuse_input, refuse_to_replace};
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
    refuse_input("-o", output, arguments.parts.iter().map(PathBuf::as_path))?;
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
    let there: Vec<u32> = checked.iter().map(|part| part.end.shard).collect();
    let missing = missing(&there, about.of);
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

/// The shards from 1 to `of` that are not among these, which are in order: the first and the last of each gap. A part may
/// state any number of shards, so they are not listed one by one.
fn missing(there: &[u32], of: u32) -> Vec<(u32, u32)> {
    let (mut gaps, mut next) = (Vec::new(), 1_u64);
    for shard in there
        .iter()
        .map(|shard| u64::from(*shard))
        .chain([u64::from(of) + 1])
    {
        if shard > next {
            // Both are between 1 and `of`.
            gaps.push((next as u32, (shard - 1) as u32));
        }
        next = shard + 1;
    }
    gaps
}

/// Prints the array that is still to run, and nothing else on standard output.
fn still_to_run(missing: &[(u32, u32)], of: u32) -> Result<ExitCode> {
    let count: u64 = missing
        .iter()
        .map(|(first, last)| u64::from(last - first) + 1)
        .sum();
    complain(&format!(
        "{count} of {of} shards missing, no table is written; still to run: {}",
        ranges(missing)
    ));
    print(&Printable::page(&format!("--array={}\n", ranges(missing))))?;
    Ok(ExitCode::from(SOME_FAILED))
}

/// Numbers as Slurm takes them: `3,7-9`.
fn ranges(gaps: &[(u32, u32)]) -> String {
    let words = gaps.iter().map(|(first, last)| match last {
        last if last == first => first.to_string(),
        last => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(",")
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
    use super::{missing, ranges};

    #[test]
    fn shards_that_are_missing_are_named_as_an_array() {
        for (there, of, text) in [
            (&[][..], 3, "1-3"),
            (&[1, 2, 3], 3, ""),
            (&[2], 3, "1,3"),
            (&[1, 4, 5], 9, "2-3,6-9"),
            (&[3], 3, "1-2"),
            (&[7], u32::MAX, "1-6,8-4294967295"),
            (&[u32::MAX], u32::MAX, "1-4294967294"),
        ] {
            assert_eq!(ranges(&missing(there, of)), text);
        }
    }
}
