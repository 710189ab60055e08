//! Application entities: their titles, and the addresses at which they are reached.

use std::fmt;
use std::str::FromStr;

/// The registered port of DICOM (PS3.8 section 9.1.1).
const DICOM_PORT: u16 = 104;
/// The longest title (PS3.5 section 6.2, AE).
const LONGEST_TITLE: usize = 16;
const SCHEME: &str = "dicom://";

/// The title of an application entity: 1 to 16 printable ASCII characters without a backslash (PS3.5 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AeTitle(String);

impl AeTitle {
    /// The title as text, without spaces around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text names no application entity, in one line without the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("an application entity title has 1 to 16 printable ASCII characters and no backslash")]
    Title,
    #[error("an address is dicom://HOST:PORT/TITLE, such as dicom://127.0.0.1:4242/ORTHANC")]
    Address,
    #[error("DICOM's protocol has no user names in an address")]
    UserName,
}

impl FromStr for AeTitle {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        let title = text.trim_matches(' ');
        let is_allowed = |b: u8| (b == b' ' || b.is_ascii_graphic()) && b != b'\\';
        if title.is_empty() || title.len() > LONGEST_TITLE || !title.bytes().all(is_allowed) {
            return Err(AddressFault::Title);
        }
        Ok(AeTitle(title.to_owned()))
    }
}

/// Where an application entity is reached: `dicom://HOST:PORT/TITLE`. The port may be left out (104), and an IPv6
/// address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DicomAddress {
    pub host: String,
    pub port: u16,
    /// The title that is called.
    pub title: AeTitle,
}

impl DicomAddress {
    /// Whether a text means an address of this kind, right or wrong.
    pub fn is_meant(text: &str) -> bool {
        let head = text.get(..SCHEME.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
    }
}

impl FromStr for DicomAddress {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        if !DicomAddress::is_meant(text) {
            return Err(AddressFault::Address);
        }
        let (authority, title) = text[SCHEME.len()..]
            .split_once('/')
            .ok_or(AddressFault::Address)?;
        if authority.contains('@') {
            return Err(AddressFault::UserName);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(AddressFault::Address)?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| AddressFault::Address)?;
                (host, after)
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                authority.split_at(end)
            }
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| AddressFault::Address)?,
            None if port.is_empty() => DICOM_PORT,
            None => return Err(AddressFault::Address),
        };
        let is_of_names =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || port == 0 || !host.bytes().all(is_of_names) {
            return Err(AddressFault::Address);
        }
        Ok(DicomAddress {
            host: host.to_ascii_lowercase(),
            port,
            title: title.trim_end_matches('/').parse()?,
        })
    }
}

/// As it is typed.
impl fmt::Display for DicomAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DicomAddress { host, port, title } = self;
        if host.contains(':') {
            write!(f, "{SCHEME}[{host}]:{port}/{title}")
        } else {
            write!(f, "{SCHEME}{host}:{port}/{title}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_the_same() {
        for (text, host, port, title, written) in [
            (
                "dicom://127.0.0.1:4242/ORTHANC",
                "127.0.0.1",
                4242,
                "ORTHANC",
                None,
            ),
            (
                "dicom://pacs/ARCHIVE",
                "pacs",
                104,
                "ARCHIVE",
                Some("dicom://pacs:104/ARCHIVE"),
            ),
            (
                "DICOM://Pacs:11112/A B/",
                "pacs",
                11112,
                "A B",
                Some("dicom://pacs:11112/A B"),
            ),
            ("dicom://[::1]:104/X", "::1", 104, "X", None),
        ] {
            let address: DicomAddress = text.parse().unwrap();
            assert_eq!(
                (address.host.as_str(), address.port),
                (host, port),
                "{text}"
            );
            assert_eq!(address.title.as_str(), title);
            assert_eq!(address.to_string(), written.unwrap_or(text));
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "dicom://",
            "dicom://host",
            "dicom://host:0/A",
            "dicom://host:70000/A",
            "dicom://host:/A",
            "dicom:///A",
            "dicom://ho st/A",
            "dicom://host\x1b/A",
            "dicom://[::1/A",
            "dicom://[nothing]/A",
            "https://host/A",
            "é",
        ] {
            assert_eq!(
                text.parse::<DicomAddress>(),
                Err(AddressFault::Address),
                "{text}"
            );
        }
        let at = "dicom://me:secret@host/A".parse::<DicomAddress>();
        assert_eq!(at, Err(AddressFault::UserName));
        for title in ["", "  ", "A\\B", "12345678901234567", "A\tB", "Ä"] {
            assert_eq!(
                title.parse::<AeTitle>(),
                Err(AddressFault::Title),
                "{title:?}"
            );
        }
        assert_eq!(" A B ".parse::<AeTitle>().unwrap().as_str(), "A B");
    }
}
