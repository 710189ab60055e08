//! Films that are no files of their own: members of archives, and the files of a DICOMDIR. And the header of a film.

mod imaging_files;
mod skip;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cxr::domain::HeaderLine;
use cxr::imaging::{DecodeLimits, content_of, header, open};
use cxr::library::{WalkItem, scan};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::write::GzEncoder;
use imaging_files::{
    BIG_ENDIAN, Dicom, DirectoryRecord, EXPLICIT, Files, IMPLICIT, dicomdir, phantom,
};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The synthetic radiographs of the project: names and bytes.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut samples: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e == "png" || e == "dcm" || e == "jpg")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    samples.sort();
    assert!(samples.len() >= 5, "{} samples", samples.len());
    samples
}

fn zip_file(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn tar_bytes(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The findings of a walk, with `?` before unread files and `!` before problems.
fn walked(base: &Path, roots: &[&str]) -> Vec<String> {
    let roots: Vec<PathBuf> = roots.iter().map(|root| base.join(root)).collect();
    let mut all = Vec::new();
    scan(&roots, |found| {
        let (mark, path, reason) = match found {
            WalkItem::Image(path) => ("", path, String::new()),
            WalkItem::Unread { path, .. } => ("?", path, String::new()),
            WalkItem::Problem { path, reason } => ("!", path, format!(": {reason}")),
        };
        let path = path.strip_prefix(base).unwrap().display().to_string();
        all.push(format!("{mark}{path}{reason}"));
        ControlFlow::Continue(())
    });
    all
}

fn named(files: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let owned = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    owned.collect()
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn an_archive_is_walked_like_a_folder_and_each_film_once() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    fs::create_dir(base.join("s")).unwrap();
    let inner = tar_bytes(&named(&[("x.png", PNG)]));
    let files = named(&[
        ("b/IM10", PNG),
        ("b/IM9", PNG),
        ("a.png", PNG),
        ("notes.txt", b"x"),
        ("b/inner.tar", &inner),
        (".DS_Store", b"x"),
    ]);
    zip_file(&base.join("s/ward.zip"), &files);
    fs::write(base.join("s/ward.tar.gz"), gzipped(&tar_bytes(&files))).unwrap();
    fs::write(base.join("s/z.png"), PNG).unwrap();
    fs::write(base.join("s/labels.csv.gz"), gzipped(b"a,b\n")).unwrap();
    fs::write(base.join("s/film.dcm.gz"), gzipped(b"x")).unwrap();
    let archive = |name: &str| {
        ["a.png", "b/IM9", "b/IM10"]
            .map(|film| format!("s/{name}/{film}"))
            .into_iter()
            .chain([format!("?s/{name}/b/inner.tar")])
            .collect::<Vec<_>>()
    };
    let whole = [
        vec!["?s/film.dcm.gz".to_owned()],
        archive("ward.tar.gz"),
        archive("ward.zip"),
        vec!["s/z.png".to_owned()],
    ]
    .concat();
    assert_eq!(walked(base, &["s"]), whole);
    assert_eq!(walked(base, &["s/ward.zip"]), archive("ward.zip"));
    // A part of an archive, one member under any name, and what was walked before.
    assert_eq!(
        walked(
            base,
            &[
                "s/ward.zip/b",
                "s/ward.zip/notes.txt",
                "s/ward.zip",
                "s/ward.zip/a.png"
            ]
        ),
        [
            "s/ward.zip/b/IM9",
            "s/ward.zip/b/IM10",
            "?s/ward.zip/b/inner.tar",
            "s/ward.zip/notes.txt",
            "s/ward.zip/a.png",
        ]
    );
    assert_eq!(walked(base, &["s", "s/ward.zip/b"]), whole);
    assert_eq!(
        walked(base, &["s/ward.zip/c", "s/z.png/c", "s/ward.zip/../z.png"]),
        [
            "!s/ward.zip/c: no such file or folder",
            "!s/z.png/c: no such file or folder",
            "!s/ward.zip/../z.png: no such file or folder",
        ]
    );
}

#[test]
fn members_that_are_refused_have_a_reason_and_damaged_archives_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    fs::create_dir(base.join("s")).unwrap();
    let mut zip = ZipWriter::new(File::create(base.join("s/a.zip")).unwrap());
    let options = SimpleFileOptions::default();
    zip.add_symlink("link.dcm", "/etc/passwd", options).unwrap();
    zip.start_file("../../out.dcm", options).unwrap();
    zip.write_all(PNG).unwrap();
    zip.start_file("film.png", options).unwrap();
    zip.write_all(PNG).unwrap();
    zip.finish().unwrap();
    let whole = fs::read(base.join("s/a.zip")).unwrap();
    fs::write(base.join("s/cut.zip"), &whole[..whole.len() - 40]).unwrap();
    let found = walked(base, &["s"]);
    assert_eq!(
        found[..3],
        [
            "!s/a.zip: its member ../../out.dcm: its name leads out of the archive",
            "s/a.zip/film.png",
            "!s/a.zip/link.dcm: a link, not followed",
        ]
    );
    assert!(found[3].starts_with("!s/cut.zip: damaged: "), "{found:?}");
    let refused = open(&base.join("s/a.zip/link.dcm"), &DecodeLimits::default());
    let reason = refused.unwrap_err().to_string();
    assert_eq!(reason, "not supported: a link, not followed");
}

#[test]
fn a_member_is_the_same_film_as_the_file_and_has_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (name, bytes) = samples().swap_remove(0);
    fs::write(folder.path().join(&name), &bytes).unwrap();
    let archive = folder.path().join("a.zip");
    zip_file(&archive, &[(name.clone(), bytes.clone())]);
    let limits = DecodeLimits::default();
    let (file, member) = (folder.path().join(&name), archive.join(&name));
    assert_eq!(content_of(&member, &limits), content_of(&file, &limits));
    assert_eq!(open(&member, &limits), open(&file, &limits));
    let small = DecodeLimits {
        max_file_bytes: bytes.len() as u64 - 1,
        ..limits
    };
    for path in [file, member] {
        let reason = open(&path, &small).unwrap_err().to_string();
        assert!(reason.starts_with("too large: "), "{reason}");
        assert!(content_of(&path, &small).is_err());
    }
}

/// The exit status of a run in which a film could not be read.
const SOME_FAILED: i32 = 1;

fn predict(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_cxr"))
        .arg("predict")
        .args(arguments)
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .unwrap();
    (
        done.status.code(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

/// The rows of a table by the name of the film, without path and time.
fn rows(table: &Path, prefix: &str) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_path(table).unwrap();
    let columns = reader.headers().unwrap().clone();
    let kept = |column: &str| column != "path" && column != "elapsed_ms";
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let path = row.get(columns.iter().position(|column| column == "path").unwrap());
        let name = path.unwrap().strip_prefix(prefix).unwrap().to_owned();
        let cells = columns.iter().zip(&row).filter(|(column, _)| kept(column));
        (name, cells.map(|(_, cell)| cell.to_owned()).collect())
    });
    rows.collect()
}

#[test]
fn predict_says_the_same_of_a_folder_and_of_its_archives() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    let samples = samples();
    fs::create_dir(base.join("films")).unwrap();
    for (name, bytes) in &samples {
        fs::write(base.join("films").join(name), bytes).unwrap();
    }
    zip_file(&base.join("films.zip"), &samples);
    fs::write(base.join("films.tar"), tar_bytes(&samples)).unwrap();
    fs::write(base.join("films.tar.gz"), gzipped(&tar_bytes(&samples))).unwrap();
    let roots = ["films", "films.zip", "films.tar", "films.tar.gz"];
    let tables = roots.map(|root| {
        let table = format!("{root}.csv");
        let (code, said) = predict(base, &[root, "-o", &table]);
        // One sample is cut off.
        assert_eq!(code, Some(SOME_FAILED), "{root}: {said}");
        rows(&base.join(table), &format!("{root}/"))
    });
    assert_eq!(tables[0].len(), samples.len());
    for (root, table) in roots.iter().zip(&tables) {
        assert_eq!(*table, tables[0], "{root}");
    }
    // Continued, nothing is left to do; after a film was replaced, its row is made again.
    let (code, said) = predict(base, &["films.zip", "-o", "films.zip.csv", "--resume"]);
    assert_eq!(code, Some(SOME_FAILED), "{said}");
    assert_eq!(rows(&base.join("films.zip.csv"), "films.zip/"), tables[0]);
    let mut changed = samples.clone();
    changed[0].1 = samples[1].1.clone();
    zip_file(&base.join("films.zip"), &changed);
    let (code, said) = predict(base, &["films.zip", "-o", "films.zip.csv", "--resume"]);
    assert_eq!(code, Some(SOME_FAILED), "{said}");
    let again = rows(&base.join("films.zip.csv"), "films.zip/");
    assert_eq!(again[&samples[0].0], tables[0][&samples[1].0]);
    assert_eq!(again.len(), samples.len());
    // The archive is an image to be read, and no table.
    let (code, said) = predict(
        base,
        &["films.zip", "-o", "films.zip", "--format", "csv", "--force"],
    );
    assert!(
        code == Some(2) && said.contains("not overwritten"),
        "{said}"
    );
}

#[test]
fn a_dicomdir_lists_its_files_in_its_order_and_names_what_is_missing() {
    let record = |next, lower, kind, file| DirectoryRecord {
        next,
        lower,
        kind,
        file,
    };
    // The second patient is written first; each series has its images in the order of their links.
    let directory = dicomdir(
        4,
        &[
            record(0, 2, "PATIENT", None),
            record(3, 0, "IMAGE", Some("DICOM\\B1")),
            record(0, 0, "IMAGE", Some("DICOM\\B2")),
            record(1, 5, "PATIENT", None),
            record(6, 0, "IMAGE", Some("DICOM\\A2")),
            record(7, 0, "IMAGE", Some("DICOM\\GONE")),
            record(8, 0, "IMAGE", Some("DICOM\\..\\..\\SECRET")),
            record(0, 0, "IMAGE", Some("dicom\\a1")),
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    for file in [
        "DICOM/A2",
        "DICOM/B1",
        "DICOM/B2",
        "dicom/a1",
        "DICOM/NOT_LISTED",
    ] {
        let path = base.join("cd").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, PNG).unwrap();
    }
    fs::write(base.join("cd/DICOMDIR"), &directory).unwrap();
    let expected = |base: &str| {
        vec![
            format!(
                "!{base}/DICOMDIR: it lists DICOM\\..\\..\\SECRET, which is no file of the medium"
            ),
            format!("{base}/DICOM/A2"),
            format!("!{base}/DICOM/GONE: the DICOMDIR lists it, and it is missing"),
            format!("{base}/dicom/a1"),
            format!("{base}/DICOM/B1"),
            format!("{base}/DICOM/B2"),
        ]
    };
    assert_eq!(walked(base, &["cd/DICOMDIR"]), expected("cd"));
    // The folder is walked as any other.
    assert_eq!(
        walked(base, &["cd"]),
        [
            "cd/DICOM/A2",
            "cd/DICOM/B1",
            "cd/DICOM/B2",
            "cd/DICOM/NOT_LISTED",
            "cd/dicom/a1"
        ]
    );
    // The same in an archive.
    let files = ["DICOM/A2", "DICOM/B1", "DICOM/B2", "dicom/a1"]
        .map(|name| (name.to_owned(), PNG.to_vec()));
    let mut files = files.to_vec();
    files.push(("DICOMDIR".to_owned(), directory));
    zip_file(&base.join("cd.zip"), &files);
    assert_eq!(walked(base, &["cd.zip/DICOMDIR"]), expected("cd.zip"));
    assert_eq!(walked(base, &["cd.zip"]).len(), 4);
}

#[test]
fn a_dicomdir_with_broken_links_loses_no_film() {
    let record = |next, lower, file| DirectoryRecord {
        next,
        lower,
        kind: "IMAGE",
        file,
    };
    // A loop, and a record that nothing leads to.
    let loops = dicomdir(
        1,
        &[
            record(2, 1, Some("A")),
            record(1, 0, Some("B")),
            record(0, 0, Some("C")),
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    for file in ["A", "B", "C"] {
        fs::write(folder.path().join(file), PNG).unwrap();
    }
    fs::write(folder.path().join("DICOMDIR"), loops).unwrap();
    assert_eq!(
        walked(folder.path(), &["DICOMDIR"]),
        [
            "!DICOMDIR: no link of the DICOMDIR leads to 1 of its files; they come last",
            "A",
            "B",
            "C",
        ]
    );
    fs::write(folder.path().join("DICOMDIR"), b"plain text").unwrap();
    let found = walked(folder.path(), &["DICOMDIR"]);
    assert!(
        found.len() == 1 && found[0].starts_with("!DICOMDIR: "),
        "{found:?}"
    );
}

fn header_of(bytes: &[u8]) -> Vec<HeaderLine> {
    let files = Files::new();
    let path = files.put("film", bytes);
    let (content, lines) = header(&path, &DecodeLimits::default()).unwrap();
    assert_eq!(Ok(content), content_of(&path, &DecodeLimits::default()));
    lines.expect("a header")
}

fn value<'a>(lines: &'a [HeaderLine], keyword: &str) -> &'a str {
    let found = lines.iter().find(|line| line.keyword == keyword);
    &found
        .unwrap_or_else(|| panic!("{keyword}: {lines:?}"))
        .value
}

#[test]
fn a_header_is_shown_in_every_encoding() {
    let film = || {
        Dicom::radiograph(4, 4, 12)
            .words(&phantom(4, 4, 12))
            .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100")
            .text(tags::PATIENT_NAME, VR::PN, "Doe^Jane")
            .text(tags::STUDY_DESCRIPTION, VR::LO, "a\u{1b}[31mb")
            .text(Tag(0x0019, 0x0010), VR::LO, "ACME 1")
            .with(Tag(0x0019, 0x1001), VR::OB, vec![0_u8, 255, 27, 7])
            .sequence(
                tags::ANATOMIC_REGION_SEQUENCE,
                Dicom::radiograph(4, 4, 12).text(tags::CODE_MEANING, VR::LO, "Chest"),
            )
    };
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.99"] {
        let lines = header_of(&film().file(syntax));
        assert_eq!(value(&lines, "TransferSyntaxUID"), syntax);
        assert_eq!(value(&lines, "PatientName"), "Doe^Jane");
        assert_eq!(value(&lines, "StudyDescription"), "a [31mb");
        assert_eq!(value(&lines, "Rows"), "4");
        assert_eq!(value(&lines, "Private creator"), "ACME 1");
        assert_eq!(value(&lines, "Private"), "00 ff 1b 07");
        assert_eq!(value(&lines, "PixelData"), "32 bytes");
        assert_eq!(lines.last().unwrap().keyword, "PixelData");
        let sequence = lines
            .iter()
            .position(|line| line.keyword == "AnatomicRegionSequence");
        let [sequence, item, first, ..] = &lines[sequence.unwrap()..] else {
            panic!("{lines:?}");
        };
        assert!(sequence.has_content && item.has_content);
        assert_eq!((&*sequence.value, &*item.keyword), ("1 item", "item 1"));
        assert_eq!((sequence.depth, item.depth, first.depth), (0, 1, 2));
        assert_eq!(value(&lines, "CodeMeaning"), "Chest");
        for line in &lines {
            let is_private = line.tag.is_some_and(|(group, _)| group % 2 == 1);
            let expected = is_private
                || line.keyword.contains("UID")
                    && !line.keyword.contains("Syntax")
                    && !line.keyword.contains("Class")
                || ["PatientName", "StudyDescription"].contains(&&*line.keyword);
            let about = [
                "Patient",
                "Study",
                "Private",
                "Rows",
                "SOPInstance",
                "CodeMeaning",
            ];
            if about.iter().any(|word| line.keyword.starts_with(word)) {
                assert_eq!(line.is_confidential, expected, "{line:?}");
            }
        }
    }
}

#[test]
fn a_header_is_bounded_and_a_damaged_one_shown_as_far_as_it_goes() {
    let long = "x".repeat(5000);
    let film = Dicom::radiograph(4, 4, 12).words(&phantom(4, 4, 12)).text(
        tags::IMAGE_COMMENTS,
        VR::UT,
        &long,
    );
    let bytes = film.file(EXPLICIT);
    let shown = header_of(&bytes);
    assert!(value(&shown, "ImageComments").chars().count() <= 1025);
    // Cut within the comment.
    let lines = header_of(&bytes[..bytes.len() - 1000]);
    assert!(
        lines.iter().any(|line| line.keyword == "Modality"
            || line.keyword == "Rows"
            || line.keyword == "PatientName"
            || line.keyword == "SOPClassUID"),
        "{lines:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.png"), samples_png()).unwrap();
    let (_, none) = header(&folder.path().join("a.png"), &DecodeLimits::default()).unwrap();
    assert!(none.is_none());
}

fn samples_png() -> Vec<u8> {
    let samples = samples().into_iter();
    samples
        .filter(|(name, _)| name.ends_with(".png"))
        .map(|(_, bytes)| bytes)
        .next()
        .unwrap()
}
