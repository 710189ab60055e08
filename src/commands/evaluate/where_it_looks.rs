//! `--boxes-column`: where the heat maps look, against the boxes of the manifest.

use anyhow::Result;

use super::predictions::PredictionTable;
use super::{Manifest, ModelCard, Prediction, Usage};
use crate::domain::{HeatMapChoice, Pathology, Question};
use crate::evaluation::boxes::FilmBox;
use crate::evaluation::pointing::{
    FilmPointing, LabelPointing, LungMiddles, MapOnFilm, PointingAnswers,
};
use crate::evaluation::report::BoxesScope;

/// Refuses what has no heat maps: a table, and some networks.
///
/// # Errors
/// [`Usage`].
pub fn refuse_without_maps(
    column: &str,
    table: Option<&PredictionTable>,
    card: &ModelCard,
) -> Result<()> {
    let fail = |reason: String| Err(Usage::error(format!("--boxes-column {column}: {reason}")));
    if let Some(table) = table {
        return fail(format!(
            "{table} has no heat maps; leave --predictions out, so that the network runs"
        ));
    }
    if !card.has_heat_maps() {
        return fail(format!("{} has no heat maps", card.name));
    }
    if !card.has_label_maps() {
        return fail(format!(
            "the labels of {} ({}) have no heat maps of their own, only one attention rollout for all of them",
            card.name, card.architecture
        ));
    }
    Ok(())
}

/// The labels whose maps are measured: those that are present or absent and have a map of their own. The
/// boxes do not say which cause they are of.
pub fn labels(card: &ModelCard) -> Vec<String> {
    let alone = card
        .outputs()
        .filter(|label| label.question == Question::Presence);
    alone.map(|label| label.name.clone()).collect()
}

/// Where the maps of a film look. `size` is its width and height in stored pixels. `None` without a box, and
/// where the model was not to speak.
pub fn film(
    prediction: &Prediction,
    labels: &[String],
    size: (usize, usize),
    boxes: &[FilmBox],
) -> Option<FilmPointing> {
    if boxes.is_empty() {
        return None;
    }
    let of_label = |label: &String| {
        // A label without a number has no map on the screen.
        prediction.finding(label)?;
        let choice = HeatMapChoice::Label(Pathology(label.clone()));
        let map = prediction.heat_map(&choice)?;
        Some(LabelPointing::of(MapOnFilm::new(&map, size)?, boxes))
    };
    let found: Vec<_> = labels.iter().map(of_label).collect();
    if found.iter().all(Option::is_none) {
        return None;
    }
    let control = LungMiddles::of(prediction.lung_fields.as_deref());
    let lungs = prediction.lungs.as_ref();
    Some(FilmPointing {
        labels: found,
        control: control.hits(boxes),
        is_control_of_this_film: control.are_of_this_film,
        evidence_in_lungs: lungs.and_then(|lungs| lungs.evidence_inside.map(f64::from)),
    })
}

/// The images that were measured, and the control; `None` where no boxes were asked for.
pub fn scope(manifest: &Manifest, pointing: &PointingAnswers) -> Option<BoxesScope> {
    if pointing.labels.is_empty() {
        return None;
    }
    let boxed = manifest.cases.iter().filter(|case| !case.boxes.is_empty());
    let measured = || pointing.films.iter().flatten();
    Some(BoxesScope {
        images: boxed.count(),
        measured: measured().count(),
        control_by_lung_fields: measured()
            .filter(|film| film.is_control_of_this_film)
            .count(),
    })
}

/// What a reader of the figures has to know.
pub fn notes(scope: BoxesScope) -> Vec<String> {
    let BoxesScope {
        images,
        measured,
        control_by_lung_fields: by_fields,
    } = scope;
    let places = match by_fields {
        0 => "at 30 % and 70 % of the width and half of the height of every film".to_owned(),
        all if all == measured => "by the lung fields of each film".to_owned(),
        some => format!(
            "by the lung fields on {some} films, and at 30 % and 70 % of the width and half of the height on the \
             other {}",
            measured - some
        ),
    };
    let mut notes = vec![format!(
        "Where the heat maps look: on {measured} of {images} films with a box. The control points at the middle of \
         each lung, {places}; a hit of one of the two counts a half. A map without positive evidence points at no \
         box. The boxes say where something was seen, not what: a label of another finding need not point there."
    )];
    if measured < images {
        notes.push(format!(
            "{} films with a box were refused or could not be read, and are in no figure.",
            images - measured
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_say_where_the_control_points() {
        let words = |images, measured, control_by_lung_fields| {
            notes(BoxesScope {
                images,
                measured,
                control_by_lung_fields,
            })
            .join(" ")
        };
        let fixed = "at 30 % and 70 % of the width and half of the height";
        assert!(words(9, 9, 0).contains(&format!("each lung, {fixed} of every film;")));
        let fields = words(9, 9, 9);
        assert!(
            fields.contains("each lung, by the lung fields of each film;")
                && !fields.contains(fixed)
        );
        assert!(!fields.contains("refused"));
        let mixed = words(9, 7, 4);
        assert!(mixed.contains("on 7 of 9 films"), "{mixed}");
        assert!(mixed.contains(&format!("on 4 films, and {fixed} on the other 3;")));
        assert!(mixed.contains("2 films with a box were refused"));
    }
}
