//! How commands write to the terminal. Text passes as [`Printable`] only, which is cleaned when it is
//! made: a card, a path or an argument cannot move the cursor or turn the text around. Documents for
//! other programs, which must stay byte for byte, have a function of their own.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use super::standard_output::{is_broken_pipe, standard_output};
use super::{BAD_USAGE, SOME_FAILED, Usage};
use crate::config::Rejected;
use crate::domain::text::Printable;

/// Prints text on standard output. A reader that has closed the pipe is no error, as in
/// `cxr models list | head -1`.
///
/// # Errors
/// If standard output is closed or cannot be written.
pub fn print(text: &Printable) -> Result<ExitCode> {
    write(text.as_str().as_bytes())
}

/// Prints a document as it is: a completion script, a manual page, or a report, which escapes by itself
/// what comes from files.
///
/// # Errors
/// As [`print()`].
pub fn print_document(document: &[u8]) -> Result<ExitCode> {
    write(document)
}

fn write(bytes: &[u8]) -> Result<ExitCode> {
    let mut out = standard_output()?.lock();
    let printed = out.write_all(bytes).and_then(|()| out.flush());
    match printed.map_err(anyhow::Error::from) {
        Err(error) if !is_broken_pipe(&error) => Err(error),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Writes one clean line on standard error: `cxr: MESSAGE`.
pub fn complain(message: &str) {
    note(&Printable::line(&format!("cxr: {message}")));
}

/// Writes a line on standard error as it is.
pub fn note(line: &Printable) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints an error as one line without control characters, and a rejected configuration as one line
/// for each mistake. Returns the exit code.
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

/// Prints help, the version or an error of the arguments, and returns the exit code. An error repeats
/// its argument, so it is printed without colours: in clap's own rendering, the program's escape
/// sequences cannot be told from those of the argument.
pub fn misread(error: &clap::Error) -> ExitCode {
    // A closed terminal is no reason to fail.
    let _ = if error.use_stderr() {
        write!(io::stderr(), "{}", Printable::page(&error.to_string()))
    } else {
        error.print()
    };
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
