//! Whether two images are of one patient, as far as their files say.
//!
//! A *Patient ID* is unique only where it was issued, and de-identified files share `ANON` and the
//! like. So two identities are one where identifier and issuer are the same and neither name, birth date
//! nor sex contradicts; and where several people bear one identifier, an image that does not say which of
//! them it is of belongs to none.

use std::collections::HashMap;

use super::origin::taken;

/// Who issued a *Patient ID*: *Issuer of Patient ID* (0010,0021), and the *Universal Entity ID*
/// (0040,0032) of the *Issuer of Patient ID Qualifiers Sequence* (0010,0024), which names the same
/// authority (PS3.3 C.7.1.1 and table 10-18).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Issuer {
    pub local: Option<String>,
    pub universal: Option<String>,
}

impl Issuer {
    fn is_unsaid(&self) -> bool {
        self.local.is_none() && self.universal.is_none()
    }

    /// Whether both name one authority; where one names none, nothing proves it.
    pub fn agrees(&self, other: &Issuer) -> Sameness {
        if self.is_unsaid() && other.is_unsaid() {
            return Sameness::Same;
        }
        let parts = [
            agree(&self.local, &other.local),
            agree(&self.universal, &other.universal),
        ];
        Sameness::of(&parts)
    }
}

/// A name or a birth date, of which only equality can be told: 64 bits of a digest that also covers the
/// identifier, so that one name has another print under another identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

/// What a file says of who its patient is. Name and birth date are not among it, only their prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PatientIdentity {
    /// *Patient ID* (0010,0020). Hidden unless asked for.
    pub id: Option<String>,
    pub issuer: Issuer,
    /// Of *Patient's Name* (0010,0010), as [`comparable_name`] has it.
    pub name: Option<Fingerprint>,
    /// Of *Patient's Birth Date* (0010,0030), as [`comparable_birth_date`] has it.
    pub birth_date: Option<Fingerprint>,
    /// *Patient's Sex* (0010,0040). It proves nothing, and contradicts.
    pub sex: Option<Sex>,
}

/// The two values of *Patient's Sex* that can contradict each other (PS3.3 C.7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    Female,
    Male,
}

impl Sex {
    /// Of `F` or `M`. `O` (other), and anything else, says nothing here.
    pub fn said(code: &str) -> Option<Self> {
        match code.trim() {
            "F" | "f" => Some(Sex::Female),
            "M" | "m" => Some(Sex::Male),
            _ => None,
        }
    }

    /// As DICOM writes it.
    pub fn code(self) -> &'static str {
        match self {
            Sex::Female => "F",
            Sex::Male => "M",
        }
    }
}

/// What two identities say of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    Same,
    /// Something that both say differs.
    Different,
    /// Nothing contradicts, and not enough is said.
    Unproven,
}

impl Sameness {
    /// Of several things: one that differs decides, then one that is the same.
    fn of(parts: &[Sameness]) -> Sameness {
        let any = |wanted| parts.contains(&wanted);
        match (any(Sameness::Different), any(Sameness::Same)) {
            (true, _) => Sameness::Different,
            (false, true) => Sameness::Same,
            (false, false) => Sameness::Unproven,
        }
    }
}

fn agree<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> Sameness {
    match (one, other) {
        (Some(one), Some(other)) if one == other => Sameness::Same,
        (Some(_), Some(_)) => Sameness::Different,
        _ => Sameness::Unproven,
    }
}

impl PatientIdentity {
    /// Whether both are of one patient.
    ///
    /// Without an identifier nothing proves it. Where one side alone names an issuer, or the identifier
    /// is a placeholder such as `ANON`, name and birth date must both be there and agree.
    pub fn agrees(&self, other: &PatientIdentity) -> Sameness {
        let name = agree(&self.name, &other.name);
        let birth_date = agree(&self.birth_date, &other.birth_date);
        let issuer = self.issuer.agrees(&other.issuer);
        let id = agree(&self.id, &other.id);
        let sex = agree(&self.sex, &other.sex);
        if [name, birth_date, issuer, id, sex].contains(&Sameness::Different) {
            return Sameness::Different;
        }
        let is_person_proven = name == Sameness::Same && birth_date == Sameness::Same;
        let is_weak = issuer == Sameness::Unproven || self.has_placeholder();
        match id {
            Sameness::Same if is_person_proven || !is_weak => Sameness::Same,
            _ => Sameness::Unproven,
        }
    }

    /// Whether the identifier is one that software or a de-identification writes for everybody.
    fn has_placeholder(&self) -> bool {
        self.id.as_deref().is_some_and(is_placeholder)
    }

    /// Whether two images that say exactly this are of one patient.
    fn is_sure(&self) -> bool {
        self.agrees(self) == Sameness::Same
    }

    /// Whether it says all that tells one person from another.
    pub fn is_full(&self) -> bool {
        self.is_sure() && self.name.is_some() && self.birth_date.is_some()
    }
}

/// Words that stand in *Patient ID* or *Patient's Name* where none was written.
const PLACEHOLDERS: [&str; 28] = [
    "ANON",
    "ANONYM",
    "ANONYMOUS",
    "ANONYMISED",
    "ANONYMIZED",
    "DEIDENTIFIED",
    "DEFAULT",
    "DUMMY",
    "EMPTY",
    "NA",
    "NAME",
    "NIL",
    "NOID",
    "NONAME",
    "NONE",
    "NOTKNOWN",
    "NULL",
    "PATIENT",
    "PATIENTID",
    "PATIENTNAME",
    "PSEUDONYM",
    "PSEUDONYMISED",
    "PSEUDONYMIZED",
    "REMOVED",
    "TEST",
    "UNKNOWN",
    "UNNAMED",
    "UNSPECIFIED",
];

fn is_placeholder(id: &str) -> bool {
    let letters: String = id.chars().filter(|c| c.is_alphanumeric()).collect();
    let letters = letters.to_uppercase();
    // `0000`, `XXXX`, `----`: one character again and again is no number of anybody.
    let first = letters.chars().next();
    let is_one = first.is_none_or(|first| letters.chars().all(|c| c == first));
    let is_filler = letters.len() != 1 || first == Some('0') || first == Some('X');
    is_one && is_filler || PLACEHOLDERS.contains(&letters.as_str())
}

/// A *Patient's Name* as it can be compared (PS3.5 6.2.1): family, given and middle name of the first
/// component group that says something, in capitals, with one space between all their words. Prefix
/// and suffix are titles as often as not, and padding is none of the name. `None` if nothing is left,
/// and for a name of everybody, such as `ANONYMOUS` or `XXXX`.
pub fn comparable_name(name: &str) -> Option<String> {
    let group = name
        .split('=')
        .find(|group| group.chars().any(char::is_alphanumeric))?;
    let name: Vec<String> = group
        .split('^')
        .take(3)
        .flat_map(|component| component.split(|c: char| c.is_whitespace() || c == ','))
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
        .collect();
    let name = name.join(" ");
    (!name.is_empty() && !is_nobodys_name(&name)).then_some(name)
}

/// Whether all of a name stands for none: `ANONYMOUS`, `TEST PATIENT`, `NO NAME`, `XXXX`, `0`.
fn is_nobodys_name(name: &str) -> bool {
    let letters: Vec<char> = name.chars().filter(|c| c.is_alphanumeric()).collect();
    // There are people called Aa and Ng, and a letter of other scripts is a whole name.
    let is_run = letters.iter().all(|letter| *letter == letters[0]);
    let first = letters.first().copied().unwrap_or('0');
    let is_filler = first == 'X' || first.is_ascii_digit() || first.is_ascii() && letters.len() > 2;
    let whole: String = letters.iter().collect();
    let is_word = |word: &str| PLACEHOLDERS.contains(&word);
    is_run && is_filler || is_word(&whole) || name.split(' ').all(is_word)
}

/// Birth dates that are written where none is known: the first days of calendars and of clocks, and
/// one digit again and again.
const NO_BIRTH_DATES: [&str; 6] = [
    "1900-01-01",
    "1901-01-01",
    "1970-01-01",
    // Zero of spreadsheets.
    "1899-12-30",
    "1899-12-31",
    "1111-11-11",
];

/// A *Patient's Birth Date* as it can be compared: `1950-01-02`. `None` if it is no date, or one on
/// which no patient of a digital archive was born: before 1880, or such as 1900-01-01.
pub fn comparable_birth_date(date: &str) -> Option<String> {
    let date = taken(date, None)?;
    let is_known = date.as_str() >= "1880" && !NO_BIRTH_DATES.contains(&date.as_str());
    is_known.then_some(date)
}

/// Identities beyond these that share an identifier are not weighed against each other, but only
/// grouped where they are the same and say name and birth date: it identifies nobody, and to compare
/// all pairs of a hundred thousand would take hours.
pub const MOST_PEOPLE: usize = 16;

/// To which person each of these different identities belongs, from 0 on; `None` where it does not say
/// which of several. All of them have one identifier, or none has any and they are of one study.
///
/// To be of one patient is no transitive relation where something is left unsaid: `DOE^JANE` and
/// `ROE^RICHARD` both agree with an image without a name, which must not make them one. Such a bridge
/// belongs to nobody.
pub fn persons(identities: &[&PatientIdentity], of_one_study: bool) -> Vec<Option<usize>> {
    let full = |number: usize| identities[number].is_full();
    if identities.len() > MOST_PEOPLE {
        let alone = (0..identities.len()).map(|number| full(number).then_some(number));
        return alone.collect();
    }
    let weigh = |(a, b): (&PatientIdentity, &PatientIdentity)| match a.agrees(b) {
        // A study is of one patient unless its images contradict each other.
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
            person[member] = match is_one {
                true => is_sure.then_some(group[0]),
                false => full(member).then_some(member),
            };
        }
    }
    // A bridge that says both name and birth date is somebody by itself.
    for bridge in all.iter().copied().filter(|x| !plain.contains(x)) {
        person[bridge] = full(bridge).then_some(bridge);
    }
    person
}

/// Which images are of one patient, for statistics that are clustered by patients: for each image, with
/// its study, the first one of its patient. One that does not say whose it is is alone in its study.
pub fn clusters(images: &[(&PatientIdentity, Option<&str>)]) -> Vec<usize> {
    // By identifier, the different identities and which images say them.
    let mut bearers: HashMap<&str, IdentifierHolders> = HashMap::new();
    for (image, (said, _)) in images.iter().enumerate() {
        let Some(id) = said.id.as_deref() else {
            continue;
        };
        let IdentifierHolders { all, places } = bearers.entry(id).or_default();
        let place = *places.entry(*said).or_insert_with(|| {
            all.push((*said, Vec::new()));
            all.len() - 1
        });
        all[place].1.push(image);
    }
    let mut person_of = vec![None; images.len()];
    for (id, IdentifierHolders { all, .. }) in &bearers {
        let said: Vec<&PatientIdentity> = all.iter().map(|(said, _)| *said).collect();
        for ((_, images), person) in all.iter().zip(persons(&said, false)) {
            for image in images {
                person_of[*image] = person.map(|person| (*id, person));
            }
        }
    }
    let (mut persons, mut studies) = (HashMap::new(), HashMap::new());
    let mut first = Vec::with_capacity(images.len());
    for (image, (said, study)) in images.iter().enumerate() {
        first.push(match (person_of[image], study) {
            (Some(person), _) => *persons.entry(person).or_insert(image),
            (None, Some(study)) => *studies.entry((*said, *study)).or_insert(image),
            (None, None) => image,
        });
    }
    first
}

/// All that bear one identifier.
#[derive(Default)]
struct IdentifierHolders<'a> {
    all: Vec<(&'a PatientIdentity, Vec<usize>)>,
    places: HashMap<&'a PatientIdentity, usize>,
}

/// Groups of those that are linked, directly or through others.
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
    use super::*;

    fn print(text: &str) -> Option<Fingerprint> {
        let sum = text
            .bytes()
            .fold(7_u64, |sum, byte| sum * 31 + u64::from(byte));
        (!text.is_empty()).then_some(Fingerprint(sum))
    }

    /// Identifier, issuer, name and birth date; empty for unsaid.
    fn who([id, issuer, name, birth_date]: [&str; 4]) -> PatientIdentity {
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        PatientIdentity {
            id: said(id),
            issuer: Issuer {
                local: said(issuer),
                universal: None,
            },
            name: print(name),
            birth_date: print(birth_date),
            sex: None,
        }
    }

    #[test]
    fn another_sex_is_another_patient_and_an_unsaid_one_says_nothing() {
        use Sameness::{Different, Same};
        let of = |person, code| PatientIdentity {
            sex: Sex::said(code),
            ..who(person)
        };
        let (named, born) = (["4711", "", "DOE", ""], ["4711", "", "", "1950"]);
        for (one, other, expected) in [
            (of(named, "F"), of(born, "M"), Different),
            (of(named, "F"), of(named, "M"), Different),
            (of(named, "F"), of(born, "F"), Same),
            (of(named, "F"), of(born, ""), Same),
            (of(named, "F"), of(born, "O"), Same),
            (of(named, "M "), of(born, "f"), Different),
        ] {
            assert_eq!(one.agrees(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.agrees(&one), expected, "{one:?} {other:?}");
        }
        // Alike in sex is no proof.
        let anon = of(["ANON", "", "", ""], "F");
        assert_eq!(anon.agrees(&anon.clone()), Sameness::Unproven);
        let (f, m) = (of(named, "F"), of(named, "M"));
        assert_eq!(persons(&[&f, &m], false), [Some(0), Some(1)]);
    }

    #[test]
    fn a_name_of_everybody_is_no_name() {
        for name in [
            "ANONYMOUS",
            "Anonymized",
            "anonymous^anonymous",
            "UNKNOWN",
            "Unknown^Unknown^",
            "NONAME",
            "No^Name",
            "XXXX",
            "xx^xx",
            "0",
            "AAAA",
            "Test^Patient",
            "N/A",
        ] {
            assert_eq!(comparable_name(name), None, "{name}");
        }
        for name in [
            "DOE^JOHN",
            "Test^John",
            "Aa^",
            "Ng",
            "王",
            "林^林",
            "ANON-0042",
            "Patient^Zero",
        ] {
            assert!(comparable_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_birth_date_of_everybody_is_none() {
        for date in [
            "19000101",
            "19010101",
            "19700101",
            "00010101",
            "00000000",
            "11111111",
            "99999999",
            "1900.01.01",
            "18581117",
            "",
            "unknown",
        ] {
            assert_eq!(comparable_birth_date(date), None, "{date}");
        }
        for (date, shown) in [
            ("19500102", "1950-01-02"),
            ("1950.01.02", "1950-01-02"),
            ("19000102", "1900-01-02"),
            ("19690101", "1969-01-01"),
            ("20000101", "2000-01-01"),
        ] {
            assert_eq!(comparable_birth_date(date).as_deref(), Some(shown));
        }
    }

    #[test]
    fn one_patient_is_identifier_and_issuer_and_nothing_that_contradicts() {
        use Sameness::{Different, Same, Unproven};
        for (one, other, expected) in [
            (["7", "H", "DOE", "1950"], ["7", "H", "DOE", "1950"], Same),
            (["7", "", "DOE", ""], ["7", "", "", "1950"], Same),
            (["7", "", "", ""], ["7", "", "", ""], Same),
            (["7", "", "DOE", ""], ["7", "", "ROE", ""], Different),
            (
                ["7", "", "DOE", "1950"],
                ["7", "", "DOE", "1951"],
                Different,
            ),
            (
                ["7", "H", "DOE", "1950"],
                ["7", "K", "DOE", "1950"],
                Different,
            ),
            (
                ["7", "", "DOE", "1950"],
                ["8", "", "DOE", "1950"],
                Different,
            ),
            // One side alone names an issuer.
            (["7", "H", "DOE", "1950"], ["7", "", "DOE", "1950"], Same),
            (["7", "H", "DOE", ""], ["7", "", "DOE", ""], Unproven),
            // Nobody is called that.
            (["ANON", "", "", ""], ["ANON", "", "", ""], Unproven),
            (
                ["ANON", "", "DOE", "1950"],
                ["ANON", "", "DOE", "1950"],
                Same,
            ),
            (["", "", "DOE", "1950"], ["", "", "DOE", "1950"], Unproven),
        ] {
            let (one, other) = (who(one), who(other));
            assert_eq!(one.agrees(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.agrees(&one), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn an_authority_is_known_by_either_of_its_names() {
        let issuer = |local: &str, universal: &str| {
            let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Issuer {
                local: said(local),
                universal: said(universal),
            }
        };
        for (one, other, expected) in [
            (issuer("H", "1.2"), issuer("H", ""), Sameness::Same),
            (issuer("", "1.2"), issuer("H", "1.2"), Sameness::Same),
            (issuer("H", "1.2"), issuer("H", "1.3"), Sameness::Different),
            (issuer("H", ""), issuer("", "1.2"), Sameness::Unproven),
        ] {
            assert_eq!(one.agrees(&other), expected);
        }
    }

    #[test]
    fn names_are_compared_without_case_padding_and_titles() {
        let doe = comparable_name("Doe^John^^Dr^Jr").unwrap();
        for name in [
            "DOE^JOHN",
            " doe ^ john^^^",
            "Doe, John",
            "Doe^John=山田^太郎",
        ] {
            assert_eq!(comparable_name(name).as_ref(), Some(&doe), "{name}");
        }
        for name in ["DOE^JANE", "DOE^JOHN^A", "DOE"] {
            assert_ne!(comparable_name(name).as_ref(), Some(&doe), "{name}");
        }
        assert_eq!(comparable_name("=山田^太郎").as_deref(), Some("山田 太郎"));
        for name in ["", "^^", " ^ = ^ ", "-"] {
            assert_eq!(comparable_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn placeholders_are_known() {
        for id in [
            "ANON",
            "anonymous",
            "N/A",
            "0",
            "0000",
            "XXXX",
            "--",
            "Patient ID",
        ] {
            assert!(is_placeholder(id), "{id}");
        }
        for id in ["1", "7", "MRN-0001", "P1", "ANON-0042", "TEST17", "1000"] {
            assert!(!is_placeholder(id), "{id}");
        }
    }

    fn numbered(all: &[[&str; 4]], of_one_study: bool) -> Vec<Option<usize>> {
        let all: Vec<PatientIdentity> = all.iter().copied().map(who).collect();
        persons(&all.iter().collect::<Vec<_>>(), of_one_study)
    }

    #[test]
    fn who_does_not_say_which_of_two_is_neither_and_does_not_make_them_one() {
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
        // In a chain no link sees both ends: nothing of it is sure, but who says everything.
        let chain = [
            ["7", "H", "DOE", "1950"],
            ["7", "", "DOE", "1950"],
            ["7", "K", "DOE", "1950"],
        ];
        assert_eq!(numbered(&chain, false), [Some(0), Some(1), Some(2)]);
        assert_eq!(
            numbered(&[["7", "H", "DOE", ""], ["7", "", "DOE", ""]], false),
            [Some(0), Some(1)],
            "an issuer on one side alone"
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
    fn images_are_clustered_by_person_and_those_of_nobody_by_study() {
        let (doe, roe) = (who(["7", "", "DOE", ""]), who(["7", "", "ROE", ""]));
        let (unnamed, nobody) = (who(["7", "", "", ""]), who(["", "", "", ""]));
        let images = [
            (&doe, Some("s1")),
            (&roe, Some("s2")),
            (&doe, Some("s3")),
            (&unnamed, Some("s4")),
            (&unnamed, Some("s4")),
            (&unnamed, None),
            (&nobody, None),
            (&nobody, None),
        ];
        assert_eq!(clusters(&images), [0, 1, 0, 3, 3, 5, 6, 7]);
    }

    #[test]
    fn an_identifier_of_everybody_identifies_nobody() {
        let all: Vec<PatientIdentity> = (0..=MOST_PEOPLE as u64)
            .map(|n| PatientIdentity {
                name: (n > 0).then_some(Fingerprint(n)),
                birth_date: Some(Fingerprint(n)),
                ..who(["7", "", "", ""])
            })
            .collect();
        let persons = persons(&all.iter().collect::<Vec<_>>(), false);
        assert_eq!(persons[..2], [None, Some(1)]);
    }
}
