//! Rows of one file: they are one case, and may not contradict each other.

use std::collections::BTreeMap;

use super::{Case, NO_GROUP};
use crate::domain::ViewPosition;
use crate::evaluation::boxes::{self, BoxFault};
use crate::evaluation::question::ReferenceStandard;

/// Why two rows of a file are no one case.
pub enum JoinFault {
    /// What they contradict each other in.
    Contradiction(String),
    Boxes(BoxFault),
}

/// Adds what another row says of the file of a case: what only one of them knows, and boxes that the case does not have.
/// Returns whether there were such boxes. `columns` are the names of the groups.
///
/// # Errors
/// If they contradict each other, or have too many boxes.
pub fn join<'a>(
    known: &mut Case,
    other: Case,
    columns: impl Iterator<Item = &'a str>,
) -> Result<bool, JoinFault> {
    let has_patient = other.has_patient();
    let Case {
        path: _,
        patient,
        groups,
        truth,
        boxes,
        view,
        outcomes,
    } = other;
    agree_on(
        "patient",
        known.has_patient(),
        &mut known.patient,
        has_patient,
        patient,
    )?;
    for ((column, mine), theirs) in columns.zip(&mut known.groups).zip(groups) {
        let has_group = [mine.as_str(), theirs.as_str()].map(|group| group != NO_GROUP);
        agree_on(column, has_group[0], mine, has_group[1], theirs)?;
    }
    let has_view = [known.view, view].map(|view| view != ViewPosition::Unknown);
    agree_on("view", has_view[0], &mut known.view, has_view[1], view)?;
    join_truth(&mut known.truth, truth)?;
    join_answers(&mut known.outcomes, outcomes)?;
    boxes::add(&mut known.boxes, boxes).map_err(JoinFault::Boxes)
}

fn join_truth(known: &mut ReferenceStandard, other: ReferenceStandard) -> Result<(), JoinFault> {
    let ReferenceStandard {
        pneumonia,
        covid,
        cause,
        labels,
        geographic_extent,
        opacity,
    } = other;
    agree("finding", &mut known.pneumonia, pneumonia)?;
    agree("finding", &mut known.covid, covid)?;
    agree("finding", &mut known.cause, cause)?;
    join_answers(&mut known.labels, labels)?;
    agree(
        "geographic_extent",
        &mut known.geographic_extent,
        geographic_extent,
    )?;
    agree("opacity", &mut known.opacity, opacity)
}

fn join_answers(
    known: &mut BTreeMap<String, bool>,
    other: BTreeMap<String, bool>,
) -> Result<(), JoinFault> {
    for (name, yes) in other {
        if *known.entry(name.clone()).or_insert(yes) != yes {
            return Err(JoinFault::Contradiction(name));
        }
    }
    Ok(())
}

fn agree<T: PartialEq>(
    what: &str,
    known: &mut Option<T>,
    other: Option<T>,
) -> Result<(), JoinFault> {
    let is_said = other.is_some();
    agree_on(what, known.is_some(), known, is_said, other)
}

/// Takes the other value where only that one is known.
fn agree_on<T: PartialEq>(
    what: &str,
    is_known: bool,
    known: &mut T,
    is_said: bool,
    other: T,
) -> Result<(), JoinFault> {
    match (is_known, is_said) {
        (true, true) if *known != other => Err(JoinFault::Contradiction(what.to_owned())),
        (false, true) => {
            *known = other;
            Ok(())
        }
        _ => Ok(()),
    }
}
