//! Formats of images and archives that are not read here, told by their first bytes or by their name.
//!
//! A folder of a study may hold films in such formats. They are counted and named, so that no film is
//! left out in silence. A text, a table or a document beside the images is not worth a word.

use std::fmt;
use std::path::Path;

use super::ImageFault;

/// Bytes that tell every format below: NIfTI-1 has its magic code at byte 344 (nifti1.h).
pub(super) const ENOUGH: usize = 348;

/// A format of images or archives that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnreadFormat {
    holds: Holds,
    /// In plain words, with an article: `a JPEG XL image`.
    words: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Holds {
    Image,
    /// Other files, perhaps images.
    Archive,
    /// Mostly text.
    Document,
}

const fn image(words: &'static str) -> UnreadFormat {
    let holds = Holds::Image;
    UnreadFormat { holds, words }
}

const fn archive(words: &'static str) -> UnreadFormat {
    let holds = Holds::Archive;
    UnreadFormat { holds, words }
}

impl UnreadFormat {
    /// Without an article, to be counted by: `zip archive`.
    pub fn noun(self) -> &'static str {
        self.words
            .split_once(' ')
            .map_or(self.words, |(_, noun)| noun)
    }

    /// What is wrong with a file of that format that was to be read as an image.
    pub(super) fn fault(self) -> ImageFault {
        match self.holds {
            Holds::Image => ImageFault::unsupported(self),
            Holds::Archive | Holds::Document => ImageFault::not_an_image(self),
        }
    }
}

/// `a JPEG XL image`; of an archive also what can be done: `a zip archive: unpack it first`.
impl fmt::Display for UnreadFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)?;
        match self.holds {
            Holds::Archive => f.write_str(": unpack it first"),
            Holds::Image | Holds::Document => Ok(()),
        }
    }
}

const JPEG_LS: UnreadFormat = image("a JPEG-LS image");
const JPEG_XL: UnreadFormat = image("a JPEG XL image");
const JPEG_XR: UnreadFormat = image("a JPEG XR image");
const AVIF: UnreadFormat = image("an AVIF image");
const HEIF: UnreadFormat = image("an HEIF image");
const RAW_PHOTOGRAPH: UnreadFormat = image("a raw photograph");
const RAW: UnreadFormat = image("a raw image without a header");
const PHOTOSHOP: UnreadFormat = image("a Photoshop image");
const GIMP: UnreadFormat = image("a GIMP image");
const OPEN_EXR: UnreadFormat = image("an OpenEXR image");
const RADIANCE: UnreadFormat = image("a Radiance image");
const NETPBM: UnreadFormat = image("a PNM image");
const DJVU: UnreadFormat = image("a DjVu image");
const NIFTI: UnreadFormat = image("a NIfTI image");
const ANALYZE: UnreadFormat = image("an Analyze image");
const NRRD: UnreadFormat = image("an NRRD image");
const META_IMAGE: UnreadFormat = image("a MetaImage");
const MINC: UnreadFormat = image("a MINC image");
const INTERFILE: UnreadFormat = image("an Interfile image");
const FITS: UnreadFormat = image("a FITS image");
const QOI: UnreadFormat = image("a QOI image");
const BPG: UnreadFormat = image("a BPG image");
const FLIF: UnreadFormat = image("a FLIF image");
const DPX: UnreadFormat = image("a DPX image");
const SUN_RASTER: UnreadFormat = image("a Sun raster image");
const SGI: UnreadFormat = image("an SGI image");
const TARGA: UnreadFormat = image("a TGA image");
const PCX: UnreadFormat = image("a PCX image");

const ZIP: UnreadFormat = archive("a zip archive");
const GZIP: UnreadFormat = archive("a gzip archive");
const TAR: UnreadFormat = archive("a tar archive");
const BZIP2: UnreadFormat = archive("a bzip2 archive");
const XZ: UnreadFormat = archive("an xz archive");
const LZMA: UnreadFormat = archive("an LZMA archive");
const LZIP: UnreadFormat = archive("an lzip archive");
const LZ4: UnreadFormat = archive("an LZ4 archive");
const ZSTD: UnreadFormat = archive("a zstd archive");
const COMPRESS: UnreadFormat = archive("a compress archive");
const SEVEN_ZIP: UnreadFormat = archive("a 7z archive");
const RAR: UnreadFormat = archive("a RAR archive");
const CABINET: UnreadFormat = archive("a cabinet archive");
const DISC: UnreadFormat = archive("a disc image");

const PDF: UnreadFormat = UnreadFormat {
    holds: Holds::Document,
    words: "a PDF document",
};

/// Magic codes and where they stand. Longer ones come before those that begin like them.
const MAGIC: [(usize, &[u8], UnreadFormat); 40] = [
    // ITU-T T.87, C.1.1.
    (0, b"\xff\xd8\xff\xf7", JPEG_LS),
    // ISO/IEC 18181-2: the container, and the bare codestream.
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
    (0, b"\xff\x0a", JPEG_XL),
    (0, b"II\xbc\x01", JPEG_XR),
    (0, b"8BPS", PHOTOSHOP),
    (0, b"gimp xcf", GIMP),
    (0, b"\x76\x2f\x31\x01", OPEN_EXR),
    (0, b"#?RADIANCE", RADIANCE),
    (0, b"#?RGBE", RADIANCE),
    (0, b"AT&TFORM", DJVU),
    (0, b"NRRD000", NRRD),
    (0, b"ObjectType = Image", META_IMAGE),
    (0, b"!INTERFILE", INTERFILE),
    (0, b"SIMPLE  =", FITS),
    (0, b"qoif", QOI),
    (0, b"BPG\xfb", BPG),
    (0, b"FLIF", FLIF),
    (0, b"SDPX", DPX),
    (0, b"XPDS", DPX),
    (0, b"\x59\xa6\x6a\x95", SUN_RASTER),
    // NIfTI-2 and NIfTI-1, of one file or of two.
    (4, b"n+2\0\r\n\x1a\n", NIFTI),
    (4, b"ni2\0\r\n\x1a\n", NIFTI),
    (344, b"n+1\0", NIFTI),
    (344, b"ni1\0", NIFTI),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"PK\x07\x08", ZIP),
    (0, b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
    (0, b"Rar!\x1a\x07", RAR),
    // RFC 1952: deflate is the only method.
    (0, b"\x1f\x8b\x08", GZIP),
    (0, b"\x1f\x9d", COMPRESS),
    // A block, or none at all, after the level.
    (4, b"1AY&SY", BZIP2),
    (4, b"\x17\x72\x45\x38\x50\x90", BZIP2),
    (0, b"\xfd7zXZ\0", XZ),
    (0, b"LZIP", LZIP),
    (0, b"\x04\x22\x4d\x18", LZ4),
    (0, b"\x28\xb5\x2f\xfd", ZSTD),
    (0, b"MSCF\0\0\0\0", CABINET),
    (257, b"ustar", TAR),
    (0, b"%PDF-", PDF),
];

/// Names of files of such formats. Some have no magic code, and some hold none of what they promise.
const NAMES: [(&[&str], UnreadFormat); 39] = [
    (&["jls"], JPEG_LS),
    (&["jxl"], JPEG_XL),
    (&["jxr", "wdp", "hdp"], JPEG_XR),
    (&["avif", "avifs"], AVIF),
    (&["heic", "heics", "heif", "heifs", "hif"], HEIF),
    (
        &["cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "dng"],
        RAW_PHOTOGRAPH,
    ),
    // JSRT's films have the ending IMG, and those of Analyze the header beside them.
    (&["img", "raw"], RAW),
    (&["psd", "psb"], PHOTOSHOP),
    (&["xcf"], GIMP),
    (&["exr"], OPEN_EXR),
    (&["pbm", "pgm", "ppm", "pnm", "pam", "pfm"], NETPBM),
    (&["djvu", "djv"], DJVU),
    (&["nii"], NIFTI),
    (&["nrrd", "nhdr"], NRRD),
    (&["mha", "mhd"], META_IMAGE),
    (&["mnc"], MINC),
    (&["fits", "fit", "fts"], FITS),
    (&["qoi"], QOI),
    (&["bpg"], BPG),
    (&["flif"], FLIF),
    (&["dpx"], DPX),
    (&["ras"], SUN_RASTER),
    (&["sgi"], SGI),
    (&["tga"], TARGA),
    (&["pcx"], PCX),
    (&["zip", "zipx"], ZIP),
    (&["gz", "tgz"], GZIP),
    (&["tar"], TAR),
    (&["bz2", "tbz", "tbz2"], BZIP2),
    (&["xz", "txz"], XZ),
    (&["lzma"], LZMA),
    (&["lz"], LZIP),
    (&["lz4"], LZ4),
    (&["zst", "tzst"], ZSTD),
    (&["z"], COMPRESS),
    (&["7z"], SEVEN_ZIP),
    (&["rar"], RAR),
    (&["cab"], CABINET),
    (&["iso", "dmg"], DISC),
];

/// Endings of files that lie beside images and are none, unless their content is one.
const BESIDE: [&str; 34] = [
    "txt",
    "csv",
    "tsv",
    "json",
    "jsonl",
    "ndjson",
    "xml",
    "yaml",
    "yml",
    "toml",
    "ini",
    "md",
    "html",
    "htm",
    "pdf",
    "doc",
    "xls",
    "ppt",
    "py",
    "ipynb",
    "rs",
    "r",
    "sh",
    "sql",
    "log",
    "db",
    "sqlite",
    "pkl",
    "npy",
    "h5",
    "parquet",
    "safetensors",
    "mp4",
    "svg",
];

/// Endings of files that are archives by their content, and documents, programs or models to people.
const BUNDLES: [&str; 29] = [
    "docx", "docm", "dotx", "xlsx", "xlsm", "xltx", "pptx", "pptm", "potx", "odt", "ods", "odp",
    "odg", "pages", "numbers", "epub", "jar", "war", "whl", "apk", "nupkg", "npz", "pt", "pth",
    "keras", "rds", "rdata", "svgz", "kmz",
];

/// The format that content begins like, documents among them; `None` for what is not known.
pub(super) fn by_content(head: &[u8]) -> Option<UnreadFormat> {
    let begins = |(at, magic, _): &&(usize, &[u8], UnreadFormat)| {
        head.get(*at..)
            .is_some_and(|there| there.starts_with(magic))
    };
    let found = MAGIC.iter().find(begins).map(|(_, _, format)| *format);
    found
        .or_else(|| by_brand(head))
        .or_else(|| is_netpbm(head).then_some(NETPBM))
        .or_else(|| is_analyze(head).then_some(ANALYZE))
}

/// The ISO base media file format (ISO/IEC 14496-12): its brands tell photographs from films.
fn by_brand(head: &[u8]) -> Option<UnreadFormat> {
    if head.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let length = head.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
    let end = head
        .len()
        .min(usize::try_from(length).unwrap_or(usize::MAX));
    // Between the first brand and those that it is compatible with stands a version.
    let brands = head.get(8..end)?.chunks_exact(4);
    let has = |wanted: &[&[u8; 4]]| {
        let mut brands = brands.clone();
        brands.any(|brand| wanted.iter().any(|wanted| *wanted == brand))
    };
    if has(&[b"avif", b"avis"]) {
        return Some(AVIF);
    }
    if has(&[b"crx "]) {
        return Some(RAW_PHOTOGRAPH);
    }
    let pictures = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"];
    let sequences = [b"hevc", b"hevx", b"hevm", b"hevs"];
    (has(&pictures) || has(&sequences)).then_some(HEIF)
}

/// `P5`, a width and a height (netpbm.sourceforge.net): a text may begin like that, but not go on so.
fn is_netpbm(head: &[u8]) -> bool {
    let [b'P', kind @ b'1'..=b'7', blank, rest @ ..] = head else {
        return false;
    };
    if !blank.is_ascii_whitespace() {
        return false;
    }
    if *kind == b'7' {
        return rest.starts_with(b"WIDTH") || rest.starts_with(b"HEIGHT") || rest.starts_with(b"#");
    }
    let lines = rest.split(|byte| *byte == b'\n');
    let bare = lines.filter(|line| !line.starts_with(b"#"));
    let words = bare.flat_map(|line| line.split(u8::is_ascii_whitespace));
    let mut words = words.filter(|word| !word.is_empty());
    let mut is_number = || {
        let word = words.next();
        word.is_some_and(|word| word.len() < 7 && word.iter().all(u8::is_ascii_digit))
    };
    is_number() && is_number()
}

/// A header of Analyze 7.5 has its own length first, in either order of bytes, and `r` at byte 38.
fn is_analyze(head: &[u8]) -> bool {
    let length = head.first_chunk::<4>();
    let is_long = length.is_some_and(|length| {
        i32::from_le_bytes(*length) == 348 || i32::from_be_bytes(*length) == 348
    });
    is_long && head.get(38) == Some(&b'r')
}

/// The format of a file that is no image that is read, as far as it looks like an image or an
/// archive: by its content, or else by its name.
pub(super) fn format(path: &Path, head: &[u8]) -> Option<UnreadFormat> {
    let ending = ending(path).unwrap_or_default();
    let format = match by_content(head) {
        Some(format) => Some(format),
        None => by_name(&ending),
    };
    let is_wanted = |format: &UnreadFormat| match format.holds {
        Holds::Image => true,
        Holds::Archive => !BUNDLES.contains(&ending.as_str()) && !is_packed_text(path, &ending),
        Holds::Document => false,
    };
    format.filter(is_wanted)
}

fn by_name(ending: &str) -> Option<UnreadFormat> {
    let of = |(names, _): &&(&[&str], UnreadFormat)| names.contains(&ending);
    NAMES.iter().find(of).map(|(_, format)| *format)
}

/// A table or a log that was packed: `labels.csv.gz`.
fn is_packed_text(path: &Path, ending: &str) -> bool {
    let stem = path.file_stem().map(Path::new);
    matches!(
        ending,
        "gz" | "bz2" | "xz" | "zst" | "lz4" | "z" | "lz" | "lzma"
    ) && stem.is_some_and(is_beside)
}

/// Whether the name alone says that it is no image.
pub(super) fn is_beside(path: &Path) -> bool {
    let ending = ending(path).unwrap_or_default();
    BESIDE.contains(&ending.as_str()) || BUNDLES.contains(&ending.as_str())
}

/// What a name ends in, in small letters.
pub(super) fn ending(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?;
    Some(ending.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, head: &[u8]) -> String {
        format(Path::new(name), head).map_or_else(String::new, |format| format.to_string())
    }

    #[test]
    fn images_and_archives_are_told_by_their_content_whatever_they_are_called() {
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
    fn a_name_tells_where_the_content_does_not() {
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
                words(name, b"what it holds says nothing"),
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
    fn documents_and_models_that_are_archives_inside_are_not_worth_a_word() {
        for name in ["a.docx", "a.XLSX", "weights.pt", "a.npz"] {
            assert_eq!(words(name, b"PK\x03\x04"), "", "{name}");
        }
        assert_eq!(words("fit.rds", b"\x1f\x8b\x08"), "");
        assert_eq!(words("labels.csv.gz", b"\x1f\x8b\x08"), "");
        assert_eq!(words("a.docx", b"8BPS\0\x01"), "a Photoshop image");
    }

    #[test]
    fn each_format_is_counted_by_its_words_without_the_article() {
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
    fn what_it_is_is_the_reason_where_it_was_to_be_read() {
        let reason = |head: &[u8]| by_content(head).unwrap().fault().to_string();
        assert_eq!(reason(b"8BPS"), "not supported: a Photoshop image");
        assert_eq!(
            reason(b"PK\x03\x04"),
            "not an image: a zip archive: unpack it first"
        );
        assert_eq!(reason(b"%PDF-1.4"), "not an image: a PDF document");
    }
}
