//! `cxr completions` and `cxr man`, both made from the definitions of the command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::shared::print_document;
use crate::cli::Cli;

pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cxr", &mut script);
    print_document(&script)
}

/// One page for everything: the program, then each of its commands.
pub fn manual() -> Result<ExitCode> {
    let mut cxr = Cli::command();
    cxr.build();
    let mut page = Vec::new();
    let man = Man::new(cxr.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands_below(&cxr, &mut page)?;
    man.render_extra_section(&mut page)?;
    print_document(&page)
}

/// A section for each command that can be run, those below it after it.
fn commands_below(parent: &Command, page: &mut Vec<u8>) -> Result<()> {
    for command in parent
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        if !command.has_subcommands() {
            section(command, page)?;
        }
        commands_below(command, page)?;
    }
    Ok(())
}

fn section(command: &Command, page: &mut Vec<u8>) -> Result<()> {
    let man = Man::new(command.clone());
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    let name = command.get_bin_name().unwrap_or(command.get_name());
    // What is a section of a page of its own is a subsection here.
    let parts = String::from_utf8(parts)?.replace("\n.SH ", "\n.SS ");
    page.extend_from_slice(format!(".SH {}\n{parts}", name.to_uppercase()).as_bytes());
    Ok(())
}
