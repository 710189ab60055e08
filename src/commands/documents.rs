//! `cxr completions` and `cxr man`, both made from the definitions of the command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::print;
use crate::cli::Cli;

pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cxr", &mut script);
    print(script)
}

/// One page for everything: the program, then each of its commands.
pub fn manual() -> Result<ExitCode> {
    let mut cxr = Cli::command();
    cxr.build();
    let mut page = Vec::new();
    Man::new(cxr.clone()).render(&mut page)?;
    for command in cxr
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        render_section(command, &mut page)?;
    }
    print(page)
}

fn render_section(command: &Command, page: &mut Vec<u8>) -> Result<()> {
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_uppercase();
    page.extend_from_slice(format!(".SH {name}\n").as_bytes());
    let man = Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    Ok(())
}
