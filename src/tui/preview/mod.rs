//! The [`Painter`]s, which bring an image to the screen.
//!
//! | backend | where |
//! |---|---|
//! | [`blocks`] | everywhere: four pixels a cell (two in xterm), drawn into ratatui's own buffer |
//! | [`kitty`] | kitty, Ghostty, …: PNG through the kitty graphics protocol, inside tmux too |
//! | [`viuer`] | iTerm2, WezTerm, Konsole; terminals with sixel |

mod blocks;
mod cost;
mod gradual;
mod kitty;
mod pair;
mod viuer;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;

use super::placing::picture_cells;
use super::terminal::{Capabilities, Colours, Inside, Reason, Way};
use crate::domain::{Canvas, PreviewImage};
pub use blocks::{Blocks, colour};
use blocks::{Glyphs, HALVES, LETTERS, QUADRANTS};
pub use cost::costs;
pub use gradual::Gradual;
pub use kitty::delete_all as delete_images;
use pair::Pair;

/// An image and its place on the screen.
#[derive(Clone)]
pub struct PreviewTarget {
    /// The picture.
    pub image: Arc<PreviewImage>,
    /// The cells that it may use.
    pub area: Rect,
    /// Its full size in pixels, across and down. A coarse picture has fewer pixels.
    pub size: (usize, usize),
    /// It stands beside the selected image, which may be missing.
    pub is_second: bool,
    /// The image beside this one.
    pub beside: Option<Box<PreviewTarget>>,
}

impl PreviewTarget {
    /// A picture in its full size.
    pub fn new(image: Arc<PreviewImage>, area: Rect) -> Self {
        let size = (image.width, image.height);
        PreviewTarget {
            image,
            area,
            size,
            is_second: false,
            beside: None,
        }
    }

    /// A picture that stands beside the selected one.
    pub fn second(image: Arc<PreviewImage>, area: Rect) -> Self {
        PreviewTarget {
            is_second: true,
            ..PreviewTarget::new(image, area)
        }
    }
}

impl PartialEq for PreviewTarget {
    /// Compares the pointers: comparing pixels would cost more than painting them.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.image, &other.image) && self.area == other.area
    }
}

/// A way to bring an image to the screen.
pub trait Painter {
    /// Its name in the status line.
    fn name(&self) -> &'static str;

    /// The pixels of an area of cells: how many, and their shape.
    fn canvas(&self, area: Rect) -> Canvas;

    /// Whether a picture with fewer pixels than its cells is scaled up to them.
    fn scales(&self) -> bool {
        false
    }

    /// Draws the image into the cells of a frame, or keeps ratatui away from them.
    fn place(&mut self, target: &PreviewTarget, buffer: &mut Buffer);

    /// Called after ratatui has written the frame, with the image in it; writes pixels if the image is
    /// another one.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    fn finish(&mut self, target: Option<&PreviewTarget>) -> io::Result<()>;

    /// Called before a frame without the image: the cells that still hold pixels. ratatui has to write
    /// them even if it takes them for unchanged.
    fn remains(&self) -> Option<Rect> {
        None
    }

    /// Takes other identifiers than a painter of the same kind, so that both can have an image on the screen.
    fn be_second(&mut self) {}

    /// Forgets what is on the screen, which was cleared or resized.
    fn forget(&mut self) {}

    /// Sets the width and height of a cell in pixels, which change with the font or the terminal.
    fn set_cell(&mut self, _: (u16, u16)) {}

    /// Draws the pictures of a grid into the cells of a frame, or keeps ratatui away from them.
    fn place_tiles(&mut self, tiles: &[PreviewTarget], buffer: &mut Buffer) {
        for tile in tiles {
            self.place(tile, buffer);
        }
    }

    /// Called after ratatui has written a frame, with the pictures of the grid in it, or none; writes the pixels of those
    /// that the terminal does not have there.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    fn finish_tiles(&mut self, _: &[PreviewTarget]) -> io::Result<()> {
        Ok(())
    }

    /// Called before each frame: the cells that still hold pixels of a grid, as with [`Painter::remains`].
    fn tile_remains(&self) -> Vec<Rect> {
        vec![]
    }

    /// The time of the next frame that it needs even if nothing happens.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// The number of bytes that were sent through tmux since the last call. tmux may have dropped them.
    fn take_sent(&mut self) -> usize {
        0
    }
}

/// The user's choice of a painter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GraphicsMode {
    /// The best one for the terminal.
    #[default]
    Auto,
    /// The kitty graphics protocol.
    Kitty,
    /// iTerm2 images.
    Iterm,
    /// Sixel images.
    Sixel,
    /// Block characters: those that the terminal's fonts have.
    Blocks,
    /// Quadrant blocks, whatever the terminal is.
    Quadrants,
    /// Half blocks, whatever the terminal is.
    HalfBlocks,
    /// No images.
    Off,
}

/// The painter for this terminal, and the reason for it. `None` with [`GraphicsMode::Off`].
pub fn choose(
    wanted: GraphicsMode,
    can: &Capabilities,
    colours: Colours,
) -> (Option<Box<dyn Painter>>, Reason) {
    let cell = can.cell.unwrap_or(DEFAULT_CELL);
    let glyphs = glyphs(wanted, can);
    let blocks = || Some(Box::new(Blocks::new(colours, cell).with(glyphs)) as Box<dyn Painter>);
    let kitty = || Some(Box::new(kitty::Kitty::new(cell)) as Box<dyn Painter>);
    let placeholders = || Some(Box::new(kitty::Placeholders::new(cell)) as Box<dyn Painter>);
    let inside = can.inside != Inside::Nothing;
    let because = |why: &str| Reason::new(why, None);
    match wanted {
        GraphicsMode::Off => (None, because("--graphics off")),
        GraphicsMode::Blocks => (blocks(), because("--graphics blocks")),
        GraphicsMode::Quadrants => (blocks(), because("--graphics quadrants")),
        GraphicsMode::HalfBlocks => (blocks(), because("--graphics half-blocks")),
        GraphicsMode::Kitty if inside => (placeholders(), because("--graphics kitty")),
        GraphicsMode::Kitty => (kitty(), because("--graphics kitty")),
        GraphicsMode::Iterm if viuer::knows_iterm() => {
            (viuer::iterm(cell), because("--graphics iterm"))
        }
        GraphicsMode::Iterm => (blocks(), no_iterm(can)),
        GraphicsMode::Sixel => match viuer::sixel(cell, can) {
            Some(painter) => (Some(painter), because("--graphics sixel")),
            None => (blocks(), because("the terminal does not report sixel")),
        },
        GraphicsMode::Auto => match &can.inside {
            Inside::Nothing => best(can, blocks, kitty),
            Inside::Unknown(why) => (blocks(), Reason::new(why, None)),
            Inside::Tmux(tmux) => match tmux.way(can.sixel) {
                Ok(Way::Placeholders) => (
                    placeholders(),
                    because("tmux lets them through to the terminal"),
                ),
                Ok(Way::Sixel) => match viuer::sixel(cell, can) {
                    Some(painter) => (Some(painter), because("tmux keeps sixel images itself")),
                    None => (blocks(), because("this build has no sixel")),
                },
                Err(reason) => (blocks(), reason),
            },
        },
    }
}

/// The glyphs for pictures of characters. No question tells which ones a font has, and those of xterm often have no
/// quadrants.
fn glyphs(wanted: GraphicsMode, can: &Capabilities) -> Glyphs {
    match wanted {
        GraphicsMode::Quadrants => Glyphs::Quadrants,
        GraphicsMode::HalfBlocks => Glyphs::Halves,
        _ if can.is_xterm() => Glyphs::Halves,
        _ => Glyphs::Quadrants,
    }
}

/// Whether this painter draws with characters.
pub fn is_of_characters(painting: &str) -> bool {
    [LETTERS, QUADRANTS, HALVES].contains(&painting)
}

/// Why the picture is coarser than the terminal could show it, in a line; `None` if it is not, or was asked for.
pub fn coarseness(
    wanted: GraphicsMode,
    painting: &str,
    can: &Capabilities,
    reason: &Reason,
) -> Option<String> {
    if wanted != GraphicsMode::Auto || !is_of_characters(painting) {
        return None;
    }
    let may_be_finer = reason.fix.is_some() || !can.answered || can.inside != Inside::Nothing;
    if may_be_finer {
        Some(format!("coarse picture: {} · see cxr doctor", reason.why))
    } else if painting == LETTERS {
        Some("coarse picture: letters, since there are no colours · see cxr doctor".to_owned())
    } else {
        None
    }
}

/// A terminal whose answer takes longer than this is on a connection where pictures may take long.
const NEAR_TIME: Duration = Duration::from_millis(30);
/// These bytes take a third of a second at 1 Mbit/s.
const FAR_BUDGET: usize = 40 << 10;

/// The size in bytes above which a coarse picture is sent first: the user's choice in KiB (0 for no limit),
/// or else by the time that the terminal's answer took. `None` for no limit.
pub fn budget(asked: Option<u32>, can: &Capabilities) -> Option<usize> {
    match asked {
        Some(0) => None,
        Some(kibibytes) => Some((kibibytes as usize) << 10),
        // The answer came from tmux: it says nothing about the distance to the terminal.
        None if can.inside != Inside::Nothing => None,
        None => can
            .round_trip
            .filter(|time| *time > NEAR_TIME)
            .map(|_| FAR_BUDGET),
    }
}

/// The painter for this terminal, for an image and another one beside it, and the reason for it. `budget`: see
/// [`budget`].
pub fn paired(
    wanted: GraphicsMode,
    can: &Capabilities,
    colours: Colours,
    budget: Option<usize>,
) -> (Option<Box<dyn Painter>>, Reason) {
    let (first, reason) = choose(wanted, can, colours);
    let (second, _) = choose(wanted, can, colours);
    let pair = within(budget, first).zip(within(budget, second));
    let painter =
        pair.map(|(first, second)| Box::new(Pair::new(first, second)) as Box<dyn Painter>);
    (painter, reason)
}

/// Makes the painter gradual if there is a budget and the painter scales pictures.
fn within(budget: Option<usize>, painter: Option<Box<dyn Painter>>) -> Option<Box<dyn Painter>> {
    let painter = painter?;
    match budget.filter(|_| painter.scales()) {
        Some(budget) => Some(Box::new(Gradual::new(painter, budget))),
        None => Some(painter),
    }
}

/// The best painter if nothing lies between this program and the terminal.
fn best(
    can: &Capabilities,
    blocks: impl Fn() -> Option<Box<dyn Painter>>,
    kitty: impl Fn() -> Option<Box<dyn Painter>>,
) -> (Option<Box<dyn Painter>>, Reason) {
    let because = |why: &str| Reason::new(why, None);
    if !can.answered {
        let longer = "on a slow line: --probe-timeout 1000, or CXR_PROBE_MS=1000";
        let why = "the terminal did not answer in time";
        return (blocks(), Reason::new(why, Some(longer)));
    }
    if can.kitty {
        return (kitty(), because("the terminal answered the kitty query"));
    }
    let cell = can.cell.unwrap_or(DEFAULT_CELL);
    if viuer::knows_iterm() {
        let why = "the environment names a terminal with iTerm2 images";
        return (viuer::iterm(cell), because(why));
    }
    match viuer::sixel(cell, can) {
        Some(painter) => (Some(painter), because("the terminal reports sixel")),
        None => (blocks(), no_iterm(can)),
    }
}

/// Why no pixel protocol is used. A terminal with iTerm2 images may be missing its name in the environment.
fn no_iterm(can: &Capabilities) -> Reason {
    let name = can.name.as_deref().unwrap_or_default();
    let unnamed = ["iTerm2", "WezTerm", "mintty"]
        .into_iter()
        .find(|known| name.starts_with(known));
    let fix = match unnamed {
        Some(known) => Some(format!(
            "~/.ssh/config, where {known} runs: SetEnv LC_TERMINAL={known}"
        )),
        None if name.starts_with("XTerm") => Some("xterm -ti vt340, for sixel".to_owned()),
        None => None,
    };
    let why = "the terminal has no known pixel protocol".to_owned();
    Reason { why, fix }
}

/// Width and height of a cell in pixels for a terminal that does not report them. Nearly all cells are one
/// to two.
pub const DEFAULT_CELL: (u16, u16) = (10, 20);

/// The pixels of an area of cells.
fn pixel_canvas(area: Rect, cell: (u16, u16)) -> Canvas {
    Canvas {
        width: usize::from(area.width) * usize::from(cell.0),
        height: usize::from(area.height) * usize::from(cell.1),
        pixel_aspect: 1.0,
    }
}

/// The cells that an image of pixels covers, in the middle of `area`.
fn cells_of(target: &PreviewTarget, cell: (u16, u16)) -> Rect {
    picture_cells(target.area, target.size, cell)
}

/// Keeps ratatui from writing over pixels.
fn keep_away(area: Rect, buffer: &mut Buffer) {
    for position in area.intersection(buffer.area).positions() {
        buffer[position].set_diff_option(CellDiffOption::Skip);
    }
}

/// Makes ratatui write cells even if it takes them for unchanged.
pub fn write_over(area: Rect, buffer: &mut Buffer) {
    for position in area.intersection(buffer.area).positions() {
        buffer[position].set_diff_option(CellDiffOption::AlwaysUpdate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::{Client, Tmux};

    fn target(width: usize, height: usize) -> PreviewTarget {
        let pixels = vec![0; width * height];
        let image = Arc::new(PreviewImage {
            width,
            height,
            pixels,
            colour: false,
        });
        PreviewTarget::new(image, Rect::new(10, 5, 40, 20))
    }

    #[test]
    fn an_image_is_in_the_middle_and_never_outside_its_area() {
        assert_eq!(
            cells_of(&target(200, 400), (10, 20)),
            Rect::new(20, 5, 20, 20)
        );
        assert_eq!(
            cells_of(&target(9_000, 9_000), (10, 20)),
            Rect::new(10, 5, 40, 20)
        );
        assert_eq!(cells_of(&target(1, 1), (10, 20)), Rect::new(29, 14, 1, 1));
    }

    fn name(can: &Capabilities) -> &'static str {
        let (painter, _) = choose(GraphicsMode::Auto, can, Colours::True);
        painter.map_or("off", |painter| painter.name())
    }

    #[test]
    fn without_an_answer_or_a_pixel_protocol_blocks_are_drawn() {
        let kitty = Capabilities {
            answered: true,
            kitty: true,
            ..Capabilities::default()
        };
        assert_eq!(name(&kitty), "kitty");
        let inside = |inside| Capabilities {
            inside,
            ..kitty.clone()
        };
        assert_eq!(
            name(&inside(Inside::Unknown("GNU screen".into()))),
            "quadrants"
        );
        assert_eq!(
            name(&inside(Inside::Tmux(Tmux::default().into()))),
            "quadrants"
        );
        let unanswered = Capabilities {
            answered: false,
            ..kitty.clone()
        };
        assert_eq!(name(&unanswered), "quadrants");
        let (painter, _) = choose(GraphicsMode::Off, &kitty, Colours::True);
        assert!(painter.is_none());
    }

    #[test]
    fn xterm_gets_half_blocks_unless_quadrants_are_asked_for() {
        let of = |wanted, can: &Capabilities| {
            let (painter, _) = choose(wanted, can, Colours::True);
            painter.map_or("off", |painter| painter.name())
        };
        let named = |name: Option<&str>, variable| Capabilities {
            answered: true,
            name: name.map(str::to_owned),
            xterm_variable: variable,
            ..Capabilities::default()
        };
        let client = Client {
            kind: "XTerm(379)".into(),
            ..Client::default()
        };
        let tmux = Tmux {
            clients: vec![client],
            ..Tmux::default()
        };
        let in_tmux = Capabilities {
            inside: Inside::Tmux(tmux.into()),
            ..Capabilities::default()
        };
        let xterm = named(Some("XTerm(379)"), true);
        for can in [&xterm, &named(None, true), &in_tmux] {
            assert_eq!(of(GraphicsMode::Blocks, can), "half-blocks");
            assert_eq!(of(GraphicsMode::Quadrants, can), "quadrants");
        }
        // Another terminal that was started from an xterm has its variable.
        for can in [&named(Some("foot(1.16)"), true), &named(None, false)] {
            assert_eq!(of(GraphicsMode::Blocks, can), "quadrants");
            assert_eq!(of(GraphicsMode::HalfBlocks, can), "half-blocks");
        }
    }

    #[test]
    fn a_picture_that_could_be_finer_says_why_it_is_not() {
        let coarse = |wanted, can: &Capabilities, colours| {
            let (painter, reason) = choose(wanted, can, colours);
            let painting = painter.map_or("off", |painter| painter.name());
            coarseness(wanted, painting, can, &reason)
        };
        let silent = Capabilities::default();
        let words = coarse(GraphicsMode::Auto, &silent, Colours::True).unwrap();
        assert!(
            words.contains("did not answer") && words.contains("cxr doctor"),
            "{words}"
        );
        assert_eq!(coarse(GraphicsMode::Blocks, &silent, Colours::True), None);
        let plain = Capabilities {
            answered: true,
            ..Capabilities::default()
        };
        assert_eq!(coarse(GraphicsMode::Auto, &plain, Colours::True), None);
        let letters = coarse(GraphicsMode::Auto, &plain, Colours::None).unwrap();
        assert!(letters.contains("letters"), "{letters}");
        // Pixels of a protocol need no colours of the text.
        let kitty = Capabilities {
            kitty: true,
            ..plain.clone()
        };
        assert_eq!(coarse(GraphicsMode::Auto, &kitty, Colours::None), None);
        let tmux = Capabilities {
            inside: Inside::Tmux(Tmux::default().into()),
            ..plain
        };
        assert!(coarse(GraphicsMode::Auto, &tmux, Colours::True).is_some());
    }

    #[test]
    fn a_far_terminal_gets_a_budget_and_a_near_one_does_not() {
        let after = |milliseconds| Capabilities {
            round_trip: Some(Duration::from_millis(milliseconds)),
            ..Capabilities::default()
        };
        assert_eq!(budget(None, &after(2)), None);
        assert_eq!(budget(None, &after(80)), Some(FAR_BUDGET));
        assert_eq!(budget(Some(0), &after(80)), None);
        assert_eq!(budget(Some(100), &after(2)), Some(102_400));
        let inside = Capabilities {
            inside: Inside::Unknown("screen".into()),
            ..after(80)
        };
        assert_eq!(budget(None, &inside), None);
    }

    #[test]
    fn inside_tmux_kitty_gets_placeholders_and_never_bare_escapes() {
        let client = Client {
            kind: "kitty(0.41.1)".into(),
            ..Client::default()
        };
        let tmux = Tmux {
            version: "3.3a".into(),
            passthrough: true,
            own_pane: true,
            clients: vec![client],
            ..Tmux::default()
        };
        let can = Capabilities {
            inside: Inside::Tmux(tmux.into()),
            ..Capabilities::default()
        };
        assert_eq!(name(&can), "kitty in tmux");
        let (forced, _) = choose(GraphicsMode::Kitty, &can, Colours::True);
        assert_eq!(forced.unwrap().name(), "kitty in tmux");
    }

    #[test]
    fn the_fix_for_a_terminal_without_its_name_is_a_line_for_ssh() {
        let wezterm = Capabilities {
            answered: true,
            name: Some("WezTerm 20240203-110809".into()),
            ..Capabilities::default()
        };
        let (_, reason) = choose(GraphicsMode::Auto, &wezterm, Colours::True);
        assert!(reason.fix.unwrap().contains("LC_TERMINAL=WezTerm"));
    }
}
