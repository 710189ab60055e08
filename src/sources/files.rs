//! Files on the disk.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::SourceFault;

/// Opens a regular file. Opening a pipe or a terminal could wait forever, and one may have replaced the
/// file between the check and the opening. So the file is opened without waiting, and checked again.
pub fn open_regular(path: &Path) -> Result<File, SourceFault> {
    use rustix::fs::OFlags;
    let regular = |metadata: io::Result<Metadata>| match metadata
        .map_err(|error| SourceFault::of_io(&error))?
    {
        metadata if metadata.is_file() => Ok(()),
        _ => Err(SourceFault::NotRegular),
    };
    regular(fs::metadata(path))?;
    let without_waiting = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = File::options();
    let options = options
        .read(true)
        .custom_flags(without_waiting.bits() as i32);
    let file = options
        .open(path)
        .map_err(|error| SourceFault::of_io(&error))?;
    regular(file.metadata())?;
    Ok(file)
}
