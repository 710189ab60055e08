//! How many processor cores this process may use.
//!
//! The system knows of control groups and of the processors that the process is bound to. A Slurm without either only
//! says in the environment what a task was given (slurm.schedmd.com/sbatch.html, *Output environment variables*).

use std::thread;

/// How many processor cores this process may use: those that the system lets it use, and no more than Slurm gave it.
pub fn available_cores() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let given = given_by_slurm(|name| std::env::var(name).ok());
    given.map_or(cores, |given| cores.min(given)).max(1)
}

/// The cores of a task: those of `--cpus-per-task`, or else the node's share for each task of the step.
fn given_by_slurm(variable: impl Fn(&str) -> Option<String>) -> Option<usize> {
    let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
    number("SLURM_CPUS_PER_TASK").or_else(|| {
        let node = number("SLURM_NODEID").unwrap_or(0);
        let tasks = variable("SLURM_STEP_TASKS_PER_NODE").and_then(|text| at(&text, node));
        Some((number("SLURM_CPUS_ON_NODE")? / tasks.unwrap_or(1).max(1)).max(1))
    })
}

/// The number of a node in Slurm's short form: `2(x3),1` is 2, 2, 2, 1.
fn at(text: &str, node: usize) -> Option<usize> {
    let mut before = 0;
    for group in text.split(',') {
        let (tasks, nodes) = match group.split_once("(x") {
            Some((tasks, nodes)) => (tasks, nodes.strip_suffix(')')?.parse().ok()?),
            None => (group, 1_usize),
        };
        before += nodes;
        if node < before {
            return tasks.trim().parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_uses_what_slurm_gave_it() {
        let given = |variables: &[(&str, &str)]| {
            given_by_slurm(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let node = ("SLURM_CPUS_ON_NODE", "8");
        let tasks = ("SLURM_STEP_TASKS_PER_NODE", "4(x2),2");
        assert_eq!(given(&[]), None);
        assert_eq!(given(&[("SLURM_CPUS_PER_TASK", "3"), node]), Some(3));
        assert_eq!(given(&[node]), Some(8));
        assert_eq!(given(&[node, tasks]), Some(2));
        assert_eq!(given(&[node, tasks, ("SLURM_NODEID", "1")]), Some(2));
        assert_eq!(given(&[node, tasks, ("SLURM_NODEID", "2")]), Some(4));
        assert_eq!(given(&[node, ("SLURM_STEP_TASKS_PER_NODE", "16")]), Some(1));
        assert_eq!(given(&[("SLURM_CPUS_ON_NODE", "many")]), None);
    }
}
