//! The pictures of the grid, up to a limit in bytes; the least recently used are dropped first.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::domain::text::clean;
use crate::domain::{ContentId, Failure};
use crate::worker::ThumbnailImage;

/// More than the pictures of any screen and of the pages around it.
const LIMIT: usize = 24 << 20;
/// What one more picture takes apart from its pixels.
const OVERHEAD: usize = 256;

/// The pictures that were made, and why others could not be.
#[derive(Debug)]
pub struct Thumbnails {
    kept: HashMap<Arc<Path>, KeptThumbnail>,
    bytes: usize,
    limit: usize,
    /// Counts uses: a larger one is later.
    uses: u64,
}

/// One file's picture.
#[derive(Debug)]
pub struct KeptThumbnail {
    /// The picture, or the reason in a line.
    pub picture: Result<ThumbnailImage, String>,
    used: u64,
    /// Whether it was made again because the worklist knows another image at that path.
    is_second: bool,
}

impl Default for Thumbnails {
    fn default() -> Self {
        Thumbnails::within(LIMIT)
    }
}

impl Thumbnails {
    fn within(limit: usize) -> Self {
        Thumbnails {
            kept: HashMap::new(),
            bytes: 0,
            limit,
            uses: 0,
        }
    }

    /// The picture of a file, where the worklist knows it as `content` or does not know it yet: the picture of another
    /// image must not stand in its place.
    pub fn get(&self, path: &Path, content: Option<ContentId>) -> Option<&KeptThumbnail> {
        let kept = self.kept.get(path);
        kept.filter(|kept| kept.is_of(content))
    }

    /// Notes that a file is in use. Returns false if its picture is to be made: there is none, or one of another image. That
    /// one is made again once, since the file may be older than what the worklist knows.
    pub fn touch(&mut self, path: &Path, content: Option<ContentId>) -> bool {
        self.uses += 1;
        let Some(kept) = self.kept.get_mut(path) else {
            return false;
        };
        kept.used = self.uses;
        kept.is_of(content) || kept.is_second
    }

    /// Takes in a picture, or the reason why there is none.
    pub fn insert(&mut self, path: Arc<Path>, picture: Result<ThumbnailImage, Failure>) {
        self.uses += 1;
        let is_second = self.forget(&path);
        let picture = picture.map_err(|failure| clean(&failure.to_string()));
        let kept = KeptThumbnail {
            picture,
            used: self.uses,
            is_second,
        };
        self.bytes += kept.bytes();
        self.kept.insert(path, kept);
        if self.bytes > self.limit {
            self.drop_oldest();
        }
    }

    /// The file was written to. Returns whether there was a picture of it.
    pub fn forget(&mut self, path: &Path) -> bool {
        let before = self.kept.remove(path);
        self.bytes -= before.as_ref().map_or(0, KeptThumbnail::bytes);
        before.is_some()
    }

    pub fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }

    /// Drops the least recently used until an eighth of the limit is free, so that the next pictures find room.
    fn drop_oldest(&mut self) {
        let mut all: Vec<(u64, Arc<Path>)> = self
            .kept
            .iter()
            .map(|(path, kept)| (kept.used, path.clone()))
            .collect();
        all.sort_unstable_by_key(|(used, _)| *used);
        for (_, path) in all {
            if self.bytes <= self.limit / 8 * 7 {
                break;
            }
            self.forget(&path);
        }
    }
}

impl KeptThumbnail {
    fn is_of(&self, content: Option<ContentId>) -> bool {
        match (&self.picture, content) {
            (Ok(picture), Some(content)) => picture.content == content,
            _ => true,
        }
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.picture.as_ref().map_or(0, |p| p.image.pixels.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PreviewImage;

    fn image(n: u8) -> ContentId {
        ContentId::from_digest([n; 32])
    }

    fn path(name: &str) -> Arc<Path> {
        Path::new(name).into()
    }

    fn thumbnail(content: u8, bytes: usize) -> Result<ThumbnailImage, Failure> {
        let image_of = PreviewImage {
            width: bytes,
            height: 1,
            pixels: vec![0; bytes],
            colour: false,
        };
        Ok(ThumbnailImage {
            content: image(content),
            image: Arc::new(image_of),
        })
    }

    #[test]
    fn the_least_recently_used_are_dropped_and_the_bytes_stay_within_the_limit() {
        let mut thumbnails = Thumbnails::within(10_000);
        for n in 0..200_u8 {
            thumbnails.insert(path(&n.to_string()), thumbnail(n, 1_000));
            thumbnails.touch(&path("0"), None);
            assert!(thumbnails.bytes <= 10_000, "{n}: {}", thumbnails.bytes);
        }
        let bytes: usize = thumbnails.kept.values().map(KeptThumbnail::bytes).sum();
        assert_eq!(thumbnails.bytes, bytes);
        for (name, is_kept) in [("0", true), ("1", false), ("199", true)] {
            assert_eq!(
                thumbnails.get(&path(name), None).is_some(),
                is_kept,
                "{name}"
            );
        }
        thumbnails.clear();
        assert!(thumbnails.bytes == 0 && !thumbnails.touch(&path("0"), None));
    }

    /// The file was replaced between the two reads.
    #[test]
    fn the_picture_of_another_image_is_not_shown_and_is_made_again_once() {
        let mut thumbnails = Thumbnails::default();
        let a = path("a");
        thumbnails.insert(a.clone(), thumbnail(1, 10));
        assert!(thumbnails.get(&a, Some(image(1))).is_some());
        assert!(thumbnails.get(&a, Some(image(2))).is_none());
        assert!(!thumbnails.touch(&a, Some(image(2))), "to be made again");
        thumbnails.insert(a.clone(), thumbnail(1, 10));
        assert!(thumbnails.get(&a, Some(image(2))).is_none());
        assert!(thumbnails.touch(&a, Some(image(2))), "once is enough");
        assert!(thumbnails.forget(&a) && !thumbnails.forget(&a));
        assert!(!thumbnails.touch(&a, Some(image(2))), "it was written to");
    }

    #[test]
    fn a_reason_is_one_clean_line_and_is_not_asked_for_again() {
        let mut thumbnails = Thumbnails::default();
        thumbnails.insert(path("a"), Err("bad \u{1b}[2J file".into()));
        assert!(thumbnails.touch(&path("a"), Some(image(1))));
        let kept = thumbnails.get(&path("a"), None).unwrap();
        assert_eq!(kept.picture.as_ref().unwrap_err(), "bad [2J file");
    }
}
