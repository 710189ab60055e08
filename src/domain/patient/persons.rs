//! Groups of images of the same patient.

use std::collections::HashMap;

use super::{PatientIdentity, Sameness};

/// The most identities with one identifier that are compared with each other. An identifier with more
/// identities does not identify a patient, and comparing all pairs of a hundred thousand would take hours:
/// each identity with name and birth date is then a patient of its own.
pub const MOST_PEOPLE: usize = 16;

/// The patient of each of these distinct identities, as the index of the patient's first identity; `None`
/// where an identity fits several patients. All identities have the same identifier, or none has an
/// identifier and all belong to one study.
///
/// "Same patient" is not transitive where fields are missing: `DOE^JANE` and `ROE^RICHARD` both agree with
/// an image without a name, and must not become one patient through it. Such a bridge belongs to no
/// patient.
pub fn persons(identities: &[&PatientIdentity], of_one_study: bool) -> Vec<Option<usize>> {
    let full = |number: usize| identities[number].is_full();
    if identities.len() > MOST_PEOPLE {
        let alone = (0..identities.len()).map(|number| full(number).then_some(number));
        return alone.collect();
    }
    let weigh = |(a, b): (&PatientIdentity, &PatientIdentity)| match a.agrees(b) {
        // All images of a study show one patient unless they contradict each other.
        Sameness::Unproven if of_one_study => Sameness::Same,
        other => other,
    };
    let all: Vec<usize> = (0..identities.len()).collect();
    let pairs = identities
        .iter()
        .flat_map(|a| identities.iter().map(move |b| (*a, *b)));
    let weighed: Vec<Sameness> = pairs.map(weigh).collect();
    let agree = |a: usize, b: usize| weighed[a * all.len() + b];
    let contradicts = |group: &[usize]| {
        let mut pairs = group
            .iter()
            .flat_map(|a| group.iter().map(move |b| (*a, *b)));
        pairs.any(|(a, b)| agree(a, b) == Sameness::Different)
    };
    let is_bridge = |x: &usize| {
        let near: Vec<usize> = all
            .iter()
            .copied()
            .filter(|other| agree(*x, *other) == Sameness::Same)
            .collect();
        contradicts(&near)
    };
    let plain: Vec<usize> = all.iter().copied().filter(|x| !is_bridge(x)).collect();
    let mut person = vec![None; identities.len()];
    for group in connected(&plain, |a, b| agree(a, b) == Sameness::Same) {
        let is_one = !contradicts(&group);
        for &member in &group {
            let is_sure = of_one_study || group.len() > 1 || identities[member].is_sure();
            person[member] = if is_one {
                is_sure.then_some(group[0])
            } else {
                full(member).then_some(member)
            };
        }
    }
    // A bridge with both name and birth date is a patient of its own.
    for bridge in all.iter().copied().filter(|x| !plain.contains(x)) {
        person[bridge] = full(bridge).then_some(bridge);
    }
    person
}

/// The images of each patient, for statistics that are clustered by patient. For each image (identity and
/// study), the index of the first image of the same patient. Images whose patient is not known are grouped
/// by study.
pub fn clusters(images: &[(&PatientIdentity, Option<&str>)]) -> Vec<usize> {
    let (mut persons, mut studies) = (HashMap::new(), HashMap::new());
    let mut first = Vec::with_capacity(images.len());
    for ((image, &(identity, study)), person) in images.iter().enumerate().zip(persons_of(images)) {
        first.push(match (person, study) {
            (Some(person), _) => *persons.entry(person).or_insert(image),
            (None, Some(study)) => *studies.entry((identity, study)).or_insert(image),
            (None, None) => image,
        });
    }
    first
}

/// For each image, the identifier and the number of its patient; `None` where the patient is not known.
fn persons_of<'a>(images: &[(&'a PatientIdentity, Option<&str>)]) -> Vec<Option<(&'a str, usize)>> {
    let mut holders: HashMap<&'a str, IdentifierHolders<'a>> = HashMap::new();
    for (image, &(identity, _)) in images.iter().enumerate() {
        if let Some(id) = identity.id.as_deref() {
            holders.entry(id).or_default().add(identity, image);
        }
    }
    let mut person_of = vec![None; images.len()];
    for (id, holders) in holders {
        let all = holders.all.iter().map(|(identity, _)| *identity);
        let persons = persons(&all.collect::<Vec<_>>(), false);
        for ((_, images), person) in holders.all.iter().zip(persons) {
            for image in images {
                person_of[*image] = person.map(|person| (id, person));
            }
        }
    }
    person_of
}

/// All distinct identities with one identifier, and the images of each.
#[derive(Default)]
struct IdentifierHolders<'a> {
    all: Vec<(&'a PatientIdentity, Vec<usize>)>,
    positions: HashMap<&'a PatientIdentity, usize>,
}

impl<'a> IdentifierHolders<'a> {
    fn add(&mut self, identity: &'a PatientIdentity, image: usize) {
        let all = &mut self.all;
        let position = *self.positions.entry(identity).or_insert_with(|| {
            all.push((identity, Vec::new()));
            all.len() - 1
        });
        self.all[position].1.push(image);
    }
}

/// The groups of members that are linked directly or through other members.
fn connected(members: &[usize], linked: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &member in members {
        let (near, mut far): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.iter().any(|other| linked(member, *other)));
        let mut group = near.concat();
        group.push(member);
        far.push(group);
        groups = far;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::tests::identity;
    use super::*;
    use crate::domain::Fingerprint;

    fn numbered(all: &[[&str; 4]], of_one_study: bool) -> Vec<Option<usize>> {
        let all: Vec<PatientIdentity> = all.iter().copied().map(identity).collect();
        persons(&all.iter().collect::<Vec<_>>(), of_one_study)
    }

    #[test]
    fn an_identity_that_fits_two_patients_belongs_to_neither_and_does_not_join_them() {
        let (doe, roe, unnamed) = (
            ["7", "", "DOE", ""],
            ["7", "", "ROE", ""],
            ["7", "", "", ""],
        );
        assert_eq!(numbered(&[doe, unnamed], false), [Some(0), Some(0)]);
        assert_eq!(
            numbered(&[doe, unnamed, roe], false),
            [Some(0), None, Some(2)]
        );
        // The ends of a chain contradict each other: only identities with every field are sure.
        let chain = [
            ["7", "H", "DOE", "1950"],
            ["7", "", "DOE", "1950"],
            ["7", "K", "DOE", "1950"],
        ];
        assert_eq!(numbered(&chain, false), [Some(0), Some(1), Some(2)]);
        assert_eq!(
            numbered(&[["7", "H", "DOE", ""], ["7", "", "DOE", ""]], false),
            [Some(0), Some(1)],
            "only one side names an issuer"
        );
    }

    #[test]
    fn placeholders_and_studies_without_identifiers() {
        let anon = |name| ["ANON", "", name, "1950"];
        assert_eq!(numbered(&[anon("A"), anon("B")], false), [Some(0), Some(1)]);
        assert_eq!(numbered(&[["ANON", "", "", ""]], false), [None]);
        let of_study = [["", "", "", ""], ["", "", "DOE", ""]];
        assert_eq!(numbered(&of_study, true), [Some(0), Some(0)]);
        let two = [["", "", "DOE", ""], ["", "", "ROE", ""]];
        assert_eq!(numbered(&two, true), [Some(0), Some(1)]);
    }

    #[test]
    fn images_are_clustered_by_patient_and_those_without_a_patient_by_study() {
        let (doe, roe) = (
            identity(["7", "", "DOE", ""]),
            identity(["7", "", "ROE", ""]),
        );
        let (unnamed, unknown) = (identity(["7", "", "", ""]), identity(["", "", "", ""]));
        let images = [
            (&doe, Some("s1")),
            (&roe, Some("s2")),
            (&doe, Some("s3")),
            (&unnamed, Some("s4")),
            (&unnamed, Some("s4")),
            (&unnamed, None),
            (&unknown, None),
            (&unknown, None),
        ];
        assert_eq!(clusters(&images), [0, 1, 0, 3, 3, 5, 6, 7]);
    }

    #[test]
    fn an_identifier_with_too_many_identities_identifies_no_patient() {
        let all: Vec<PatientIdentity> = (0..=MOST_PEOPLE as u64)
            .map(|n| PatientIdentity {
                name: (n > 0).then_some(Fingerprint(n)),
                birth_date: Some(Fingerprint(n)),
                ..identity(["7", "", "", ""])
            })
            .collect();
        let persons = persons(&all.iter().collect::<Vec<_>>(), false);
        assert_eq!(persons[..2], [None, Some(1)]);
    }
}
