//! The data elements of DICOM, as bytes: where each begins and ends, however a file wrote it (PS3.5 section 7, PS3.10
//! section 7). What they mean is for the floors above.
//!
//! ```text
//! bytes of a file ── FileStart ──► where the data set begins, and its transfer syntax ── Encoding
//!                                   ├─ TopElements   the elements at the top, one by one, as far as they can be read
//!                                   └─ Cursor        a walk into sequences and items, with a reason for each fault
//! ```
//!
//! All of it is hostile input: nothing is allocated for what a header declares, and sequences are nested as deep as a
//! limit allows. Films are decoded with it (`imaging`), an answer of a server is compared with what was asked for
//! (`dicomweb`), and messages and files of the network are read (`dimse`).

mod cursor;
mod encoding;
mod fault;
mod file_start;
mod top_elements;
mod uid;

pub use cursor::{
    Cursor, ElementHeader, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, check_depth, has_short_length,
    is_fragmented,
};
pub use encoding::{BIG_ENDIAN_PIXELS, EXPLICIT_VR_BIG_ENDIAN, Encoding};
pub use fault::ElementFault;
pub use file_start::{FileStart, after_preamble, has_preamble};
pub use top_elements::{TopElement, TopElements};
pub use uid::{is_uid, trimmed};
