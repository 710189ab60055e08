//! The file itself: whose it is, what it lies on, how it is opened.

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
/// What SQLite has beside a file has its name and one of these.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Where the store is unless told otherwise: `$XDG_STATE_HOME/cxr/reviews.sqlite`, or below
/// `~/.local/state`. `None` without a home.
pub fn default_path(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    // The specification has relative paths ignored.
    let absolute = |name: &str| {
        let path = PathBuf::from(variable(name)?);
        path.is_absolute().then_some(path)
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("cxr").join("reviews.sqlite"))
}

/// Held while this process opens or makes the file by itself: see [`create`].
static MAKING: Mutex<()> = Mutex::new(());

/// Opens the store, and makes it where there is none.
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

/// Opens a store that is there, for reading only; on a read-only medium too.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    // SQLite has its log beside the file itself, not beside a link to it.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if !path.exists() {
        return Err(StoreError::Absent {
            path: path.to_owned(),
        });
    }
    let wait = Wait::default();
    recognise(path, &wait)?;
    let connection = open_plainly(path, &wait).or_else(|error| match log_of(path) {
        // Nothing hangs in a log, so the file alone says everything; and no log can be made here.
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

/// All of it, in memory: an older schema is brought forward there, and the file stays as it is.
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
    // SQLite looks at the file only now.
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

/// The write-ahead log or rollback journal beside the file, if one holds anything.
pub fn log_of(path: &Path) -> Option<PathBuf> {
    ["-wal", "-journal"].iter().find_map(|suffix| {
        let log = with_suffix(path, suffix);
        fs::metadata(&log)
            .is_ok_and(|metadata| metadata.len() > 0)
            .then_some(log)
    })
}

/// An empty file that only its owner can read, and the folder for it. A file that is there keeps its
/// mode: several people may share it on purpose.
///
/// Closing a file takes all locks on it from the whole process, whichever handle they were taken with
/// (fcntl(2); sqlite.org/howtocorrupt.html, section 2.2), and the next program would take the store for
/// unused. So this is the only place that opens the file past SQLite, it opens none that is there, and
/// nothing of this process can have a lock on it before it is closed again.
fn create(path: &Path) -> Result<(), StoreError> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = |error: std::io::Error| StoreError::io(path, &error);
    if path.exists() {
        return Ok(());
    }
    if let Some(log) = log_of(path) {
        // SQLite would remove it with the new file's first use, and it may hold reviews.
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

/// Refuses what is not ours before SQLite has touched it: merely opening another program's file may
/// replay its journal. SQLite itself looks at the header, since it knows not to close a file that
/// another connection of this process has locked; told that the file is immutable, it looks at no
/// journal, takes no lock and writes nothing.
fn recognise(path: &Path, wait: &Wait) -> Result<(), StoreError> {
    // Another thread of this process may be making it.
    drop(MAKING.lock().unwrap_or_else(PoisonError::into_inner));
    let foreign = |why| StoreError::Foreign {
        path: path.to_owned(),
        why,
    };
    let metadata = fs::metadata(path).map_err(|error| StoreError::io(path, &error))?;
    // To open a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(foreign("no file"));
    }
    if metadata.len() == 0 {
        return Ok(());
    }
    let header = || -> rusqlite::Result<i32> {
        let mut connection = open_immutable(path)?;
        wait.install(&mut connection, BUSY)?;
        pragma(&connection, "application_id")
    };
    match header() {
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

/// Has SQLite believe nothing that the file says of itself, and refuses a schema that is not ours before
/// anything in it is asked.
fn distrust(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let found = connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)
        .and_then(|_| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false))
        .and_then(|_| connection.pragma_update(None, "cell_size_check", true))
        .and_then(|()| schema::strange(connection));
    match found.map_err(|error| StoreError::new(path, &error))? {
        None => Ok(()),
        Some(reason) => Err(StoreError::Damaged {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// Looks for damage before anything is written over it.
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

/// How commits reach the disk.
fn settle(path: &Path, connection: &Connection) -> rusqlite::Result<()> {
    // EXTRA is FULL, and in a rollback journal's mode also syncs the folder once the journal is gone:
    // a journal that came back after a power cut would take the last commit with it.
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let wanted = if shares_memory(path) { "wal" } else { "delete" };
    let now: String = pragma(connection, "journal_mode")?;
    if now.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    match connection.pragma_update_and_check(None, "journal_mode", wanted, |_| Ok(())) {
        // Another process has it open in the other mode, which is as safe: next time.
        Err(error) if is_in_use(&error) => Ok(()),
        other => other,
    }
}

/// With a write-ahead log, syncing it is what another connection does before it acknowledges a review,
/// and what anybody does before the log is written back (sqlite.org/wal.html, section 3). A rollback
/// journal has to be synced each time.
pub fn relax(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = pragma(connection, "journal_mode")?;
    match mode.eq_ignore_ascii_case("wal") {
        true => connection.pragma_update(None, "synchronous", "NORMAL"),
        false => Ok(()),
    }
}

fn is_in_use(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, ReadOnly};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked | ReadOnly)
    )
}

/// Whether processes can share memory through a file beside this one, as a write-ahead log needs:
/// not on network file systems, where they may be on several machines (sqlite.org/wal.html).
#[cfg(target_os = "linux")]
fn shares_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|found| !is_network(found.f_type as u64))
}

#[cfg(not(target_os = "linux"))]
fn shares_memory(_: &Path) -> bool {
    false
}

/// `f_type` of statfs(2); from linux/magic.h, and from the sources of those that are not in it. FUSE
/// is as likely sshfs as anything else.
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
    // Some machines widen the number with its sign.
    NETWORK.contains(&(magic & 0xffff_ffff))
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a file is the store's database or one of those that SQLite has beside it. While this process
/// has the store open, nothing but SQLite may open and close one of them: that would take SQLite's
/// locks away.
pub fn is_part_of(store: &Path, file: &Path) -> bool {
    let Some(found) = identity(file) else {
        return false;
    };
    let mut parts = BESIDE.iter().map(|suffix| with_suffix(store, suffix));
    parts.any(|part| identity(&part) == Some(found))
}

/// Whether a file is there and holds nothing.
pub fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}

/// Which file it is, whatever it is called.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn network_file_systems_are_told_by_their_magic_and_local_ones_are_not() {
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

    #[test]
    fn the_folder_is_xdgs_or_else_below_home() {
        let of = |pairs: &[(&str, &str)]| {
            default_path(|name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        let home = ("HOME", "/home/a");
        let own = PathBuf::from("/home/a/.local/state/cxr/reviews.sqlite");
        assert_eq!(of(&[home]), Some(own.clone()));
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "not/absolute")]), Some(own));
        let state = of(&[home, ("XDG_STATE_HOME", "/var/s")]);
        assert_eq!(state, Some("/var/s/cxr/reviews.sqlite".into()));
        assert_eq!(of(&[]), None);
    }
}
