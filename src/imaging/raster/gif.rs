//! GIF (89a), decoded by the `gif` crate: the first frame, placed on the screen that the file declares.

use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, MemoryLimit};

use super::channels::grey_or_rgb8;
use super::{COPIES, RasterPicture, alpha};
use crate::imaging::{DecodeLimits, ImageFault};

type Gif<'a> = Decoder<Cursor<&'a [u8]>>;

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    const COLOURS: u64 = 3;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    if let Some(most) = NonZeroU64::new(limits.max_memory) {
        options.set_memory_limit(MemoryLimit::Bytes(most));
    }
    let mut gif = options.read_info(Cursor::new(bytes)).map_err(fault)?;
    let frame = gif.next_frame_info().map_err(fault)?;
    let frame = frame.ok_or_else(|| ImageFault::damaged("the GIF holds no picture"))?;
    // A frame that exceeds the screen enlarges it, as in other programs.
    let (right, bottom) = (
        u32::from(frame.left) + u32::from(frame.width),
        u32::from(frame.top) + u32::from(frame.height),
    );
    let screen = GifScreen {
        left: frame.left.into(),
        top: frame.top.into(),
        columns: frame.width.into(),
        width: right.max(gif.width().into()),
        height: bottom.max(gif.height().into()),
    };
    limits.check_picture(screen.width, screen.height, COPIES * COLOURS)?;
    let (rgb, transparent) = screen.show(&mut gif)?;
    Ok(RasterPicture {
        transparent,
        frames: 1 + frames_left(&mut gif),
        ..RasterPicture::plain(screen.width, screen.height, grey_or_rgb8(rgb), "GIF")
    })
}

/// The place of the first frame on the logical screen of the file.
struct GifScreen {
    left: usize,
    top: usize,
    /// Columns of the frame.
    columns: usize,
    width: u32,
    height: u32,
}

impl GifScreen {
    /// The colours of the screen, and per cent of the pixels that are not opaque. Pixels with the
    /// transparent index keep the colour that the palette has for it. Pixels outside the frame get that
    /// colour too, or else the background's; they are not opaque either.
    fn show(&self, gif: &mut Gif) -> Result<(Vec<u8>, Option<u8>), ImageFault> {
        let transparent = gif.current_frame_info().and_then(|frame| frame.transparent);
        let mut indices = vec![0; gif.buffer_size()];
        gif.read_into_buffer(&mut indices).map_err(fault)?;
        let colours = |palette: &[u8]| palette.as_chunks::<3>().0.to_vec();
        let palette = colours(gif.palette().map_err(fault)?);
        let global = gif.global_palette().map(colours).unwrap_or_default();
        let background = match transparent {
            Some(index) => palette.get(usize::from(index)),
            None => gif.bg_color().and_then(|at| global.get(at)),
        };
        let (width, height) = (self.width as usize, self.height as usize);
        let mut rgb = vec![background.copied().unwrap_or_default(); width * height];
        let mut opaque = vec![false; width * height];
        for (y, row) in indices.chunks_exact(self.columns.max(1)).enumerate() {
            let at = (self.top + y) * width + self.left;
            for (x, &index) in row.iter().enumerate() {
                rgb[at + x] = palette.get(usize::from(index)).copied().unwrap_or_default();
                opaque[at + x] = transparent != Some(index);
            }
        }
        let share = alpha::share(opaque.into_iter(), true);
        Ok((rgb.into_flattened(), share))
    }
}

/// The number of frames after the first, up to damage.
fn frames_left(gif: &mut Gif) -> u32 {
    let mut frames = 0;
    while let Ok(Some(_)) = gif.next_frame_info() {
        frames += 1;
    }
    frames
}

fn fault(error: DecodingError) -> ImageFault {
    match error {
        DecodingError::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageFault::damaged("the GIF ends early")
        }
        DecodingError::OutOfMemory | DecodingError::MemoryLimit => {
            ImageFault::too_large("GIF: more memory needed than allowed")
        }
        other => ImageFault::damaged(format!("GIF: {other}")),
    }
}
