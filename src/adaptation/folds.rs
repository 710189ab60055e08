//! The folds of cross-validation. All images of a patient are in one fold. A fold depends only on the
//! patients' names and classes, so every fit of the same cases is the same.

use std::collections::BTreeMap;

/// Number of folds.
pub const FOLDS: usize = 5;

/// The fold of each case, below [`FOLDS`]. `classes` are below 64.
///
/// Patients are dealt to the folds in turn: patients of the first class, then of both classes, then of the
/// second class. A class with ten patients is a run of at least ten, and so has two patients in every fold.
pub fn folds(patients: &[&str], classes: &[usize]) -> Vec<usize> {
    let mut sets: BTreeMap<&str, u64> = BTreeMap::new();
    for (patient, class) in patients.iter().zip(classes) {
        *sets.entry(patient).or_default() |= 1 << class;
    }
    let mut order: Vec<(u64, u64, &str)> = sets
        .iter()
        .map(|(patient, &set)| (gray_rank(set), hash(patient), *patient))
        .collect();
    order.sort_unstable();
    let dealt = order.into_iter().enumerate();
    let fold: BTreeMap<&str, usize> = dealt.map(|(n, (.., who))| (who, n % FOLDS)).collect();
    patients.iter().map(|patient| fold[patient]).collect()
}

/// Position in the reflected binary code (Gray 1953): 01, 11, 10.
fn gray_rank(set: u64) -> u64 {
    (0..7).fold(set, |rank, doubling| {
        let shift = 1_u32 << doubling;
        rank ^ rank.checked_shr(shift).unwrap_or(0)
    })
}

/// FNV-1a (Fowler, Noll and Vo), finished like SplitMix64, so that names that differ only in their last letter
/// do not stay neighbours. The order of names must not matter, since it may be the order of admission.
fn hash(name: &str) -> u64 {
    let folded = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let z = (folded ^ (folded >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patients_of_both_classes_stand_between_the_others() {
        assert_eq!([0b01, 0b11, 0b10].map(gray_rank), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn a_patient_is_in_one_fold_and_every_fold_has_both_classes(
            only in 0..12_usize, both in 0..12_usize, other in 0..12_usize, extra in prop::collection::vec((0..36_usize, any::<bool>()), 0..60),
        ) {
            prop_assume!(only + both >= 10 && both + other >= 10);
            let mut cases: Vec<(String, usize)> = Vec::new();
            for n in 0..only + both {
                cases.push((format!("p{n}"), 0));
            }
            for n in only..only + both + other {
                cases.push((format!("p{n}"), 1));
            }
            // Further images of the same patients, with a class that they have.
            for (n, class) in extra {
                let class = usize::from(class);
                if cases.contains(&(format!("p{n}"), class)) {
                    cases.push((format!("p{n}"), class));
                }
            }
            let names: Vec<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
            let classes: Vec<usize> = cases.iter().map(|(_, class)| *class).collect();
            let found = folds(&names, &classes);
            for (a, one) in names.iter().enumerate() {
                for (b, two) in names.iter().enumerate() {
                    prop_assert!(one != two || found[a] == found[b]);
                }
            }
            for fold in 0..FOLDS {
                for class in 0..2 {
                    prop_assert!((0..names.len()).any(|at| found[at] == fold && classes[at] == class));
                }
            }
            // The order of the rows does not matter.
            let backwards: Vec<&str> = names.iter().rev().copied().collect();
            let back: Vec<usize> = classes.iter().rev().copied().collect();
            let mut again = folds(&backwards, &back);
            again.reverse();
            prop_assert_eq!(again, found);
        }
    }
}
