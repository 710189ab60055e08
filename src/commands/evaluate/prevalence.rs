//! `--prevalence`: the shares of positives for which predictive values are given.

use anyhow::Result;

use super::Usage;
use crate::domain::Prevalence;
use crate::evaluation::questions;
use crate::evaluation::report::NamedThreshold;

/// Shares by the name of the question, from `LABEL=SHARE`, or from `SHARE` for each question that has an
/// operating point. The last share of a question counts.
///
/// # Errors
/// [`Usage`], if one cannot be read, names no such question, or one without operating points.
pub fn asked(
    texts: &[String],
    labels: &[String],
    points: &[(String, NamedThreshold)],
) -> Result<Vec<(String, Prevalence)>> {
    let has_points = |label: &str| points.iter().any(|(name, _)| name == label);
    let all = questions(labels);
    let names: Vec<&str> = all
        .iter()
        .filter(|question| question.label().is_some_and(has_points))
        .map(|question| question.name())
        .collect();
    let mut found: Vec<(String, Prevalence)> = Vec::new();
    for text in texts {
        let fail = |reason: String| Usage::error(format!("--prevalence {text}: {reason}"));
        if names.is_empty() {
            return Err(fail(
                "no operating point is known, and without one there are no predictive values"
                    .into(),
            ));
        }
        let (chosen, share) = match text.rsplit_once('=') {
            Some((name, share)) => (
                vec![named(name.trim(), &names, labels).map_err(fail)?],
                share,
            ),
            None => (names.clone(), text.as_str()),
        };
        let share: Prevalence = share.parse().map_err(|()| {
            fail("a share is a number between 0 and 1 (0.05) or a percentage (5%), neither end included".into())
        })?;
        found.retain(|(name, _)| !chosen.contains(&name.as_str()));
        found.extend(chosen.into_iter().map(|name| (name.to_owned(), share)));
    }
    Ok(found)
}

/// Finds a question by its name. Upper and lower case are the same, and the beginning of a label is enough
/// if no other label begins with it.
fn named<'a>(name: &str, names: &[&'a str], labels: &[String]) -> Result<&'a str, String> {
    let lower = name.to_lowercase();
    let names = names.iter().copied();
    if let Some(exact) = names.clone().find(|name| name.to_lowercase() == lower) {
        return Ok(exact);
    }
    let is_label = |name: &str| labels.iter().any(|label| label == name);
    let mut begin_so = names
        .clone()
        .filter(|name| is_label(name) && name.to_lowercase().starts_with(&lower));
    match (begin_so.next(), begin_so.next()) {
        (Some(label), None) if !name.is_empty() => Ok(label),
        _ => Err(format!(
            "no such question with an operating point; there are: {}",
            names.collect::<Vec<_>>().join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_of(texts: &[&str]) -> Result<Vec<(String, f64)>, String> {
        let labels = ["Pneumonia", "COVID-19", "Viral"].map(str::to_owned);
        let points = ["Pneumonia", "COVID-19"].map(|label| {
            let point = NamedThreshold {
                name: "balanced".to_owned(),
                threshold: 0.5,
            };
            (label.to_owned(), point)
        });
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let found = asked(&texts, &labels, &points).map_err(|error| error.to_string())?;
        Ok(found
            .into_iter()
            .map(|(name, p)| (name, p.share()))
            .collect())
    }

    #[test]
    fn a_share_applies_to_one_question_or_to_all() {
        let pair = |name: &str, share| (name.to_owned(), share);
        assert_eq!(asked_of(&["cov=5%"]), Ok(vec![pair("COVID-19", 0.05)]));
        let all = asked_of(&["0.1", "pneumonia=0.3"]).unwrap();
        assert!(all.contains(&pair("COVID-19", 0.1)) && all.contains(&pair("Pneumonia", 0.3)));
        assert!(all.contains(&pair("COVID-19 against other pneumonia", 0.1)));
        assert_eq!(all.len(), 3);
        assert_eq!(asked_of(&[]), Ok(Vec::new()));
    }

    #[test]
    fn a_share_that_is_refused_has_a_reason() {
        for (text, words) in [
            ("Viral=0.1", "no such question with an operating point"),
            ("=0.1", "no such question"),
            ("COVID-19=1", "neither end included"),
            ("many", "a share is a number"),
        ] {
            let error = asked_of(&[text]).unwrap_err();
            assert!(error.contains(words) && error.contains(text), "{error}");
        }
        let error = asked(&["0.1".to_owned()], &["a".to_owned()], &[]).unwrap_err();
        assert!(error.to_string().contains("no operating point is known"));
        assert!(error.is::<Usage>());
    }
}
