use super::formats::{MAGIC, NAMES};
use super::*;

fn words(name: &str, head: &[u8]) -> String {
    format(Path::new(name), head).map_or_else(String::new, |format| format.to_string())
}

#[test]
fn images_and_archives_are_recognised_by_content_under_any_name() {
    let at = |at: usize, magic: &[u8]| [&vec![0; at][..], magic].concat();
    let ftyp = |brands: &[u8]| {
        let length = (8 + brands.len() as u32).to_be_bytes();
        [&length[..], b"ftyp", brands].concat()
    };
    let analyze = [&348_i32.to_be_bytes()[..], &[0; 34], b"r"].concat();
    for (head, expected) in [
        (&b"\xff\x0a\xfa\x1f"[..], "a JPEG XL image"),
        (b"\xff\xd8\xff\xf7\0\x0b", "a JPEG-LS image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0", "a JPEG XL image"),
        (&ftyp(b"avif\0\0\0\0mif1"), "an AVIF image"),
        (&ftyp(b"mif1\0\0\0\0avifmiaf"), "an AVIF image"),
        (&ftyp(b"heic\0\0\0\0mif1heic"), "an HEIF image"),
        (&ftyp(b"isom\0\0\x02\0isomavc1mp41"), ""),
        (b"8BPS\0\x01", "a Photoshop image"),
        (b"P5\n# by hand\n512 512\n255\n", "a PNM image"),
        (b"P5 512 512 255 ", "a PNM image"),
        (b"P7\nWIDTH 227\n", "a PNM image"),
        (b"P1 is a woman of 54 years", ""),
        (b"P2 54 years", ""),
        (&at(344, b"n+1\0"), "a NIfTI image"),
        (b"\x1c\x02\0\0n+2\0\r\n\x1a\n", "a NIfTI image"),
        (&analyze, "an Analyze image"),
        (b"NRRD0004\n", "an NRRD image"),
        (b"PK\x03\x04\x14\0", "a zip archive: unpack it first"),
        (b"\x1f\x8b\x08\0", "a gzip archive: unpack it first"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive: unpack it first"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive: unpack it first"),
        (b"\xfd7zXZ\0\0\x04", "an xz archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd\x04", "a zstd archive: unpack it first"),
        (b"BZh91AY&SY", "a bzip2 archive: unpack it first"),
        (&at(257, b"ustar\0"), "a tar archive: unpack it first"),
        (b"%PDF-1.7\n", ""),
        (b"plain text", ""),
        (b"", ""),
    ] {
        for name in ["film", "film.bak", "notes.txt"] {
            assert_eq!(words(name, head), expected, "{name} {head:?}");
        }
    }
}

#[test]
fn a_name_counts_where_the_content_is_not_recognised() {
    for (name, expected) in [
        ("a.AVIF", "an AVIF image"),
        ("JPCLN001.IMG", "a raw image without a header"),
        ("a.nii", "a NIfTI image"),
        ("a.nii.gz", "a gzip archive: unpack it first"),
        ("a.dcm.gz", "a gzip archive: unpack it first"),
        ("labels.csv.gz", ""),
        ("a.7z", "a 7z archive: unpack it first"),
        ("notes.txt", ""),
        ("scan.pdf", ""),
        ("Thumbs.db", ""),
        ("README", ""),
    ] {
        assert_eq!(
            words(name, b"content that is not recognised"),
            expected,
            "{name}"
        );
        assert_eq!(words(name, b""), expected, "{name}");
    }
    assert_eq!(
        words("a.zip", b"8BPS\0\x01"),
        "a Photoshop image",
        "content comes first"
    );
}

#[test]
fn documents_and_models_that_are_archives_inside_are_not_reported() {
    for name in ["a.docx", "a.XLSX", "weights.pt", "a.npz"] {
        assert_eq!(words(name, b"PK\x03\x04"), "", "{name}");
    }
    assert_eq!(words("fit.rds", b"\x1f\x8b\x08"), "");
    assert_eq!(words("labels.csv.gz", b"\x1f\x8b\x08"), "");
    assert_eq!(words("a.docx", b"8BPS\0\x01"), "a Photoshop image");
}

#[test]
fn each_format_has_a_noun_without_an_article() {
    let named = NAMES.iter().map(|(_, format)| format);
    for format in MAGIC.iter().map(|(_, _, format)| format).chain(named) {
        let (article, noun) = format.words.split_once(' ').unwrap();
        assert!(matches!(article, "a" | "an"), "{format}");
        assert_eq!(format.noun(), noun);
    }
    for (at, magic, format) in MAGIC {
        assert!(at + magic.len() <= ENOUGH, "{format}");
    }
}

#[test]
fn the_format_is_the_reason_why_a_file_cannot_be_opened() {
    let reason = |head: &[u8]| by_content(head).unwrap().fault().to_string();
    assert_eq!(reason(b"8BPS"), "not supported: a Photoshop image");
    assert_eq!(
        reason(b"PK\x03\x04"),
        "not an image: a zip archive: unpack it first"
    );
    assert_eq!(reason(b"%PDF-1.4"), "not an image: a PDF document");
}
