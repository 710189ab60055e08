//! `cxr`: a second reader for chest radiographs that lives in the terminal.
//!
//! ```text
//! tui::view::worklist                  tui::view::radiograph
//! ┌ Worklist 1 284 · 312 scored ─────┐┌ IM-0042.dcm  PA  M 54y  2544×3056 ┐
//! │ ✓● IM-0040.png  91.0 % COVID-19  ││                                   │
//! │▸ ○ IM-0042.dcm        no finding ││        tui::preview::Painter      │
//! │  ✗ IM-0043.jpg  refused: colour  ││                                   │
//! tui::view::findings                 ││   domain::view::View through      │
//! ├ Findings · score ── 9 reviewed ──┤│   imaging::show                   │
//! │   Pneumonia  ━━━━━╾──┼──  47.7 % ││                                   │
//! │   COVID-19   ━───────┼──  12.0 % ││                                   │
//! tui::view::input                    ││                                   │
//! └ ok · cxr-lite0 3f9a1c · 11 ms ───┘└ W 2048 L 1024 · 1.6× ── 42/1 284 ─┘
//!  [/]filter [s]ort [w]indow [?]help [q]uit            not for diagnosis
//!  tui::view::footer, from tui::keymap
//! ```
//!
//! Arrows point down only (`tests/floors/main.rs` keeps it so):
//!
//! ```text
//! main → commands → tui → worker → inference → imaging → sources → domain; imaging → data_elements
//!        commands → adaptation → evaluation; checkpoint, model_library, export, library
//!        commands, tui → store → domain; commands → config → cli; commands → dicom → domain
//!        commands, worker → predictions → store
//!        commands → dicomweb → sources, web; commands → dimse → domain; commands → study → domain
//!        dicomweb, dimse → data_elements; commands, dicomweb, inference, model_library → atomic_file
//!        commands, dimse, model_library → locked_file; dicomweb, imaging, tui → starting
//! ```

pub mod adaptation;
pub mod atomic_file;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data_elements;
pub mod dicom;
#[cfg(feature = "dicomweb")]
pub mod dicomweb;
pub mod dimse;
pub mod domain;
pub mod evaluation;
pub mod export;
#[doc(hidden)]
pub mod fuzzing;
pub mod imaging;
pub mod inference;
pub mod library;
pub mod locked_file;
pub mod model_library;
pub mod predictions;
pub mod sources;
pub mod starting;
pub mod store;
pub mod study;
pub mod tui;
#[cfg(any(feature = "dicomweb", feature = "pull"))]
pub mod web;
pub mod worker;

#[cfg(test)]
#[path = "../tests/skip/mod.rs"]
mod skip;
