//! The file: whether it is a store, its file system, and how it is opened.

use std::ffi::c_int;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::StoreError;
use super::schema::{self, APPLICATION_ID, MIGRATIONS, Version, pragma};
use super::wait::Wait;
use crate::domain::text::clean;

/// How long one statement waits for other processes' locks.
pub const BUSY: Duration = Duration::from_secs(10);
/// Bytes of an SQLite file's header (sqlite.org/fileformat.html).
const HEADER: u64 = 100;
/// Endings of the file and of SQLite's files beside it.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Held while this process opens or creates the file without SQLite: see [`create`].
static MAKING: Mutex<()> = Mutex::new(());

/// Opens the store, and creates it where there is none.
pub fn open(path: &Path, wait: &Wait) -> Result<Connection, StoreError> {
    create(path)?;
    recognise(path, wait)?;
    let fault = |error: rusqlite::Error| StoreError::new(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    wait.install(&mut connection, BUSY).map_err(fault)?;
    distrust(path, &connection)?;
    admit(path, schema::migrate(&mut connection, &MIGRATIONS))?;
    check(path, &connection)?;
    settle(path, &connection).map_err(fault)?;
    Ok(connection)
}

/// Opens an existing store for reading only, even on a read-only medium.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    // SQLite's log lies beside the file itself, not beside a link to it.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if !path.exists() {
        return Err(StoreError::Absent {
            path: path.to_owned(),
        });
    }
    let wait = Wait::default();
    recognise(path, &wait)?;
    let connection = open_plainly(path, &wait).or_else(|error| match log_of(path) {
        // Without a log the file is complete, and no log can be made here.
        None => open_immutable(path),
        Some(_) => Err(error),
    });
    let fault = |error: rusqlite::Error| StoreError::new(path, &error);
    let mut connection = connection.map_err(fault)?;
    distrust(path, &connection)?;
    if schema::is_older(&connection, &MIGRATIONS).map_err(fault)? {
        connection = copy(&connection).map_err(fault)?;
    }
    admit(path, schema::migrate(&mut connection, &MIGRATIONS))?;
    check(path, &connection)?;
    Ok(connection)
}

/// A copy of the whole store in memory. An older schema is migrated there, and the file stays as it is.
fn copy(from: &Connection) -> rusqlite::Result<Connection> {
    const PAGES: c_int = 1_000;
    let mut memory = Connection::open_in_memory()?;
    Backup::new(from, &mut memory)?.run_to_completion(PAGES, BUSY, None)?;
    Ok(memory)
}

fn open_plainly(path: &Path, wait: &Wait) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait.install(&mut connection, BUSY)?;
    // SQLite reads the file only now.
    pragma::<i64>(&connection, "schema_version")?;
    Ok(connection)
}

fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri + "?immutable=1", flags)
}

/// The write-ahead log or rollback journal beside the file, if one is there and not empty.
pub fn log_of(path: &Path) -> Option<PathBuf> {
    ["-wal", "-journal"].iter().find_map(|suffix| {
        let log = with_suffix(path, suffix);
        fs::metadata(&log)
            .is_ok_and(|metadata| metadata.len() > 0)
            .then_some(log)
    })
}

/// Creates an empty file that only its owner can read, and its folder. An existing file keeps its mode:
/// several people may share it on purpose.
///
/// Closing a file releases all locks of the whole process on it, from any handle (fcntl(2);
/// sqlite.org/howtocorrupt.html, section 2.2), and another program would then take the store for unused. So
/// this is the only function that opens the file without SQLite. It never opens an existing file, and no
/// other part of this process can have a lock on the new file before it is closed again.
fn create(path: &Path) -> Result<(), StoreError> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = |error: std::io::Error| StoreError::io(path, &error);
    if path.exists() {
        return Ok(());
    }
    // Another process may have created the file, and begun to write it, since the first look.
    if let Some(log) = log_of(path).filter(|_| !path.exists()) {
        // SQLite would remove the log at the new file's first use, and it may hold reviews.
        let log = log.file_name().unwrap_or_default().to_string_lossy();
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: format!("it is gone, and {log} beside it may hold reviews of it"),
        });
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(fault)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create_new(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop).map_err(fault),
    }
}

/// Refuses a file that is not a store before SQLite opens it for use: opening another program's file may
/// already replay its journal. SQLite itself reads the header, since it does not close a file that another
/// connection of this process has locked. The file is declared immutable, so SQLite reads no journal, takes
/// no lock and writes nothing.
fn recognise(path: &Path, wait: &Wait) -> Result<(), StoreError> {
    // Another thread of this process may be creating it.
    drop(MAKING.lock().unwrap_or_else(PoisonError::into_inner));
    let foreign = |why| StoreError::Foreign {
        path: path.to_owned(),
        why,
    };
    let metadata = fs::metadata(path).map_err(|error| StoreError::io(path, &error))?;
    // Opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(foreign("no file"));
    }
    if metadata.len() == 0 {
        return Ok(());
    }
    match application_of(path, wait) {
        Ok(APPLICATION_ID) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(foreign("no SQLite file"))
        }
        _ if metadata.len() < HEADER => Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: "it is cut short".to_owned(),
        }),
        Ok(_) => Err(foreign("another program's database")),
        Err(error) => Err(StoreError::new(path, &error)),
    }
}

/// The application identifier of a file that other processes may be writing.
fn application_of(path: &Path, wait: &Wait) -> rusqlite::Result<i32> {
    let mut connection = open_immutable(path)?;
    wait.install(&mut connection, BUSY)?;
    // The first page counts pages that another process has still to write. With this setting SQLite does not
    // compare their number with the file's size: pages are only known to be missing under a lock.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    pragma(&connection, "application_id")
}

fn admit(path: &Path, version: rusqlite::Result<Version>) -> Result<(), StoreError> {
    let path = path.to_owned();
    match version {
        Ok(Version::Current) => Ok(()),
        Ok(Version::Foreign) => Err(StoreError::Foreign {
            path,
            why: "another program's database",
        }),
        Ok(Version::Newer(found)) => Err(StoreError::Newer {
            path,
            found,
            known: MIGRATIONS.len() as i64,
        }),
        Err(error) => Err(StoreError::new(&path, &error)),
    }
}

/// Makes SQLite distrust the file's schema, and refuses a foreign schema before any query uses it. The version comes
/// first: what a newer version of cxr made is strange to this one, and no damage.
fn distrust(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let fault = |error: rusqlite::Error| StoreError::new(path, &error);
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)
        .and_then(|_| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false))
        .and_then(|_| connection.pragma_update(None, "cell_size_check", true))
        .map_err(fault)?;
    if let Some(found) = schema::newer(connection, &MIGRATIONS).map_err(fault)? {
        return admit(path, Ok(Version::Newer(found)));
    }
    match schema::strange(connection).map_err(fault)? {
        None => Ok(()),
        Some(reason) => Err(StoreError::Damaged {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// Looks for damage before the store is written.
fn check(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| StoreError::new(path, &error))?;
    if found == "ok" {
        return Ok(());
    }
    let lines = found.lines().filter(|line| !line.starts_with("***"));
    Err(StoreError::Damaged {
        path: path.to_owned(),
        reason: clean(&lines.take(1).collect::<String>()),
    })
}

/// Sets how commits reach the disk.
fn settle(path: &Path, connection: &Connection) -> rusqlite::Result<()> {
    // EXTRA is FULL, and with a rollback journal it also syncs the folder after the journal is removed: a
    // journal that reappeared after a power cut would undo the last commit.
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let wanted = if shares_memory(path) { "wal" } else { "delete" };
    let now: String = pragma(connection, "journal_mode")?;
    if now.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    match connection.pragma_update_and_check(None, "journal_mode", wanted, |_| Ok(())) {
        // Another process has it open in the other mode, which is as safe. A later session may change it.
        Err(error) if is_in_use(&error) => Ok(()),
        other => other,
    }
}

/// Lets commits of this connection reach the disk later. That is safe with a write-ahead log only: another
/// connection syncs the log before it acknowledges a review, and every connection does so before the log is
/// written back (sqlite.org/wal.html, section 3). A rollback journal has to be synced each time.
pub fn relax(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = pragma(connection, "journal_mode")?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", "NORMAL")
}

fn is_in_use(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, ReadOnly};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked | ReadOnly)
    )
}

/// Whether processes can share memory through a file beside this one, as a write-ahead log needs. They cannot
/// on network file systems, where they may run on several machines (sqlite.org/wal.html).
#[cfg(target_os = "linux")]
fn shares_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|found| !is_network(found.f_type as u64))
}

#[cfg(not(target_os = "linux"))]
fn shares_memory(_: &Path) -> bool {
    false
}

/// Whether `f_type` of statfs(2) is that of a network file system. Numbers are from linux/magic.h, or from
/// the sources of file systems that are not in it. FUSE counts as one, since it may be sshfs.
#[cfg(any(target_os = "linux", test))]
fn is_network(magic: u64) -> bool {
    const NETWORK: [u64; 17] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB2
        0x6573_5546, // FUSE: sshfs, s3fs, GlusterFS …
        0x0102_1997, // 9p
        0x0bd0_0bd0, // Lustre
        0x4750_4653, // GPFS
        0x00c3_6400, // Ceph
        0x5346_414f, // OpenAFS
        0x6b41_4653, // the kernel's AFS
        0x7375_7245, // Coda
        0x0116_1970, // GFS2
        0x7461_636f, // OCFS2
        0x1983_0326, // BeeGFS
        0xaad7_aaea, // PanFS
        0x564c,      // NCP
    ];
    // Some machines sign-extend the number.
    NETWORK.contains(&(magic & 0xffff_ffff))
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a file is the store's database or one of SQLite's files beside it. While this process has the
/// store open, only SQLite may open and close them: any other code would release SQLite's locks.
pub fn is_part_of(store: &Path, file: &Path) -> bool {
    let Some(found) = identity(file) else {
        return false;
    };
    let mut parts = BESIDE.iter().map(|suffix| with_suffix(store, suffix));
    parts.any(|part| identity(&part) == Some(found))
}

/// Whether a file exists and is empty.
pub fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}

/// Device and inode: the identity of a file under any name.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As another process leaves it for a moment when it writes more pages than the file had.
    #[test]
    fn a_store_whose_last_pages_are_not_written_yet_is_recognised_and_never_opened_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        drop(open(&path, &Wait::default()).unwrap());
        let whole = fs::read(&path).unwrap();
        let begun = &whole[..whole.len() / 2];
        fs::write(&path, begun).unwrap();
        let recognised = recognise(&path, &Wait::default());
        assert!(recognised.is_ok(), "{}", recognised.unwrap_err());
        // No process is writing, so the missing pages will not come.
        for open in [open_read_only(&path), open(&path, &Wait::default())] {
            assert!(matches!(open, Err(StoreError::Damaged { .. })), "{open:?}");
        }
        assert_eq!(fs::read(&path).unwrap(), begun, "it was left as it is");
        fs::write(&path, &whole).unwrap();
        assert!(open(&path, &Wait::default()).is_ok());
    }

    #[test]
    fn network_file_systems_are_recognised_by_their_magic_number() {
        for network in [0x6969, 0xffff_ffff_ff53_4d42, 0x6573_5546, 0x0bd0_0bd0] {
            assert!(is_network(network), "{network:x}");
        }
        // ext4, XFS, btrfs, tmpfs, overlayfs, ZFS
        for local in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
        ] {
            assert!(!is_network(local), "{local:x}");
        }
    }
}
