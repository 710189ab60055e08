//! One answer to a question about a case, from the calls of several readers: what all of them say, or what the adjudicator
//! says where they differ.

/// The call of one reader for one question about one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCall {
    /// The reader's name.
    pub reader: String,
    /// Whether the reader sees it.
    pub present: bool,
    /// When the call was made: `2026-01-31T12:00:00.123Z`.
    pub at: String,
}

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionKind {
    /// All readers say so.
    Consensus,
    /// Readers differ, and the adjudicator says so.
    Adjudicated,
}

impl DecisionKind {
    /// The word in a table.
    pub fn word(self) -> &'static str {
        match self {
            DecisionKind::Consensus => "consensus",
            DecisionKind::Adjudicated => "adjudicated",
        }
    }
}

/// An answer, and who gave it when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelDecision {
    /// The answer.
    pub present: bool,
    /// How it was found.
    pub kind: DecisionKind,
    /// The readers who agree, or the adjudicator.
    pub by: Vec<String>,
    /// When the last of them said so.
    pub at: String,
}

/// The answer to a question that `expected` readers were to read; `None` while one of them has not, or while they differ
/// and no adjudicator has decided. Of several adjudicators the first one who decided counts.
pub fn decide(
    calls: &[NamedCall],
    expected: usize,
    adjudicated: &[NamedCall],
) -> Option<PanelDecision> {
    let first = calls.first().filter(|_| calls.len() >= expected)?;
    if calls.iter().all(|call| call.present == first.present) {
        return Some(PanelDecision {
            present: first.present,
            kind: DecisionKind::Consensus,
            by: calls.iter().map(|call| call.reader.clone()).collect(),
            at: calls
                .iter()
                .map(|call| call.at.clone())
                .max()
                .unwrap_or_default(),
        });
    }
    let decided = adjudicated.iter().min_by(|a, b| a.at.cmp(&b.at))?;
    Some(PanelDecision {
        present: decided.present,
        kind: DecisionKind::Adjudicated,
        by: vec![decided.reader.clone()],
        at: decided.at.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(reader: &str, present: bool, at: &str) -> NamedCall {
        NamedCall {
            reader: reader.into(),
            present,
            at: at.into(),
        }
    }

    #[test]
    fn all_readers_or_the_adjudicator_decide() {
        let (yes, no) = (call("ann", true, "2"), call("bob", false, "3"));
        let same = [yes.clone(), call("bob", true, "3")];
        let found = decide(&same, 2, &[]).unwrap();
        assert_eq!(
            (found.present, found.kind, found.at.as_str()),
            (true, DecisionKind::Consensus, "3")
        );
        assert_eq!(found.by, ["ann", "bob"]);
        // The adjudicator is not asked where readers agree.
        assert_eq!(decide(&same, 2, &[call("dee", false, "4")]).unwrap(), found);
        let apart = [yes.clone(), no];
        assert_eq!(decide(&apart, 2, &[]), None);
        let later = [call("eve", true, "6"), call("dee", false, "5")];
        let found = decide(&apart, 2, &later).unwrap();
        assert_eq!(
            (found.present, found.kind),
            (false, DecisionKind::Adjudicated)
        );
        assert_eq!((found.by, found.at.as_str()), (vec!["dee".to_owned()], "5"));
    }

    #[test]
    fn nothing_is_decided_before_all_have_read() {
        assert_eq!(decide(&[], 0, &[]), None);
        assert_eq!(
            decide(&[call("ann", true, "1")], 2, &[call("dee", true, "2")]),
            None
        );
        assert!(decide(&[call("ann", true, "1")], 1, &[]).is_some());
    }
}
