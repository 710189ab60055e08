use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use ::tar;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::read_at::ReadAt;
use super::*;
use crate::sources::SourceFault;

type Files<'a> = &'a [(&'a str, &'a [u8])];

fn zip(files: Files, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn header(kind: tar::EntryType, length: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(length as u64);
    header.set_mode(0o644);
    header
}

fn tar(files: Files) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = header(tar::EntryType::Regular, bytes.len());
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A tar archive with one member of this name, which need not be allowed.
fn tar_named(name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = header(kind, 0);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, &[][..]).unwrap();
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn opened(bytes: Vec<u8>) -> Result<FilmArchive, SourceFault> {
    let length = bytes.len() as u64;
    let bytes: Arc<dyn ReadAt> = Arc::new(bytes);
    let kind = ArchiveKind::of(&bytes).expect("an archive");
    FilmArchive::index(bytes, length, kind)
}

fn names(archive: &FilmArchive) -> Vec<String> {
    let members = archive.members().iter();
    members
        .map(|member| member.path().display().to_string())
        .collect()
}

fn content(archive: &FilmArchive, name: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let film = archive
        .open(Path::new(name))
        .map_err(std::io::Error::other)?;
    film.reader()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a member cannot be read.
fn refusal(archive: &FilmArchive, name: &str) -> String {
    content(archive, name).unwrap_err().to_string()
}

/// Bytes that do not compress, other ones for each seed.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

const FILES: Files = &[
    ("b/10.dcm", b"ten"),
    ("b/9.dcm", b"nine"),
    ("a.png", b"first"),
    (".hidden", b"x"),
    ("__MACOSX/b/._9.dcm", b"x"),
    ("empty", b""),
];

#[test]
fn members_are_listed_in_order_and_read_in_every_kind_of_archive() {
    for bytes in [
        zip(FILES, CompressionMethod::Stored),
        zip(FILES, CompressionMethod::Deflated),
        tar(FILES),
        gzip(&tar(FILES)),
        // Two gzip members one after the other are one stream (RFC 1952, 2.2).
        [gzip(&tar(FILES)[..700]), gzip(&tar(FILES)[700..])].concat(),
    ] {
        let archive = opened(bytes).unwrap();
        assert_eq!(names(&archive), ["a.png", "b/9.dcm", "b/10.dcm", "empty"]);
        assert!(archive.problems().is_empty());
        assert_eq!(content(&archive, "b/9.dcm").unwrap(), b"nine");
        assert_eq!(content(&archive, "./b//10.dcm").unwrap(), b"ten");
        assert_eq!(content(&archive, "empty").unwrap(), b"");
        assert_eq!(refusal(&archive, "b"), "it is a folder of an archive");
        assert_eq!(refusal(&archive, "c"), "the archive has no such member");
        assert_eq!(
            refusal(&archive, "../a.png"),
            "the archive has no such member"
        );
        let below: Vec<_> = archive.below(Path::new("b")).collect();
        assert_eq!(below.len(), 2);
    }
}

#[test]
fn long_names_of_both_kinds_of_tar_are_whole() {
    let name = format!("{}/film.dcm", "folder/".repeat(40).trim_end_matches('/'));
    let gnu = tar(&[(name.as_str(), b"film")]);
    let mut pax = tar::Builder::new(Vec::new());
    let path = name.as_bytes();
    pax.append_pax_extensions([("path", path)]).unwrap();
    let mut plain = header(tar::EntryType::Regular, 4);
    pax.append_data(&mut plain, "short", &b"film"[..]).unwrap();
    for bytes in [gnu, pax.into_inner().unwrap()] {
        let archive = opened(bytes).unwrap();
        assert_eq!(names(&archive), [name.as_str()]);
        assert_eq!(content(&archive, &name).unwrap(), b"film");
    }
}

#[test]
fn names_that_lead_out_links_and_devices_are_refused() {
    let archive = opened(tar_named("../../etc/passwd", tar::EntryType::Regular)).unwrap();
    assert!(archive.members().is_empty());
    assert_eq!(
        archive.problems(),
        ["its member ../../etc/passwd: its name leads out of the archive"]
    );
    let zip = zip(
        &[("../a", b"x"), ("/b", b"x"), ("c", b"x")],
        CompressionMethod::Stored,
    );
    let archive = opened(zip).unwrap();
    assert_eq!(
        (names(&archive), archive.problems().len()),
        (vec!["c".to_owned()], 2)
    );
    for (kind, reason) in [
        (
            tar::EntryType::Symlink,
            "not supported: a link, not followed",
        ),
        (tar::EntryType::Link, "not supported: a link, not followed"),
        (tar::EntryType::Fifo, "not supported: no regular file"),
        (tar::EntryType::Block, "not supported: no regular file"),
        (
            tar::EntryType::GNUSparse,
            "not supported: a sparse file, which is not read",
        ),
    ] {
        let archive = opened(tar_named("a", kind)).unwrap();
        assert_eq!(refusal(&archive, "a"), reason);
    }
    let mut linked = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    linked
        .add_symlink("a", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let archive = opened(linked.finish().unwrap().into_inner()).unwrap();
    assert_eq!(
        refusal(&archive, "a"),
        "not supported: a link, not followed"
    );
}

#[test]
fn a_name_that_is_there_twice_is_read_from_neither() {
    let archive = opened(tar(&[("a", b"1"), ("b", b"2"), ("./a", b"3")])).unwrap();
    assert_eq!(names(&archive), ["a", "b"]);
    assert_eq!(
        refusal(&archive, "a"),
        "not supported: its name is in the archive twice"
    );
    assert_eq!(content(&archive, "b").unwrap(), b"2");
    // The writer of the crate makes no such archive: `b` becomes `a` in both places.
    let mut bytes = zip(&[("aa", b"1"), ("bb", b"2")], CompressionMethod::Stored);
    replace(&mut bytes, b"bb", b"aa");
    let archive = opened(bytes).unwrap();
    assert_eq!(
        refusal(&archive, "aa"),
        "not supported: its name is in the archive twice"
    );
}

/// Replaces all.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
        }
    }
}

/// Where each header of this kind begins.
fn places(bytes: &[u8], magic: &[u8; 4]) -> Vec<usize> {
    (0..bytes.len() - 4)
        .filter(|at| &bytes[*at..*at + 4] == magic)
        .collect()
}

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";

#[test]
fn a_zip_directory_that_lies_is_found_out() {
    let whole = || {
        zip(
            &[("a.dcm", b"film a"), ("b.dcm", b"film b")],
            CompressionMethod::Stored,
        )
    };
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole();
        change(&mut bytes);
        opened(bytes).unwrap()
    };
    // Encrypted, by both headers or by the local one alone.
    let archive = changed(&|b| {
        let central = places(b, CENTRAL)[0];
        b[central + 8] |= 1;
    });
    assert_eq!(refusal(&archive, "a.dcm"), "not supported: it is encrypted");
    assert_eq!(content(&archive, "b.dcm").unwrap(), b"film b");
    let archive = changed(&|b| b[6] |= 1);
    assert_eq!(refusal(&archive, "a.dcm"), "not supported: it is encrypted");
    // The directory names one film, and the place holds another.
    let archive = changed(&|b| {
        let local = places(b, LOCAL)[1];
        b[local + 30] = b'c';
    });
    assert!(refusal(&archive, "b.dcm").contains("names another member there"));
    // Two entries point to the same bytes.
    let archive = changed(&|b| {
        let central = places(b, CENTRAL)[1];
        b[central + 42..central + 46].copy_from_slice(&[0; 4]);
    });
    assert!(refusal(&archive, "b.dcm").contains("shares bytes with another member"));
    // Another checksum.
    let archive = changed(&|b| {
        let central = places(b, CENTRAL)[0];
        b[central + 16] ^= 1;
    });
    assert_eq!(
        refusal(&archive, "a.dcm"),
        "its checksum in the archive is another"
    );
    // Longer than the archive.
    let archive = changed(&|b| {
        let central = places(b, CENTRAL)[1];
        for at in [20, 24] {
            b[central + at..central + at + 4].copy_from_slice(&[0, 0, 0, 0x10]);
        }
    });
    assert_eq!(
        refusal(&archive, "b.dcm"),
        "not supported: it lies outside the archive"
    );
    // A method that is not read, as the directory states it.
    let archive = changed(&|b| {
        let central = places(b, CENTRAL)[0];
        b[central + 10] = 14;
    });
    assert!(refusal(&archive, "a.dcm").contains("method of compression is not read"));
}

#[test]
fn a_member_that_unpacks_to_another_length_is_damaged() {
    let deflated = || zip(&[("a.dcm", &[7; 5000])], CompressionMethod::Deflated);
    for (length, reason) in [
        (4999_u32, "it is longer than its archive states"),
        (5001, "it ends before the length that its archive states"),
    ] {
        let mut bytes = deflated();
        let central = places(&bytes, CENTRAL)[0];
        bytes[central + 24..central + 28].copy_from_slice(&length.to_le_bytes());
        assert_eq!(refusal(&opened(bytes).unwrap(), "a.dcm"), reason);
    }
    let mut bytes = deflated();
    bytes[36] ^= 0x55;
    assert!(content(&opened(bytes).unwrap(), "a.dcm").is_err());
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    // 80 MB of zeros in 80 KB.
    let zeros = vec![0; (SMALLEST_BOMB + (16 << 20)) as usize];
    let archive = opened(zip(&[("a.dcm", &zeros)], CompressionMethod::Deflated)).unwrap();
    let reason = "not supported: it unpacks to more than 200 times its size";
    assert_eq!(refusal(&archive, "a.dcm"), reason);
    let fault = opened(gzip(&tar(&[("a.dcm", &zeros)]))).err().unwrap();
    assert_eq!(
        fault.to_string(),
        "too large: it unpacks to more than 200 times its size"
    );
    // A black picture of ordinary size is none.
    let archive = opened(zip(
        &[("a.dcm", &zeros[..32 << 20])],
        CompressionMethod::Deflated,
    ));
    assert_eq!(content(&archive.unwrap(), "a.dcm").unwrap().len(), 32 << 20);
}

#[test]
fn an_archive_that_is_cut_off_gives_what_is_whole_or_is_damaged() {
    let files: Files = &[("a", &[1; 1000]), ("b", &[2; 1000]), ("c", &[3; 1000])];
    let tar = tar(files);
    let archive = opened(tar[..3600].to_vec()).unwrap();
    assert_eq!(names(&archive), ["a", "b"]);
    assert!(archive.problems()[0].contains("cut off"));
    let mut gzipped = gzip(&tar);
    let last = gzipped.len() - 1;
    assert!(opened(gzipped[..last - 8].to_vec()).is_err());
    gzipped[last - 5] ^= 1;
    assert!(
        opened(gzipped)
            .err()
            .unwrap()
            .to_string()
            .contains("checksum")
    );
    let zip = zip(files, CompressionMethod::Stored);
    assert!(opened(zip[..zip.len() - 30].to_vec()).is_err());
    // A header whose checksum is wrong.
    let mut wrong = tar;
    wrong[1536] ^= 1;
    assert!(
        opened(wrong)
            .err()
            .unwrap()
            .to_string()
            .contains("checksum")
    );
}

#[test]
fn an_extended_header_of_gigabytes_is_refused_without_reading_it() {
    let mut long = header(tar::EntryType::GNULongName, 1 << 33);
    long.set_cksum();
    let fault = opened(long.as_bytes().to_vec()).err().unwrap();
    assert!(fault.to_string().contains("extended header"), "{fault}");
}

/// Members are read from any place of the stream, in any order, by several threads, across checkpoints.
#[test]
fn a_tar_gz_is_read_from_any_place() {
    let films: Vec<Vec<u8>> = (0..9).map(|seed| noise(seed, 3 << 20)).collect();
    let named: Vec<String> = (0..9).map(|film| format!("{film}.dcm")).collect();
    let files: Vec<(&str, &[u8])> = named
        .iter()
        .zip(&films)
        .map(|(n, f)| (&n[..], &f[..]))
        .collect();
    let archive = opened(gzip(&tar(&files))).unwrap();
    std::thread::scope(|scope| {
        for first in 0..3 {
            let (archive, films) = (&archive, &films);
            scope.spawn(move || {
                for step in 0..9 {
                    let film = (first * 4 + step * 5) % 9;
                    let name = format!("{film}.dcm");
                    assert!(content(archive, &name).unwrap() == films[film], "{name}");
                    let head = archive.open(Path::new(&name)).unwrap().head(100).unwrap();
                    assert_eq!(head, films[film][..100]);
                }
            });
        }
    });
}

#[test]
fn other_gzip_files_and_texts_are_no_archives() {
    for bytes in [
        gzip(b"a,b\n1,2\n"),
        b"plain text".to_vec(),
        vec![0; 1024],
        Vec::new(),
    ] {
        let bytes: Arc<dyn ReadAt> = Arc::new(bytes);
        assert_eq!(ArchiveKind::of(&bytes), None);
    }
}
