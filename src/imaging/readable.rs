//! The formats that this build reads, for `cxr doctor`.

use super::{dicom, raster};

/// Names of formats, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadableFormats {
    /// Pictures other than DICOM.
    pub pictures: Vec<&'static str>,
    /// Families of DICOM's transfer syntaxes.
    pub transfer_syntaxes: Vec<&'static str>,
}

/// The formats that this build reads.
pub fn readable_formats() -> ReadableFormats {
    ReadableFormats {
        pictures: raster::RasterFormat::readable()
            .map(raster::RasterFormat::name)
            .collect(),
        transfer_syntaxes: dicom::readable_syntaxes(),
    }
}

/// The identifiers of DICOM's transfer syntaxes that this build reads, for those who send films here.
pub fn readable_syntax_uids() -> Vec<String> {
    dicom::readable_syntax_uids()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_transfer_syntax_is_read_and_video_is_not() {
        let read = readable_syntax_uids();
        let has = |uid: &str| read.iter().any(|known| known == uid);
        assert!(has("1.2.840.10008.1.2") && has("1.2.840.10008.1.2.1"));
        assert!(has("1.2.840.10008.1.2.4.70") && has("1.2.840.10008.1.2.4.80"));
        assert!(!has("1.2.840.10008.1.2.4.110") && !has("1.2.840.10008.1.2.4.100"));
        assert_eq!(has("1.2.840.10008.1.2.4.90"), cfg!(feature = "jpeg2000"));
    }

    #[test]
    fn each_format_is_named_once_and_jpeg_2000_only_where_it_is_read() {
        let ReadableFormats {
            pictures,
            transfer_syntaxes,
        } = readable_formats();
        for names in [&pictures, &transfer_syntaxes] {
            for (at, name) in names.iter().enumerate() {
                assert!(!names[at + 1..].contains(name), "{names:?}");
            }
            assert_eq!(names.contains(&"JPEG 2000"), cfg!(feature = "jpeg2000"));
        }
        for name in [
            "uncompressed",
            "deflated",
            "RLE",
            "JPEG lossless",
            "JPEG-LS",
        ] {
            assert!(transfer_syntaxes.contains(&name), "{transfer_syntaxes:?}");
        }
        assert!(!transfer_syntaxes.contains(&"JPEG XL"));
    }
}
