//! `cxr completions` and `cxr man`, both made from the definitions of the command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::shared::print_document;
use crate::cli::{self, examples};
use crate::tui::keymap::Keymap;

pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "cxr", &mut script);
    print_document(&script)
}

/// One page for everything: the program, then each of its commands.
pub fn manual() -> Result<ExitCode> {
    let mut cxr = cli::command();
    cxr.build();
    let mut page = Vec::new();
    let man = Man::new(cxr.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands_below(&cxr, &mut page)?;
    page.extend_from_slice(heading("EXAMPLES").as_bytes());
    page.extend_from_slice(lines(examples::of(&[])).as_bytes());
    for (title, rows) in [("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)] {
        page.extend_from_slice(heading(title).as_bytes());
        for (name, words) in rows {
            page.extend_from_slice(entry(name, words).as_bytes());
        }
    }
    page.extend_from_slice(heading("KEYS").as_bytes());
    for binding in Keymap::bundled().bindings() {
        page.extend_from_slice(entry(&binding.display_keys(), &binding.help).as_bytes());
    }
    page.extend_from_slice(heading("NOTICE").as_bytes());
    page.extend_from_slice(format!("{}\n", roff(cli::NOT_A_DEVICE)).as_bytes());
    print_document(&page)
}

const FILES: &[(&str, &str)] = &[
    (
        "~/.config/cxr/config.toml",
        "the configuration (cxr config --path says where it is looked for)",
    ),
    (
        "~/.local/state/cxr/reviews.sqlite",
        "reviews, and what models said; $XDG_STATE_HOME moves it",
    ),
    (
        "~/.local/state/cxr/screen.toml",
        "the sizes of the panes of the screen",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("CXR_MODEL", "the model, as --model"),
    ("CXR_CONFIG", "the configuration file; empty for none"),
    ("CXR_PROBE_MS", "how long the terminal may take to answer"),
    (
        "CXR_NAME",
        "other options, by their names in upper case: CXR_MAX_MEGAPIXELS, CXR_STORE and so on",
    ),
    ("NO_COLOR", "no colours of text; pixels keep theirs"),
    (
        "COLORTERM",
        "truecolor or 24bit where the terminal has 24-bit colours",
    ),
    (
        "LC_ALL, LC_CTYPE, LANG",
        "ASCII only where the encoding is not UTF-8",
    ),
    (
        "XDG_CONFIG_HOME, XDG_STATE_HOME",
        "the folders of the files above",
    ),
];

fn heading(title: &str) -> String {
    format!(".SH {title}\n")
}

/// A name, and its words indented below it.
fn entry(name: &str, words: &str) -> String {
    format!(".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(words))
}

/// Lines that are shown as they are.
fn lines(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| roff(line)).collect();
    format!(".nf\n{}\n.fi\n", lines.join("\n"))
}

/// Text without meaning for roff.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.strip_prefix(['.', '\'']) {
        Some(_) => format!("\\&{text}"),
        None => text,
    }
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
    let words: Vec<&str> = name.split(' ').skip(1).collect();
    let examples = examples::of(&words);
    if !examples.is_empty() {
        parts.extend_from_slice(heading("EXAMPLES").as_bytes());
        parts.extend_from_slice(lines(examples).as_bytes());
    }
    // What is a section of a page of its own is a subsection here.
    let parts = String::from_utf8(parts)?.replace("\n.SH ", "\n.SS ");
    page.extend_from_slice(format!(".SH {}\n{parts}", name.to_uppercase()).as_bytes());
    Ok(())
}
