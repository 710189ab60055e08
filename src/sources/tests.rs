use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;

#[test]
fn a_file_and_what_is_none_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.dcm");
    std::fs::write(&file, "film").unwrap();
    let sources = Sources::default();
    let opened = sources.open(&file, 100).unwrap();
    assert_eq!(
        (opened.length(), opened.head(2).unwrap()),
        (4, b"fi".to_vec())
    );
    assert_eq!(opened.read(3).unwrap(), b"fil");
    assert_eq!(
        opened.read(9).unwrap(),
        b"film",
        "it is read from the start each time"
    );
    assert!(sources.exists(&file) && sources.is_film(&file));
    assert!(sources.exists(folder.path()) && !sources.is_film(folder.path()));
    // A path through a file that is no archive.
    let below = file.join("b.dcm");
    let kind = sources.open(&below, 100).err().unwrap().kind();
    assert_eq!(kind, Some(io::ErrorKind::NotADirectory));
    assert!(!sources.exists(&below));
    let gone = sources
        .open(&folder.path().join("gone"), 100)
        .err()
        .unwrap();
    assert_eq!(gone.kind(), Some(io::ErrorKind::NotFound));
    assert_eq!(
        sources.open(folder.path(), 100).err(),
        Some(SourceFault::NotRegular)
    );
}

struct TwoFilms;

impl RemoteSource for TwoFilms {
    fn holds(&self, path: &Path) -> bool {
        path.starts_with("https://films/")
    }

    fn read(&self, path: &Path, longest: u64) -> Result<Arc<[u8]>, SourceFault> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("1" | "2") if longest < 4 => Err(SourceFault::too_large("4 bytes")),
            Some("1" | "2") => Ok(b"film"[..].into()),
            _ => Err(SourceFault::missing("no such film")),
        }
    }

    fn stamp(&self, _: &Path) -> Option<u64> {
        Some(7)
    }

    fn walk(&self, path: &Path, on: &mut dyn FnMut(RemoteItem) -> ControlFlow<()>) {
        let _ = ["1", "2"]
            .into_iter()
            .try_for_each(|film| on(RemoteItem::Film(path.join(film))));
    }
}

#[test]
fn an_address_is_read_from_the_source_that_holds_it() {
    let sources = Sources::default();
    let film = Path::new("https://films/1");
    let fault = sources.open(film, 100).err().unwrap().to_string();
    assert_eq!(fault, "no source holds this address");
    sources.register(Arc::new(TwoFilms));
    assert_eq!(sources.open(film, 100).unwrap().read(100).unwrap(), b"film");
    assert!(matches!(
        sources.open(film, 3).err(),
        Some(SourceFault::TooLarge(_))
    ));
    assert_eq!(
        sources.stamp(film),
        sources.stamp(Path::new("https://films/2"))
    );
    assert!(sources.stamp(film).is_some() && sources.is_film(film));
    assert_eq!(sources.stamp(Path::new("https://others/1")), None);
    assert_eq!(
        sources.real(film).unwrap(),
        PathBuf::from("https://films/1")
    );
    assert!(!is_remote(Path::new("./https://films/1")));
}
