//! What several commands need: the context of a run, exit codes, messages, output files, folders,
//! dates, cases and batches of images. A command takes nothing from the folder of another one.

pub mod batch;
pub mod cases;
mod context;
pub mod date;
mod exit;
pub mod folders;
pub mod hanging;
mod labels;
mod model;
mod named;
pub mod output_file;
mod print;
pub mod reviews;
mod standard_output;
mod terminal;

pub use context::{CommandContext, compute, limits};
pub use exit::{BAD_USAGE, SOME_FAILED, Usage, ended_by};
pub use labels::{assumed, heat_map_label};
pub use model::{in_model_option, model_library, read_model, resolve_model};
pub use named::named;
pub use print::{complain, misread, note, print, print_document, report};
pub use standard_output::{is_broken_pipe, standard_output};
pub use terminal::probe_time;

/// How many processor cores this process may use.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
