//! The paths of members, which whoever made the archive chose.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::LONGEST_NAME;
use crate::sources::natural_order;

/// The path of a member inside its archive: parts that are joined by `/`, none of them empty, `.` or `..`.
///
/// # Errors
/// Why the name is refused.
pub fn member_path(name: &[u8]) -> Result<Box<[u8]>, &'static str> {
    if name.len() > LONGEST_NAME {
        return Err("its name is too long");
    }
    if name.contains(&0) {
        return Err("its name has a zero byte");
    }
    // Programs of Windows read `\` and `C:` as we read `/`.
    let is_absolute = name.starts_with(b"/") || name.starts_with(b"\\");
    let has_drive = name.get(1) == Some(&b':') && name[0].is_ascii_alphabetic();
    let parts = || name.split(|byte| *byte == b'/');
    let windows_parts = || name.split(|byte| matches!(byte, b'/' | b'\\'));
    if is_absolute || has_drive || windows_parts().any(|part| part == b"..") {
        return Err("its name leads out of the archive");
    }
    let wanted: Vec<&[u8]> = parts()
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if wanted.is_empty() {
        return Err("it has no name");
    }
    Ok(wanted.join(&b'/').into())
}

/// Whether a part of the path begins with a dot, as the copies of attributes that macOS adds do.
pub fn is_hidden(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/')
        .any(|part| part.starts_with(b"."))
}

/// The order of a walk through folders: part by part, each in natural order.
pub fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        match (left.next(), right.next()) {
            (Some(l), Some(r)) => match natural_order(l, r) {
                Ordering::Equal => {}
                order => return order,
            },
            (l, r) => return l.is_some().cmp(&r.is_some()),
        }
    }
}

fn parts(path: &[u8]) -> impl Iterator<Item = &OsStr> {
    path.split(|byte| *byte == b'/').map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_refused_and_others_are_plain_paths() {
        for (name, path) in [
            (&b"a/b.dcm"[..], &b"a/b.dcm"[..]),
            (b"./a//b.dcm", b"a/b.dcm"),
            (b"a/", b"a"),
            (b"a..b/..c", b"a..b/..c"),
            (b"back\\slash", b"back\\slash"),
        ] {
            assert_eq!(member_path(name).as_deref(), Ok(path));
        }
        for name in [
            &b"../a"[..],
            b"a/../../b",
            b"a/..",
            b"/etc/passwd",
            b"\\\\host\\share",
            b"..\\a",
            b"a\\..\\b",
            b"C:\\a",
            b"c:a",
            b"",
            b"./",
            b"a\0b",
            &[b'a'; LONGEST_NAME + 1],
        ] {
            assert!(member_path(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn members_come_in_the_order_of_a_walk() {
        let mut paths = ["b/2", "b/10", "b", "a.png", "a/z", "b.png", "a"];
        paths.sort_by(|a, b| walk_order(a.as_bytes(), b.as_bytes()));
        assert_eq!(paths, ["a", "a/z", "a.png", "b", "b/2", "b/10", "b.png"]);
    }
}
