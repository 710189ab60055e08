//! Coarse pictures of a grid first, and fine ones once it rests: for slow connections.

use std::sync::Arc;
use std::time::Instant;

use super::{PreviewTarget, REST, coarse};
use crate::domain::PreviewImage;

/// How many pictures count as sent in full: more than a painter keeps.
const KNOWN: usize = 256;

/// What is shown of the pictures of a grid.
#[derive(Default)]
pub struct GradualTiles {
    wanted: Vec<PreviewTarget>,
    /// What is shown of them now.
    pub shown: Vec<PreviewTarget>,
    /// Pictures with their coarse ones, so that a coarse one is sent once.
    coarse: Vec<(Arc<PreviewImage>, PreviewTarget)>,
    /// Pictures that were sent in full.
    fine: Vec<Arc<PreviewImage>>,
    due: Option<Instant>,
}

impl GradualTiles {
    /// When the fine pictures follow.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Decides what is shown now. `budget` is the bytes that all first pictures together may take.
    pub fn decide(&mut self, tiles: &[PreviewTarget], budget: usize, now: Instant) {
        let is_new = self.wanted != tiles;
        if is_new {
            self.wanted = tiles.to_vec();
        } else if self.due.is_none_or(|due| now < due) {
            return;
        }
        let share = budget / tiles.len().max(1);
        let mut is_coarse = false;
        let mut made = Vec::new();
        self.shown = Vec::with_capacity(tiles.len());
        for tile in tiles {
            let is_fine = !is_new || self.is_fine(&tile.image);
            let first = (!is_fine).then(|| self.first(tile, share)).flatten();
            match first {
                Some(first) => {
                    is_coarse = true;
                    made.push((tile.image.clone(), first.clone()));
                    self.shown.push(PreviewTarget {
                        area: tile.area,
                        ..first
                    });
                }
                None => {
                    if !self.is_fine(&tile.image) {
                        self.fine.push(tile.image.clone());
                    }
                    self.shown.push(tile.clone());
                }
            }
        }
        let surplus = self.fine.len().saturating_sub(KNOWN);
        self.fine.drain(..surplus);
        self.coarse = made;
        self.due = is_coarse.then(|| now + REST);
    }

    fn is_fine(&self, image: &Arc<PreviewImage>) -> bool {
        self.fine.iter().any(|fine| Arc::ptr_eq(fine, image))
    }

    /// The coarse picture; `None` if it fits as it is.
    fn first(&self, tile: &PreviewTarget, share: usize) -> Option<PreviewTarget> {
        let mut made = self.coarse.iter();
        match made.find(|(of, _)| Arc::ptr_eq(of, &tile.image)) {
            Some((_, first)) => Some(first.clone()),
            None => coarse(tile, share),
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    fn tile(side: usize, x: u16) -> PreviewTarget {
        let image = PreviewImage {
            width: side,
            height: side,
            pixels: vec![7; side * side],
            colour: false,
        };
        PreviewTarget::new(Arc::new(image), Rect::new(x, 0, 18, 9))
    }

    fn widths(tiles: &GradualTiles) -> Vec<usize> {
        tiles.shown.iter().map(|tile| tile.image.width).collect()
    }

    #[test]
    fn a_page_is_coarse_and_then_fine_and_what_was_fine_stays_fine() {
        let mut tiles = GradualTiles::default();
        let page = [tile(180, 0), tile(180, 20)];
        let start = Instant::now();
        tiles.decide(&page, 8_000, start);
        assert!(widths(&tiles).iter().all(|width| *width < 90));
        let first: Vec<_> = tiles.shown.clone();
        let due = tiles.due().unwrap();
        tiles.decide(&page, 8_000, start);
        assert!(tiles.shown == first, "the same pictures, sent once");
        tiles.decide(&page, 8_000, due);
        assert_eq!(widths(&tiles), [180, 180]);
        assert_eq!(tiles.due(), None);
        let scrolled = [page[1].clone(), tile(180, 20)];
        tiles.decide(&scrolled, 8_000, due);
        let widths = widths(&tiles);
        assert!(widths[0] == 180 && widths[1] < 90, "{widths:?}");
    }

    #[test]
    fn small_pictures_are_sent_as_they_are() {
        let mut tiles = GradualTiles::default();
        tiles.decide(&[tile(20, 0)], 8_000, Instant::now());
        assert_eq!((widths(&tiles), tiles.due()), (vec![20], None));
        tiles.decide(&[], 8_000, Instant::now());
        assert!(tiles.shown.is_empty());
    }
}
