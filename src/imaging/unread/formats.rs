//! The formats that are not read, with their magic codes and names.

use std::fmt;

use crate::imaging::ImageFault;

/// A format of images or archives that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnreadFormat {
    pub(super) holds: Holds,
    /// In plain words, with an article: `a JPEG XL image`.
    pub(super) words: &'static str,
}

/// The kind of content of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Holds {
    Image,
    /// Other files, which may be images.
    Archive,
    /// Text, mostly.
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
    /// Whether files of this format may be archives that are entered. A gzip file is one if it holds a tar archive.
    pub(in crate::imaging) fn may_be_entered(self) -> bool {
        [ZIP, TAR, GZIP].contains(&self)
    }

    /// The format without an article, for counts: `zip archive`.
    pub fn noun(self) -> &'static str {
        self.words
            .split_once(' ')
            .map_or(self.words, |(_, noun)| noun)
    }

    /// The fault of opening a file of this format as an image.
    pub(in crate::imaging) fn fault(self) -> ImageFault {
        match self.holds {
            Holds::Image => ImageFault::unsupported(self),
            Holds::Archive | Holds::Document => ImageFault::not_an_image(self),
        }
    }
}

/// `a JPEG XL image`. An archive says what can be done: `a zip archive: unpack it first`.
impl fmt::Display for UnreadFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)?;
        if self.holds == Holds::Archive {
            f.write_str(": unpack it first")?;
        }
        Ok(())
    }
}

const JPEG_LS: UnreadFormat = image("a JPEG-LS image");
const JPEG_XL: UnreadFormat = image("a JPEG XL image");
const JPEG_XR: UnreadFormat = image("a JPEG XR image");
pub(super) const AVIF: UnreadFormat = image("an AVIF image");
pub(super) const HEIF: UnreadFormat = image("an HEIF image");
pub(super) const RAW_PHOTOGRAPH: UnreadFormat = image("a raw photograph");
const RAW: UnreadFormat = image("a raw image without a header");
const PHOTOSHOP: UnreadFormat = image("a Photoshop image");
const GIMP: UnreadFormat = image("a GIMP image");
const OPEN_EXR: UnreadFormat = image("an OpenEXR image");
const RADIANCE: UnreadFormat = image("a Radiance image");
pub(super) const NETPBM: UnreadFormat = image("a PNM image");
const DJVU: UnreadFormat = image("a DjVu image");
const NIFTI: UnreadFormat = image("a NIfTI image");
pub(super) const ANALYZE: UnreadFormat = image("an Analyze image");
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

/// Offset and bytes of magic codes. A longer one comes before one that it begins with.
pub(super) const MAGIC: [(usize, &[u8], UnreadFormat); 40] = [
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
    // NIfTI-2 and NIfTI-1, in one file or in two.
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
    // After the level comes a block, or the end of the stream.
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

/// File name extensions of these formats. Some formats have no magic code, and some files do not hold
/// what their name promises.
pub(super) const NAMES: [(&[&str], UnreadFormat); 39] = [
    (&["jls"], JPEG_LS),
    (&["jxl"], JPEG_XL),
    (&["jxr", "wdp", "hdp"], JPEG_XR),
    (&["avif", "avifs"], AVIF),
    (&["heic", "heics", "heif", "heifs", "hif"], HEIF),
    (
        &["cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "dng"],
        RAW_PHOTOGRAPH,
    ),
    // Films of JSRT are called IMG, and so are those of Analyze, whose header is another file.
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

/// Extensions of files that often lie beside images. Only their content could make them images.
pub(super) const BESIDE: [&str; 34] = [
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

/// Extensions of documents, programs and models that are archives inside.
pub(super) const BUNDLES: [&str; 29] = [
    "docx", "docm", "dotx", "xlsx", "xlsm", "xltx", "pptx", "pptm", "potx", "odt", "ods", "odp",
    "odg", "pages", "numbers", "epub", "jar", "war", "whl", "apk", "nupkg", "npz", "pt", "pth",
    "keras", "rds", "rdata", "svgz", "kmz",
];
