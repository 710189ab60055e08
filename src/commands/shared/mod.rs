//! What several commands need: the context of a run, exit codes, messages, output files, folders,
//! dates, cases and batches of images. A command takes nothing from the folder of another one.

pub mod batch;
pub mod cases;
mod context;
mod cores;
pub mod date;
mod exit;
pub mod film_table;
pub mod folders;
pub mod hanging;
pub mod html;
mod labels;
mod model;
mod named;
pub mod numbered_file;
pub mod output_file;
mod output_folder;
mod pacs;
mod print;
mod pseudonym_key;
pub mod reviews;
pub mod shard;
mod standard_output;
pub mod study;
mod table_bytes;
mod table_format;
mod terminal;
pub mod totals;

pub use context::{CommandContext, compute, limits};
pub use cores::available_cores;
pub use exit::{BAD_USAGE, SOME_FAILED, Usage, ended_by};
pub use labels::{assumed, heat_map_label};
pub use model::{in_model_option, model_library, read_model, resolve_model};
pub use named::named;
pub use output_folder::refuse_inside;
pub use pacs::open_pacs;
#[cfg(test)]
pub use pacs::{PACS_MEMORY, PACS_TIMEOUT};
#[cfg(feature = "dicomweb")]
pub use pacs::{pacs_address, pacs_settings};
pub use print::{complain, misread, note, print, print_document, report};
pub use pseudonym_key::pseudonym_key;
pub use standard_output::{is_broken_pipe, standard_output};
pub use table_bytes::{parquet_bytes, table_bytes};
pub use terminal::probe_time;
