//! Words about the patient of an image, and about the change of the severity since that patient's image before.

use crate::domain::text::clean;
use crate::tui::model::Model;
use crate::tui::view::text::{cells, shorten};
use crate::tui::worklist::{Change, Sharing};

/// The words of a row in the order of patients: the patient, in the first row of each, and the change, which
/// takes the place of the score.
pub fn of_row(model: &Model, row: usize) -> Option<(String, Option<String>)> {
    let list = &model.worklist;
    let patient = list.patient(row)?;
    let id = patient.id.filter(|_| model.shows_identity()).map(clean);
    let tag = id.unwrap_or_else(|| format!("patient {}", patient.number));
    let tag = match patient.sharing {
        Some(sharing) => format!("{tag} ({})", short_words(sharing)),
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

/// The words beside a patient whose identifier another patient shares. Half a row of 80 columns has no room for
/// more; the findings pane has the full words.
fn short_words(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::OtherPerson => "shared ID",
        Sharing::OtherIssuer => "two issuers",
        Sharing::Unsaid => "whose ID?",
    }
}

/// The reason why an image is not compared with others that have the same Patient ID.
pub fn sharing_words(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::OtherPerson => {
            "another name or birth date has the same Patient ID: kept apart, not compared"
        }
        Sharing::OtherIssuer => {
            "another issuer's patient has the same Patient ID: kept apart, not compared"
        }
        Sharing::Unsaid => {
            "the Patient ID does not say whose image this is: compared within its study only"
        }
    }
}

/// `12 days before: extent 1.9/8 ↑ +1.2`, and the same in fewer words where there is less room.
pub fn line(change: &Change, width: usize) -> String {
    let (when, short) = match change.days {
        Some(0) => ("the same day, before".to_owned(), "same day".to_owned()),
        Some(1) => ("1 day before".to_owned(), "1 d before".to_owned()),
        Some(days) => (format!("{days} days before"), format!("{days} d before")),
        None => ("before".to_owned(), "before".to_owned()),
    };
    let extent = change.before.geographic_extent;
    let difference = difference(change);
    let texts = [
        format!("{when}: extent {extent:.1}/8 {difference}"),
        format!("{when}: ext {extent:.1} {difference}"),
        format!("{short}: ext {difference}"),
        format!("{short}: {difference}"),
    ];
    let last = shorten(&texts[texts.len() - 1], width);
    let mut texts = texts.into_iter();
    texts.find(|text| cells(text) <= width).unwrap_or(last)
}

/// The change with a sign that needs no colour: `↑` more, `↓` less, `≈` within the model's error.
fn difference(change: &Change) -> String {
    let extent = change.extent;
    let sign = match extent {
        _ if !change.is_clear => '≈',
        0.0.. => '↑',
        _ => '↓',
    };
    // A rounded zero has no sign.
    let rounded = (extent * 10.0).round() / 10.0;
    match rounded {
        0.0 => format!("{sign} 0.0"),
        0.0.. => format!("{sign} +{rounded:.1}"),
        _ => format!("{sign} −{:.1}", -rounded),
    }
}
