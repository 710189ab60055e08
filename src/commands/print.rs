//! The doors from commands to the terminal. Text passes as [`Printable`] only, which is made by cleaning:
//! a card, a path or an argument cannot move the cursor or turn the text around. What is made for
//! other programs to read, byte for byte, has a door of its own.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use super::standard_output::{is_broken_pipe, standard_output};
use super::{BAD_USAGE, SOME_FAILED, Usage};
use crate::config::Rejected;
use crate::domain::text::Printable;

/// Prints text on standard output. That nobody reads on is no error: `cxr models list | head -1`.
///
/// # Errors
/// If it cannot be written for another reason.
pub fn print(text: &Printable) -> Result<ExitCode> {
    put(text.as_str().as_bytes())
}

/// Prints what this program makes for others to read, as it is: a completion script, a manual page, a
/// report whose own type escapes what comes from files.
///
/// # Errors
/// As [`print`].
pub fn print_document(document: &[u8]) -> Result<ExitCode> {
    put(document)
}

fn put(bytes: &[u8]) -> Result<ExitCode> {
    let mut out = standard_output()?.lock();
    let printed = out.write_all(bytes).and_then(|()| out.flush());
    match printed.map_err(anyhow::Error::from) {
        Err(error) if !is_broken_pipe(&error) => Err(error),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// One clean line on standard error, if that is still there.
pub fn complain(message: &str) {
    note(&Printable::line(&format!("cxr: {message}")));
}

/// A line of its own words on standard error, if that is still there.
pub fn note(line: &Printable) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints an error as one line without control characters, a rejected configuration as one for each
/// mistake, and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(rejected) = error.downcast_ref::<Rejected>() {
        rejected.to_string().lines().for_each(complain);
        return ExitCode::from(BAD_USAGE);
    }
    complain(&format!("{error:#}"));
    let code = if error.is::<Usage>() {
        BAD_USAGE
    } else {
        SOME_FAILED
    };
    ExitCode::from(code)
}

/// Prints help or the version, or what is wrong with the arguments, and gives the exit code for it. An
/// error repeats the argument that it is about, so it is printed without colours: in clap's own
/// rendering nothing tells the program's escape sequences from those of the argument.
pub fn misread(error: &clap::Error) -> ExitCode {
    // A closed terminal is no reason to fail.
    let _ = match error.use_stderr() {
        false => error.print(),
        true => write!(io::stderr(), "{}", Printable::page(&error.to_string())),
    };
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
