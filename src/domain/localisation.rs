//! When a reader's mark is on a lesion of the reference standard, in a study of marks with ratings (FROC).

use super::mark::MarkKind;

/// Thousandths of one.
const PARTS: f64 = 1_000.0;

/// The rule by which a mark is on a lesion, whose box the reference standard has. The place of a mark is its point, or the
/// centre of its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalisationRule {
    /// The place of the mark is in the box of the lesion, or on its edge.
    Inside,
    /// The place of the mark is at most this far from the centre of the box, in thousandths of the film's longer side.
    Distance(u16),
    /// The mark is a box, and its intersection over union with that of the lesion is at least this, in thousandths.
    Overlap(u16),
}

impl LocalisationRule {
    /// Whether such a mark can be on a lesion at all.
    pub fn takes(self, kind: MarkKind) -> bool {
        match kind {
            MarkKind::Box => true,
            MarkKind::Point => !matches!(self, LocalisationRule::Overlap(_)),
            MarkKind::Ruler | MarkKind::CardiothoracicRatio | MarkKind::Angle => false,
        }
    }

    /// From 0 to 1; `None` where the rule has no limit.
    pub fn limit(self) -> Option<f64> {
        match self {
            LocalisationRule::Inside => None,
            LocalisationRule::Distance(parts) | LocalisationRule::Overlap(parts) => {
                Some(f64::from(parts) / PARTS)
            }
        }
    }

    /// The rule as the end of a sentence that begins with *a mark is on a lesion if*.
    pub fn words(self) -> String {
        let limit = self.limit().unwrap_or_default();
        match self {
            LocalisationRule::Inside => {
                "its point, or the centre of its box, is in the box of the lesion".to_owned()
            }
            LocalisationRule::Distance(_) => format!(
                "its point, or the centre of its box, is at most {limit} of the film's longer side from the centre of the \
                 lesion's box"
            ),
            LocalisationRule::Overlap(_) => format!(
                "it is a box whose intersection over union with that of the lesion is at least {limit}"
            ),
        }
    }
}

/// The thousandths of a limit.
///
/// # Errors
/// The reason in words, if it is not above 0 and at most 1, or finer.
pub fn thousandths(limit: f64) -> Result<u16, &'static str> {
    let parts = (limit * PARTS).round();
    if !(limit > 0.0 && limit <= 1.0) {
        return Err("more than 0 and at most 1, please");
    }
    if (parts - limit * PARTS).abs() > 1e-6 {
        return Err("three decimals at most, please");
    }
    Ok(parts as u16)
}

/// How lesions count in the figure of merit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalisationFigure {
    /// Each image with lesions alike.
    WeightedAfroc,
    /// Each lesion alike.
    Afroc,
}

impl LocalisationFigure {
    /// The word in tables and in the file of a study.
    pub fn word(self) -> &'static str {
        match self {
            LocalisationFigure::WeightedAfroc => "wAFROC",
            LocalisationFigure::Afroc => "AFROC",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_of_thousandths() {
        assert_eq!(thousandths(0.05), Ok(50));
        assert_eq!(thousandths(1.0), Ok(1_000));
        assert_eq!(LocalisationRule::Overlap(500).limit(), Some(0.5));
        for bad in [0.0, -0.5, 1.001, f64::NAN, f64::INFINITY, 0.0001, 0.12345] {
            assert!(thousandths(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn points_have_no_overlap_and_rulers_are_of_nothing() {
        let takes = |rule: LocalisationRule| MarkKind::ALL.map(|kind| rule.takes(kind));
        assert_eq!(
            takes(LocalisationRule::Inside),
            [false, false, false, true, true]
        );
        assert_eq!(
            takes(LocalisationRule::Overlap(300)),
            [false, false, false, false, true]
        );
    }
}
