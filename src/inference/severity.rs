//! Severity as a line over the logit of one label: mlmed/covid-severity, Cohen et al. 2020,
//! *Predicting COVID-19 Pneumonia Severity on Chest X-ray with Deep Learning*, arXiv:2005.11856.

use crate::domain::{Finding, Severity, SeverityLine, SeverityLineCard};

/// The upper ends of the scales in that paper.
pub const MAX_EXTENT: f64 = 8.0;
pub const MAX_OPACITY: f64 = 6.0;

/// Severity from the raw logit of the card's label; `None` if there is no such finding.
pub fn by_line(card: &SeverityLineCard, findings: &[Finding]) -> Option<Severity> {
    let finding = findings.iter().find(|f| f.label.name() == card.label)?;
    let z = f64::from(finding.logit);
    let on = |line: SeverityLine, max| (line.slope * z + line.intercept).clamp(0.0, max) as f32;
    Some(Severity {
        geographic_extent: on(card.geographic_extent, MAX_EXTENT),
        opacity: on(card.opacity, MAX_OPACITY),
        geographic_extent_error: None,
        opacity_error: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FilmFacts, LabelCard, ModelCard, Question};
    use crate::inference::family::covid_severity;
    use crate::inference::read_out::findings;

    fn severity(logit: f32) -> Option<Severity> {
        let mut label = LabelCard::new("Lung Opacity", Question::Presence, Some(0.5));
        label.op_threshold = Some(0.2);
        let card = ModelCard {
            labels: vec![LabelCard::new("Mass", Question::Presence, None), label],
            ..ModelCard::default()
        };
        let film = FilmFacts::default();
        by_line(
            &covid_severity(),
            &findings(&card, &[1.0, logit], &film).unwrap(),
        )
    }

    /// The README of mlmed/covid-severity: 5.978744940174467 and 4.169582852893416 for its example.
    #[test]
    fn the_authors_example_is_reproduced() {
        let severity = severity(2.946_50).unwrap();
        assert!(
            (severity.geographic_extent - 5.978_74).abs() < 1e-5,
            "{severity:?}"
        );
        assert!((severity.opacity - 4.169_58).abs() < 1e-5, "{severity:?}");
        assert_eq!(
            (severity.geographic_extent_error, severity.opacity_error),
            (None, None)
        );
    }

    #[test]
    fn it_stays_on_its_scales() {
        let ends = |logit| {
            let severity = severity(logit).unwrap();
            (severity.geographic_extent, severity.opacity)
        };
        assert_eq!(ends(-20.0), (0.0, 0.0));
        assert_eq!(ends(20.0), (8.0, 6.0));
        assert_eq!(by_line(&covid_severity(), &[]), None);
    }
}
