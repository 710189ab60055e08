//! Products of two labels. A product has no fit of its own: its thresholds are fixed anew on its scores, which move where
//! one of its factors was fitted.

use super::fit::{Fits, LabelFit, ProductFit};
use super::labels_that;
use super::study::{AdaptationStudy, products};
use crate::adaptation::{AdaptedCauses, adapt_product};
use crate::domain::{ModelCard, ProductCard, Question};

/// Fixes the thresholds of the products that have `enough` cases, after the other labels were fitted. A product that has
/// not, and whose factors moved, loses the thresholds that it had.
pub fn fix(study: &AdaptationStudy, fits: &mut Fits, enough: &[usize]) {
    for label in products(study.card) {
        let is_enough = enough.contains(&label);
        let fixed = is_enough.then(|| fixed(study, fits, label)).flatten();
        let card = &study.card.labels[label];
        let points = [card.operating_point, card.sensitive_point];
        let has_thresholds = points.iter().any(Option::is_some) || card.conformal.is_some();
        let is_moved = fitted_factors(study.card, fits, label).contains(&true);
        match fixed {
            Some(fixed) => fits.products.push(fixed),
            None if has_thresholds && is_moved => {
                fits.dropped.push(label);
                fits.kept.push(format!(
                    "{} has no operating point and no 90 % set any more: they were fixed before its \
                     factors moved, and there are too few cases, or too few different scores, for new \
                     ones.",
                    card.name
                ));
            }
            None => {}
        }
    }
}

/// The places on the card of both factors of a product.
fn factors(card: &ModelCard, label: usize) -> Option<[usize; 2]> {
    let ProductCard { presence, cause } = card.labels[label].product.as_ref()?;
    let place = |name: &String| card.labels.iter().position(|label| label.name == *name);
    Some([place(presence)?, place(cause)?])
}

/// Whether each factor of a product was fitted.
pub fn fitted_factors(card: &ModelCard, fits: &Fits, label: usize) -> [bool; 2] {
    let is_fitted = |factor: usize| {
        let mut labels = fits.labels.iter();
        let is_cause = card.labels[factor].question == Question::GivenPneumonia;
        labels.any(|fit| fit.comparison.label == factor) || is_cause && fits.causes.is_some()
    };
    factors(card, label).map_or([false; 2], |factors| factors.map(is_fitted))
}

/// `None` if all its scores are alike.
fn fixed(study: &AdaptationStudy, fits: &Fits, label: usize) -> Option<ProductFit> {
    let [presence, cause] = factors(study.card, label)?;
    let [presence, cause] = [presence, cause].map(|factor| scores_after(study, fits, factor));
    let (cases, places) = study.cases_of(label);
    // Where a product has a score, both factors have one.
    let score = |&at: &usize| presence[at].unwrap_or(f32::NAN) * cause[at].unwrap_or(f32::NAN);
    let scores: Vec<f32> = places.iter().map(score).collect();
    let adapted = adapt_product(&cases, &scores).ok()?;
    Some(ProductFit {
        points: adapted.points,
        comparison: study.compared(label, &adapted.answers, adapted.points.balanced),
    })
}

/// The score of an output for each case, by a fit that has not seen its patient; the old score where the output was not
/// fitted, and `None` where it has none.
fn scores_after(study: &AdaptationStudy, fits: &Fits, label: usize) -> Vec<Option<f32>> {
    let mut labels = fits.labels.iter();
    if let Some(fit) = labels.find(|fit| fit.comparison.label == label) {
        return of_label(study, fit);
    }
    let causes = labels_that(study.card, Question::GivenPneumonia);
    let place = causes.iter().position(|cause| *cause == label);
    match (&fits.causes, place) {
        (Some(fit), Some(place)) => of_cause(study, &fit.adapted, &causes, place),
        _ => {
            let before = study.read.iter();
            before.map(|read| read.as_ref()?.scores[label]).collect()
        }
    }
}

fn of_label(study: &AdaptationStudy, fit: &LabelFit) -> Vec<Option<f32>> {
    let label = fit.comparison.label;
    let of_all = study.read.iter().map(|read| {
        let read = read.as_ref()?;
        let logit = f64::from(read.logits[label]?);
        let correction = fit.adapted.correction.as_ref();
        let logit = correction.map_or(logit, |row| row.logit(logit, &read.features));
        Some(fit.adapted.reading.probability(logit))
    });
    let mut scores: Vec<Option<f32>> = of_all.collect();
    let (_, places) = study.cases_of(label);
    for (place, answer) in places.into_iter().zip(&fit.adapted.answers) {
        scores[place] = Some(answer.probability);
    }
    scores
}

fn of_cause(
    study: &AdaptationStudy,
    adapted: &AdaptedCauses,
    causes: &[usize],
    place: usize,
) -> Vec<Option<f32>> {
    let of_all = study.read.iter().map(|read| {
        let logits = read.as_ref()?.logits_of(causes)?;
        Some(adapted.shares_of(&logits)[place])
    });
    let mut scores: Vec<Option<f32>> = of_all.collect();
    let (_, places) = study.cases_of_causes(causes);
    for (at, shares) in places.into_iter().zip(&adapted.shares) {
        scores[at] = Some(shares[place]);
    }
    scores
}
