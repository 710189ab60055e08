//! What a config says of the outputs: their names, and what makes scores of their logits.

use serde_json::Value;

use super::json::{FolderError, JsonMembers, quoted};
use crate::inference::outputs::{MOST_OUTPUTS, ScoreFunction, by_count};

/// The names of the outputs in a config of transformers: `id2label`. `None` where it has none.
///
/// # Errors
/// If it does not name each output once, or `label2id` says otherwise.
pub fn names_of_transformers(config: &JsonMembers<'_>) -> Result<Option<Vec<String>>, FolderError> {
    let Some(labels) = config.get("id2label") else {
        return Ok(None);
    };
    let fault = |reason: String| {
        config
            .fault(&format!(
                "id2label {reason}; or name the outputs with --labels"
            ))
            .mendable()
    };
    let Some(labels) = labels.as_object() else {
        return Err(fault(format!("is {}, not an object", quoted(labels))));
    };
    if labels.len() > MOST_OUTPUTS {
        let count = labels.len();
        return Err(fault(format!(
            "names {count} outputs, and at most {MOST_OUTPUTS} are read"
        )));
    }
    let mut names: Vec<Option<String>> = vec![None; labels.len()];
    for (id, label) in labels {
        let place = id.parse::<usize>().ok().and_then(|id| names.get_mut(id));
        let name = match label {
            Value::String(name) => Some(name.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match (place, name) {
            (Some(place), Some(name)) if place.is_none() => *place = Some(name),
            _ => {
                return Err(fault(format!(
                    "has {} for {:?}: it does not number {} names from 0",
                    quoted(label),
                    id.chars().take(20).collect::<String>(),
                    labels.len()
                )));
            }
        }
    }
    let names: Option<Vec<String>> = names.into_iter().collect();
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Err(fault("names no output".to_owned()));
    };
    check_ids(config, &names)?;
    Ok(Some(names))
}

/// Refuses a `label2id` that says otherwise than `id2label`: one of them is wrong, and no one can tell which.
fn check_ids(config: &JsonMembers<'_>, names: &[String]) -> Result<(), FolderError> {
    let Some(ids) = config.inner("label2id")? else {
        return Ok(());
    };
    for (row, name) in names.iter().enumerate() {
        // An id is a number, or a number as text.
        let id = match ids.get(name) {
            Some(Value::String(id)) => id.parse().ok(),
            Some(id) => id.as_u64(),
            None => continue,
        };
        if id != Some(row as u64) {
            return Err(config.fault(&format!(
                "id2label has {name:?} as {row}, and label2id says otherwise: one of them is wrong; name the \
                 outputs with --labels"
            ))
            .mendable());
        }
    }
    Ok(())
}

/// The names of the outputs in a config of timm: `label_names`, a list, or an object with numbers as keys. `None` where
/// it has none.
///
/// # Errors
/// If it is neither, or skips a number.
pub fn names_of_timm(config: &JsonMembers<'_>) -> Result<Option<Vec<String>>, FolderError> {
    let Some(labels) = config.get("label_names").or_else(|| config.get("labels")) else {
        return Ok(None);
    };
    let named: Option<Vec<String>> = match labels {
        Value::Array(names) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        Value::Object(names) => (0..names.len())
            .map(|id| names.get(&id.to_string())?.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    match named.filter(|names| !names.is_empty()) {
        Some(names) => Ok(Some(names)),
        None => Err(config
            .fault(
                "label_names is neither a list of names nor an object that numbers them from 0: name the outputs \
                 with --labels",
            )
            .mendable()),
    }
}

/// What makes scores of the logits, as transformers' `ImageClassificationPipeline` decides it.
///
/// # Errors
/// If `problem_type` is no classification.
pub fn scores_of_transformers(
    config: &JsonMembers<'_>,
    outputs: usize,
) -> Result<ScoreFunction, FolderError> {
    match config.text("problem_type")? {
        Some("multi_label_classification") => Ok(ScoreFunction::Sigmoid),
        Some("single_label_classification") | None => Ok(by_count(outputs)),
        Some(other) => Err(config.fault(&format!(
            "problem_type is {other:?}: only single_label_classification and multi_label_classification have \
             scores"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;

    const FILE: &str = "config.json";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn of<T>(text: &str, read: impl Fn(&JsonMembers<'_>) -> T) -> T {
        let members = object(FILE, text).unwrap();
        read(&JsonMembers::new(FILE, &members))
    }

    #[test]
    fn id2label_names_each_output_once() {
        let read = |text: &str| of(text, names_of_transformers);
        let text = r#"{"id2label": {"1": "B", "0": "A", "2": 3}, "label2id": {"A": 0, "B": "1"}}"#;
        assert_eq!(read(text).unwrap(), Some(names(&["A", "B", "3"])));
        assert_eq!(read("{}").unwrap(), None);
        for (text, words) in [
            (
                r#"{"id2label": {"0": "A", "2": "B"}}"#,
                "id2label has \"B\" for \"2\": it does not number 2 names",
            ),
            (
                r#"{"id2label": {"0": "A", "00": "B"}}"#,
                "it does not number 2 names",
            ),
            (r#"{"id2label": {"x": "A"}}"#, "it does not number 1 names"),
            (
                r#"{"id2label": {"0": ["A"]}}"#,
                "it does not number 1 names",
            ),
            (r#"{"id2label": {}}"#, "names no output"),
            (
                r#"{"id2label": ["A"]}"#,
                "id2label is [\"A\"], not an object",
            ),
            (
                r#"{"id2label": {"0": "A", "1": "B"}, "label2id": {"A": 1, "B": 0}}"#,
                "id2label has \"A\" as 0, and label2id says otherwise",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains(words) && error.contains("--labels"),
                "{error}"
            );
        }
    }

    #[test]
    fn timm_names_outputs_in_a_list_or_by_number() {
        let read = |text: &str| of(text, names_of_timm);
        let expected = Some(names(&["A", "B"]));
        assert_eq!(read(r#"{"label_names": ["A", "B"]}"#).unwrap(), expected);
        assert_eq!(
            read(r#"{"label_names": {"1": "B", "0": "A"}}"#).unwrap(),
            expected
        );
        assert_eq!(read(r#"{"labels": ["A", "B"]}"#).unwrap(), expected);
        assert_eq!(read("{}").unwrap(), None);
        for text in [
            r#"{"label_names": {"0": "A", "2": "B"}}"#,
            r#"{"label_names": "A"}"#,
            r#"{"label_names": []}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn problem_type_decides_between_sigmoid_and_softmax() {
        let read = |text: &str, outputs| of(text, |config| scores_of_transformers(config, outputs));
        let multi = r#"{"problem_type": "multi_label_classification"}"#;
        let single = r#"{"problem_type": "single_label_classification"}"#;
        assert_eq!(read(multi, 14), Ok(ScoreFunction::Sigmoid));
        assert_eq!(read(single, 2), Ok(ScoreFunction::Softmax));
        assert_eq!(read(single, 1), Ok(ScoreFunction::Sigmoid));
        assert_eq!(read("{}", 2), Ok(ScoreFunction::Softmax));
        assert_eq!(read("{}", 1), Ok(ScoreFunction::Sigmoid));
        let error = read(r#"{"problem_type": "regression"}"#, 1).unwrap_err();
        assert!(error.to_string().contains("problem_type is \"regression\""));
    }
}
