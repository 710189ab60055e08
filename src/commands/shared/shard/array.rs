//! Which shard a process is, from what the engine that started it says: Slurm's job arrays, Kubernetes' indexed
//! jobs, arrays of AWS Batch.
//!
//! An engine's index is not yet a shard. Slurm's ids begin where the user says, may have steps, and a retry of some
//! tasks (`--array=3,7`) counts two tasks and not sixteen. So `auto/N` fixes N, and takes Slurm's id for the number of
//! the shard; `auto` alone is for an array that is whole.

use super::Shard;
use crate::cli::ShardArgument;

const SLURM_ID: &str = "SLURM_ARRAY_TASK_ID";
const KUBERNETES_INDEX: &str = "JOB_COMPLETION_INDEX";
const AWS_INDEX: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
const AWS_SIZE: &str = "AWS_BATCH_JOB_ARRAY_SIZE";

/// The shard that `--shard` asks for; `variable` looks up a variable of the environment.
///
/// # Errors
/// Why it is not known, for the user.
pub fn shard(
    argument: ShardArgument,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    let of = match argument {
        ShardArgument::Number { number, of } => return Ok(Shard { number, of }),
        ShardArgument::Auto { of } => of,
    };
    let variables = Variables(&variable);
    let engines = [SLURM_ID, KUBERNETES_INDEX, AWS_INDEX];
    let said: Vec<&str> = engines
        .into_iter()
        .filter(|name| variable(name).is_some())
        .collect();
    match said[..] {
        [] => Err(format!(
            "auto: none of {} is set; say which shard: --shard K/N",
            engines.join(", ")
        )),
        [SLURM_ID] => slurm(&variables, of),
        [KUBERNETES_INDEX] => kubernetes(&variables, of),
        [_] => aws_batch(&variables, of),
        _ => Err(format!(
            "auto: {} are set, which may disagree; say which shard: --shard K/N",
            said.join(" and ")
        )),
    }
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn optional(&self, name: &str) -> Result<Option<u32>, String> {
        let number = |text: String| {
            let parsed = text.trim().parse();
            parsed.map_err(|_| format!("auto: {name}={text} is no number"))
        };
        (self.0)(name).map(number).transpose()
    }

    fn needed(&self, name: &str) -> Result<u32, String> {
        self.optional(name)?
            .ok_or_else(|| format!("auto: {name} is not set"))
    }
}

fn checked(index: u64, of: u32, words: &str) -> Result<Shard, String> {
    match u32::try_from(index) {
        Ok(index) if index < of => Ok(Shard {
            number: index + 1,
            of,
        }),
        _ => Err(format!("auto: {words} is none of {of} shards")),
    }
}

/// slurm.schedmd.com/job_array.html: `SLURM_ARRAY_TASK_COUNT` is the number of tasks, `_MIN` and `_MAX` the lowest and
/// the highest id, `_STEP` the distance of two.
fn slurm(variables: &Variables, of: Option<u32>) -> Result<Shard, String> {
    let id = variables.needed(SLURM_ID)?;
    if let Some(of) = of {
        let words = format!("{SLURM_ID}={id}");
        return match id.checked_sub(1) {
            Some(index) => checked(index.into(), of, &words),
            None => Err(format!(
                "auto/{of}: {words}, but shards are numbered from 1: --array=1-{of}"
            )),
        };
    }
    let count = variables.needed("SLURM_ARRAY_TASK_COUNT")?;
    let least = variables.needed("SLURM_ARRAY_TASK_MIN")?;
    let most = variables.needed("SLURM_ARRAY_TASK_MAX")?;
    let span = u64::from(most.saturating_sub(least));
    let between = u64::from(count.saturating_sub(1));
    let step = span.checked_div(between).unwrap_or(1).max(1);
    let index = u64::from(id.saturating_sub(least));
    let is_regular = step * between == span && index.is_multiple_of(step) && id >= least;
    if count == 0 || !is_regular {
        return Err(format!(
            "auto: the ids of this array are not regular ({count} tasks from {least} to {most}), as in a retry of \
             some of them; say the number of shards: --shard auto/N with --array=1-N"
        ));
    }
    checked(index / step, count, &format!("{SLURM_ID}={id}"))
}

/// kubernetes.io/docs, *Indexed Job*: the index begins at 0, and the number of completions is not told.
fn kubernetes(variables: &Variables, of: Option<u32>) -> Result<Shard, String> {
    let index = variables.needed(KUBERNETES_INDEX)?;
    let of = of.ok_or_else(|| {
        format!("auto: {KUBERNETES_INDEX}={index}, but Kubernetes does not say of how many; say the job's completions: --shard auto/N")
    })?;
    checked(index.into(), of, &format!("{KUBERNETES_INDEX}={index}"))
}

/// docs.aws.amazon.com/batch, *Job environment variables*: the index begins at 0, and the size is that of the array.
fn aws_batch(variables: &Variables, of: Option<u32>) -> Result<Shard, String> {
    let index = variables.needed(AWS_INDEX)?;
    let size = variables.optional(AWS_SIZE)?;
    let of = match (of, size) {
        (Some(of), Some(size)) if of != size => {
            return Err(format!(
                "auto/{of}: the array has {AWS_SIZE}={size}; say which shard: --shard K/N"
            ));
        }
        (Some(of), _) | (None, Some(of)) => of,
        (None, None) => {
            return Err(format!(
                "auto: {AWS_SIZE} is not set; say the number of shards: --shard auto/N"
            ));
        }
    };
    checked(index.into(), of, &format!("{AWS_INDEX}={index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(argument: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let look = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        shard(argument.parse().unwrap(), look).map(|shard| shard.to_string())
    }

    fn slurm(argument: &str, [id, count, least, most]: [&str; 4]) -> Result<String, String> {
        let variables = [
            (SLURM_ID, id),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_MIN", least),
            ("SLURM_ARRAY_TASK_MAX", most),
        ];
        of(argument, &variables)
    }

    #[test]
    fn ids_of_slurm_may_begin_anywhere_and_have_steps() {
        for (ids, expected) in [
            (["1", "16", "1", "16"], "1/16"),
            (["16", "16", "1", "16"], "16/16"),
            (["0", "16", "0", "15"], "1/16"),
            (["15", "16", "0", "15"], "16/16"),
            (["14", "4", "2", "14"], "4/4"),
            (["6", "4", "2", "14"], "2/4"),
            (["5", "1", "5", "5"], "1/1"),
        ] {
            assert_eq!(slurm("auto", ids).as_deref(), Ok(expected), "{ids:?}");
        }
    }

    #[test]
    fn a_retry_of_some_tasks_keeps_their_numbers() {
        let retry = ["7", "2", "3", "7"];
        assert_eq!(slurm("auto/16", retry).as_deref(), Ok("7/16"));
        let irregular = slurm("auto", ["7", "3", "3", "8"]).unwrap_err();
        assert!(irregular.contains("auto/N"), "{irregular}");
        for (id, words) in [("0", "from 1"), ("17", "none of 16")] {
            let error = slurm("auto/16", [id, "16", "0", "17"]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn other_engines_count_from_0() {
        let index = (KUBERNETES_INDEX, "4");
        assert_eq!(of("auto/5", &[index]).as_deref(), Ok("5/5"));
        assert!(of("auto/4", &[index]).unwrap_err().contains("none of 4"));
        assert!(of("auto", &[index]).unwrap_err().contains("auto/N"));
        let batch = [(AWS_INDEX, "0"), (AWS_SIZE, "9")];
        assert_eq!(of("auto", &batch).as_deref(), Ok("1/9"));
        assert!(of("auto/8", &batch).unwrap_err().contains("=9"));
        assert!(of("auto", &batch[..1]).unwrap_err().contains(AWS_SIZE));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        assert!(of("auto", &[]).unwrap_err().contains("none of"));
        let both = [(KUBERNETES_INDEX, "0"), (AWS_INDEX, "0")];
        assert!(of("auto/2", &both).unwrap_err().contains("disagree"));
        let text = [(KUBERNETES_INDEX, "one")];
        assert!(of("auto/2", &text).unwrap_err().contains("no number"));
        assert_eq!(of("3/16", &both).as_deref(), Ok("3/16"));
    }
}
