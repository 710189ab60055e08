//! iTerm2 images and sixel, through the crate viuer.
//!
//! viuer's detection reads from the terminal without a timeout. So it is called only if the terminal has
//! answered the program's own probe, and before any thread reads events. viuer writes to standard output
//! only, after ratatui has written the frame.

use std::io;

use ::viuer::Config;
use image::{DynamicImage, GrayImage, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Painter, PreviewTarget, cells_of, keep_away, pixel_canvas};
use crate::domain::{Canvas, PreviewImage};
use crate::tui::terminal::Capabilities;

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Iterm,
    #[cfg(feature = "sixel")]
    Sixel,
}

/// Whether the environment names a terminal with iTerm2 images. Reads nothing from the terminal.
pub fn knows_iterm() -> bool {
    ::viuer::is_iterm_supported()
}

/// The painter of iTerm2 images.
pub fn iterm(cell: (u16, u16)) -> Option<Box<dyn Painter>> {
    Some(Box::new(Viuer {
        protocol: Protocol::Iterm,
        cell,
        painted: None,
        tiles: vec![],
    }))
}

/// The painter of sixel images; `None` unless the terminal reports sixel.
#[cfg(feature = "sixel")]
pub fn sixel(cell: (u16, u16), can: &Capabilities) -> Option<Box<dyn Painter>> {
    // viuer asks once more before it prints, and caches the answer. It is made to ask now, while no thread
    // reads events.
    let has = can.answered && can.sixel && ::viuer::is_sixel_supported();
    has.then(|| {
        Box::new(Viuer {
            protocol: Protocol::Sixel,
            cell,
            painted: None,
            tiles: vec![],
        }) as _
    })
}

/// `None`: this build has no sixel.
#[cfg(not(feature = "sixel"))]
pub fn sixel(_: (u16, u16), _: &Capabilities) -> Option<Box<dyn Painter>> {
    None
}

struct Viuer {
    protocol: Protocol,
    cell: (u16, u16),
    painted: Option<PreviewTarget>,
    tiles: Vec<PreviewTarget>,
}

impl Viuer {
    fn config(&self, cells: Rect) -> Config {
        let (width, height) = self.size(cells);
        Config {
            x: cells.x,
            y: i16::try_from(cells.y).unwrap_or(i16::MAX),
            width: Some(width),
            height: Some(height),
            restore_cursor: true,
            use_kitty: false,
            use_iterm: self.protocol == Protocol::Iterm,
            #[cfg(feature = "sixel")]
            use_sixel: self.protocol == Protocol::Sixel,
            ..Config::default()
        }
    }

    /// Width and height as viuer takes them: cells for iTerm2. For sixel, viuer assumes cells of 6 × 12 pixels,
    /// so the true pixels are given in those units, within viuer's limit of 1,000 pixels across.
    fn size(&self, cells: Rect) -> (u32, u32) {
        let (width, height) = (u32::from(cells.width), u32::from(cells.height));
        match self.protocol {
            Protocol::Iterm => (width, height),
            #[cfg(feature = "sixel")]
            Protocol::Sixel => {
                let pixels = (
                    width * u32::from(self.cell.0),
                    height * u32::from(self.cell.1),
                );
                let shrink = (1000.0 / f64::from(pixels.0)).min(1.0);
                let units =
                    |pixels: u32, unit: f64| ((f64::from(pixels) * shrink / unit) as u32).max(1);
                (units(pixels.0, 6.0), units(pixels.1, 12.0))
            }
        }
    }
}

impl Painter for Viuer {
    fn name(&self) -> &'static str {
        match self.protocol {
            Protocol::Iterm => "iterm",
            #[cfg(feature = "sixel")]
            Protocol::Sixel => "sixel",
        }
    }

    fn scales(&self) -> bool {
        self.protocol == Protocol::Iterm
    }

    fn canvas(&self, area: Rect) -> Canvas {
        pixel_canvas(area, self.cell)
    }

    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer) {
        keep_away(cells_of(target, self.cell), buffer);
    }

    fn finish(&mut self, target: Option<&PreviewTarget>) -> io::Result<()> {
        if target == self.painted.as_ref() {
            return Ok(());
        }
        if let Some(target) = target {
            let cells = cells_of(target, self.cell);
            ::viuer::print(&dynamic(&target.image), &self.config(cells))
                .map_err(io::Error::other)?;
        }
        self.painted = target.cloned();
        Ok(())
    }

    fn remains(&self) -> Option<Rect> {
        self.painted
            .as_ref()
            .map(|target| cells_of(target, self.cell))
    }

    /// These protocols cannot move a picture: what has changed its place is written again.
    fn finish_tiles(&mut self, tiles: &[PreviewTarget]) -> io::Result<()> {
        for tile in tiles.iter().filter(|tile| !self.tiles.contains(tile)) {
            let cells = cells_of(tile, self.cell);
            ::viuer::print(&dynamic(&tile.image), &self.config(cells)).map_err(io::Error::other)?;
        }
        self.tiles = tiles.to_vec();
        Ok(())
    }

    fn tile_remains(&self) -> Vec<Rect> {
        let tiles = self.tiles.iter();
        tiles.map(|tile| cells_of(tile, self.cell)).collect()
    }

    fn forget(&mut self) {
        self.painted = None;
        self.tiles.clear();
    }

    fn set_cell(&mut self, cell: (u16, u16)) {
        self.cell = cell;
    }
}

/// The bytes of a picture by protocol. Encoded here as viuer encodes it, since viuer only writes to standard
/// output.
#[cfg_attr(not(feature = "sixel"), expect(unused_variables))]
pub fn costs(target: &PreviewTarget, cell: (u16, u16)) -> Vec<(&'static str, usize)> {
    let picture = dynamic(&target.image);
    let mut png = std::io::Cursor::new(Vec::new());
    // Writing to memory cannot fail.
    let _ = picture.write_to(&mut png, image::ImageFormat::Png);
    let iterm = png.into_inner().len().div_ceil(3) * 4;
    vec![
        ("iterm", iterm),
        #[cfg(feature = "sixel")]
        ("sixel", sixel_bytes(&picture, cells_of(target, cell), cell)),
    ]
}

#[cfg(feature = "sixel")]
fn sixel_bytes(picture: &DynamicImage, cells: Rect, cell: (u16, u16)) -> usize {
    use icy_sixel::{DiffusionMethod, MethodForLargest, MethodForRep, PixelFormat, Quality};
    let painter = Viuer {
        protocol: Protocol::Sixel,
        cell,
        painted: None,
        tiles: vec![],
    };
    let (units_across, units_down) = painter.size(cells);
    let (width, height) = ((6 * units_across).min(1000), 12 * units_down);
    let picture = picture.resize_exact(width, height, image::imageops::FilterType::Triangle);
    let written = icy_sixel::sixel_string(
        picture.to_rgba8().as_raw(),
        width as i32,
        height as i32,
        PixelFormat::RGBA8888,
        DiffusionMethod::Auto,
        MethodForLargest::Auto,
        MethodForRep::Auto,
        Quality::AUTO,
    );
    written.map_or(0, |written| written.len())
}

fn dynamic(image: &PreviewImage) -> DynamicImage {
    let (width, height, pixels) = (
        image.width as u32,
        image.height as u32,
        image.pixels.clone(),
    );
    let made = if image.colour {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
    } else {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::from)
    };
    made.unwrap_or_default()
}
