//! Whose image it is, and what became of the severity since the patient's image before.

use crate::domain::text::clean;
use crate::tui::model::Model;
use crate::tui::worklist::{Change, Sharing};

/// What a row says in the order of patients: the patient where another one begins, and the change in
/// place of the score if there is one.
pub fn of_row(model: &Model, row: usize) -> Option<(String, Option<String>)> {
    let list = &model.worklist;
    let patient = list.patient(row)?;
    let id = patient.id.filter(|_| model.identity).map(clean);
    let tag = id.unwrap_or_else(|| format!("patient {}", patient.number));
    let tag = match patient.sharing {
        Some(sharing) => format!("{tag} ({})", in_short(sharing)),
        None => tag,
    };
    let lead = if patient.is_first {
        tag
    } else {
        "│".to_owned()
    };
    let change = list.progression(row);
    Some((lead, change.map(|change| difference(&change) + " ext")))
}

/// Beside the patient, where another one bears the same identifier: half a row of 80 columns has no
/// room for more. The findings say it in full.
fn in_short(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::OtherPerson => "shared ID",
        Sharing::OtherIssuer => "two issuers",
        Sharing::Unsaid => "whose ID?",
    }
}

/// Why an image is not compared with others that bear its patient's identifier.
pub fn sharing_words(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::OtherPerson => {
            "another name or birth date bears the same Patient ID: kept apart, not compared"
        }
        Sharing::OtherIssuer => {
            "the same Patient ID is borne by another issuer's patient: kept apart, not compared"
        }
        Sharing::Unsaid => {
            "the Patient ID does not say whose image this is: compared within its study only"
        }
    }
}

/// `12 days before: extent 1.9/8 ↑ +1.2`
pub fn line(change: &Change) -> String {
    let when = match change.days {
        Some(0) => "the same day, before".to_owned(),
        Some(1) => "1 day before".to_owned(),
        Some(days) => format!("{days} days before"),
        None => "before".to_owned(),
    };
    let extent = change.before.geographic_extent;
    format!("{when}: extent {extent:.1}/8 {}", difference(change))
}

/// The sign says it without colour: `↑` more, `↓` less, `≈` within the model's error.
fn difference(change: &Change) -> String {
    let extent = change.extent;
    let sign = match extent {
        _ if !change.is_clear => '≈',
        0.0.. => '↑',
        _ => '↓',
    };
    // No zero has a sign.
    let rounded = (extent * 10.0).round() / 10.0;
    match rounded {
        0.0 => format!("{sign} 0.0"),
        0.0.. => format!("{sign} +{rounded:.1}"),
        _ => format!("{sign} −{:.1}", -rounded),
    }
}
