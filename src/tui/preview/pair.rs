//! Two images at once: the selected one, and one beside it.

use std::io;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Painter, PreviewTarget};
use crate::domain::Canvas;

/// Two painters of one kind, each of which sends its image only when that changes.
pub struct Pair {
    first: Box<dyn Painter>,
    second: Box<dyn Painter>,
}

impl Pair {
    pub fn new(first: Box<dyn Painter>, mut second: Box<dyn Painter>) -> Self {
        second.be_second();
        Pair { first, second }
    }
}

/// The image of each painter.
fn apart(target: &PreviewTarget) -> (Option<PreviewTarget>, Option<PreviewTarget>) {
    let alone = PreviewTarget {
        beside: None,
        ..target.clone()
    };
    if target.is_second {
        return (None, Some(alone));
    }
    (Some(alone), target.beside.as_deref().cloned())
}

impl Painter for Pair {
    fn name(&self) -> &'static str {
        self.first.name()
    }

    fn canvas(&self, area: Rect) -> Canvas {
        self.first.canvas(area)
    }

    fn scales(&self) -> bool {
        self.first.scales()
    }

    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer) {
        let (first, second) = apart(target);
        if let Some(first) = first {
            self.first.place(&first, buffer);
        }
        if let Some(second) = second {
            self.second.place(&second, buffer);
        }
    }

    fn finish(&mut self, target: Option<&PreviewTarget>) -> io::Result<()> {
        let (first, second) = target.map_or((None, None), apart);
        // What is deleted goes first: a new image may lie in its place.
        if second.is_none() {
            self.second.finish(None)?;
        }
        self.first.finish(first.as_ref())?;
        match second {
            Some(second) => self.second.finish(Some(&second)),
            None => Ok(()),
        }
    }

    fn remains(&self) -> Option<Rect> {
        let both = [self.first.remains(), self.second.remains()];
        both.into_iter().flatten().reduce(Rect::union)
    }

    fn forget(&mut self) {
        self.first.forget();
        self.second.forget();
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.first.set_cell(cell);
        self.second.set_cell(cell);
    }

    /// The first painter has the pictures of a grid.
    fn place_tiles(&mut self, tiles: &[PreviewTarget], buffer: &mut Buffer) {
        self.first.place_tiles(tiles, buffer);
    }

    fn finish_tiles(&mut self, tiles: &[PreviewTarget]) -> io::Result<()> {
        self.first.finish_tiles(tiles)
    }

    fn tile_remains(&self) -> Vec<Rect> {
        self.first.tile_remains()
    }

    fn due(&self) -> Option<Instant> {
        let both = [self.first.due(), self.second.due()];
        both.into_iter().flatten().min()
    }

    fn take_sent(&mut self) -> usize {
        self.first.take_sent() + self.second.take_sent()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::domain::PreviewImage;

    /// Writes down which images it was given.
    struct Recording(Rc<RefCell<Vec<String>>>, &'static str);

    impl Painter for Recording {
        fn name(&self) -> &'static str {
            self.1
        }

        fn canvas(&self, _: Rect) -> Canvas {
            unreachable!("not asked for")
        }

        fn place(&mut self, target: &PreviewTarget, _: &mut Buffer) {
            let words = format!("{} places {}", self.1, target.area.x);
            self.0.borrow_mut().push(words);
        }

        fn finish(&mut self, target: Option<&PreviewTarget>) -> io::Result<()> {
            let at = target.map_or("none".to_owned(), |target| target.area.x.to_string());
            self.0.borrow_mut().push(format!("{} paints {at}", self.1));
            Ok(())
        }

        fn be_second(&mut self) {
            self.1 = "second";
        }
    }

    #[test]
    fn each_painter_gets_its_own_image_and_is_told_when_it_is_gone() {
        let image = PreviewImage {
            width: 1,
            height: 1,
            pixels: vec![0],
            colour: false,
        };
        let image = Arc::new(image);
        let log = Rc::new(RefCell::default());
        let painter = || Box::new(Recording(Rc::clone(&log), "first"));
        let mut pair = Pair::new(painter(), painter());
        let mut show = |target: Option<PreviewTarget>| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 9, 9));
            if let Some(target) = &target {
                pair.place(target, &mut buffer);
            }
            pair.finish(target.as_ref()).unwrap();
            std::mem::take(&mut *log.borrow_mut())
        };
        let first = PreviewTarget::new(image.clone(), Rect::new(1, 0, 4, 4));
        let second = PreviewTarget::second(image, Rect::new(5, 0, 4, 4));
        let both = PreviewTarget {
            beside: Some(Box::new(second.clone())),
            ..first.clone()
        };
        assert_eq!(
            show(Some(both)),
            [
                "first places 1",
                "second places 5",
                "first paints 1",
                "second paints 5"
            ]
        );
        assert_eq!(
            show(Some(second)),
            ["second places 5", "first paints none", "second paints 5"]
        );
        assert_eq!(
            show(Some(first)),
            ["first places 1", "second paints none", "first paints 1"]
        );
        assert_eq!(show(None), ["second paints none", "first paints none"]);
    }
}
