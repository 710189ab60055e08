use super::*;

pub const GOOD: &str = r#"
format = 1
name = "pilot"
design = "independent"
seed = 7
washout_days = 28
first = "balanced"
hide = ["identity", "header"]
rating = "0-100"
questions = ["Pneumonia", "COVID-19"]
readers = ["ann", "bob"]
readers_per_case = 2
model_sha256 = "MODEL"
store = "pilot.sqlite"

[cases]
file = "cases.csv"
sha256 = "CASES"

[reference]
file = "/data/reference.csv"
sha256 = "CASES"
label_columns = ["COVID-19=pcr"]
"#;

fn good() -> String {
    let model = "ab".repeat(32);
    GOOD.replace("MODEL", &model)
        .replace("CASES", &"cd".repeat(32))
}

#[test]
fn a_study_is_read() {
    let study = StudyFile::parse(good().as_bytes()).unwrap();
    assert_eq!(study.design, StudyDesign::Independent);
    assert_eq!((study.washout_days, study.seed), (28, 7));
    assert_eq!(study.readers, ["ann", "bob"]);
    assert!(study.hide.identity && study.hide.header && study.is_apart());
    assert_eq!(study.digest.len(), 64);
    assert_eq!(study.reference.unwrap().label_columns, ["COVID-19=pcr"]);
    // Another byte is another study.
    let other = StudyFile::parse((good() + " ").as_bytes()).unwrap();
    assert_ne!(other.digest, study.digest);
}

#[test]
fn each_fault_is_one_clear_line() {
    for (from, to, words) in [
        ("format = 1", "format = 2", "format: 2 is not known"),
        ("\"pilot\"", "\"\"", "name: a study needs a name"),
        ("\"pilot\"", "7", "line 3: invalid type"),
        ("\"independent\"", "\"parallel\"", "design: \"parallel\""),
        ("seed = 7", "seed = -7", "seed: 0 or more"),
        ("seed = 7", "sead = 7", "line 5: unknown field"),
        ("washout_days = 28\n", "", "washout_days: sittings apart"),
        ("= 28", "= 9999", "washout_days: 9999 is not from 0 to 3650"),
        ("\"balanced\"", "\"ann\"", "first: \"ann\""),
        ("\"header\"]", "\"age\"]", "hide: \"age\""),
        ("\"0-100\"", "\"1-5\"", "rating: \"1-5\""),
        ("[\"Pneumonia\", \"COVID-19\"]", "[]", "questions: none"),
        (
            "\"COVID-19\"]",
            "\"Pneumonia\"]",
            "questions: \"Pneumonia\" comes twice",
        ),
        ("\"bob\"]", "\"Ann\"]", "readers: \"Ann\" comes twice"),
        ("\"bob\"]", "\"b[o]b\"]", "readers: \"b[o]b\""),
        ("\"ann\", \"bob\"", "", "readers: 0 readers"),
        (
            "readers_per_case = 2",
            "readers_per_case = 3",
            "from 1 to 2",
        ),
        (
            "store = \"pilot",
            "store = \"../pilot",
            "store: a file in the folder",
        ),
        (
            "file = \"cases",
            "file = \"/x/cases",
            "cases.file: a file in the folder",
        ),
        ("\"abab", "\"abxb", "model_sha256: no SHA-256"),
        (
            "readers_per_case",
            "adjudicators = [\"Ann\"]\nreaders_per_case",
            "reads the cases too",
        ),
        ("[cases]", "[cases", "line 16: "),
    ] {
        let text = good().replacen(from, to, 1);
        assert_ne!(text, good(), "{from}");
        let fault = StudyFile::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains(words), "{to}: {fault}");
        assert!(!fault.contains('\n'), "{fault}");
    }
    let cases = [&b"\xff"[..], b"", &[b' '; (1 << 20) + 1]];
    for bytes in cases {
        assert!(StudyFile::parse(bytes).is_err());
    }
}

const LOCALISATION: &str = r#"
[localisation]
question = "Pneumonia"
boxes_column = "boxes"
rule = "distance"
limit = 0.05
"#;

#[test]
fn marks_on_lesions_have_a_rule() {
    use crate::domain::{LocalisationFigure, LocalisationRule};
    assert_eq!(
        StudyFile::parse(good().as_bytes()).unwrap().localisation,
        None
    );
    let text = good() + LOCALISATION;
    let found = StudyFile::parse(text.as_bytes())
        .unwrap()
        .localisation
        .unwrap();
    assert_eq!(
        found,
        LocalisationTask {
            question: "Pneumonia".into(),
            boxes_column: Some("boxes".into()),
            rule: LocalisationRule::Distance(50),
            figure: LocalisationFigure::WeightedAfroc,
        }
    );
    let only_inside = ("rule = \"distance\"\nlimit = 0.05", "rule = \"inside\"");
    let text = (good() + LOCALISATION).replace(only_inside.0, only_inside.1);
    let found = StudyFile::parse(text.as_bytes())
        .unwrap()
        .localisation
        .unwrap();
    assert_eq!(found.rule, LocalisationRule::Inside);
    for (from, to, words) in [
        (
            "question = \"Pneumonia\"",
            "question = \"nodule\"",
            "localisation.question: \"nodule\" is none of the questions Pneumonia, COVID-19",
        ),
        (
            "boxes_column = \"boxes\"\n",
            "",
            "localisation.boxes_column: the column",
        ),
        (
            "\"distance\"",
            "\"near\"",
            "localisation.rule: \"near\" is none of",
        ),
        (
            "\"distance\"",
            "\"inside\"",
            "localisation.limit: the rule inside has none",
        ),
        (
            "limit = 0.05",
            "",
            "localisation.limit: the rule distance needs one",
        ),
        (
            "limit = 0.05",
            "limit = 1.5",
            "localisation.limit: more than 0",
        ),
        (
            "limit = 0.05",
            "limit = 0.00001",
            "localisation.limit: three decimals",
        ),
        (
            "limit = 0.05",
            "figure = \"ROC\"\nlimit = 0.05",
            "localisation.figure: \"ROC\"",
        ),
        ("limit = 0.05", "radius = 0.05", "unknown field"),
    ] {
        let text = (good() + LOCALISATION).replacen(from, to, 1);
        let fault = StudyFile::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains(words), "{to}: {fault}");
    }
    let cut = good().find("[reference]").unwrap();
    let text = good()[..cut].to_owned() + LOCALISATION;
    let fault = StudyFile::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(
        fault.starts_with("localisation.boxes_column: there is no"),
        "{fault}"
    );
}

#[test]
fn only_sittings_apart_have_a_wash_out() {
    let text = good().replace("\"independent\"", "\"sequential\"");
    let fault = StudyFile::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(fault.starts_with("washout_days"), "{fault}");
    let text = text.replace("washout_days = 28\nfirst = \"balanced\"\n", "");
    assert_eq!(
        StudyFile::parse(text.as_bytes()).unwrap().design,
        StudyDesign::Sequential
    );
}
