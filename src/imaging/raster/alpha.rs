//! Transparency is never applied: a film is what its colours are.
//!
//! Composited on any ground, a transparent film would show that ground: on black, a film whose white
//! is marked as transparent loses its bones, and one whose alpha is 0 everywhere (pictures copied from
//! a screen by old programs, which leave that byte alone) is blank. The colours are there all the
//! same, and the reader whose scores are published read them so (`convert("L")` of Pillow). Nor are
//! colours divided by alpha where the file says that they were multiplied by it (TIFF 6.0 section 18):
//! they are what one sees on black.
//!
//! What may be wrong then is a film that was cut out by its alpha: the colours beneath are whatever the
//! program left there. So it is said where some pixels are less opaque than others; see
//! [`Objection::PartlyTransparent`](crate::domain::Objection::PartlyTransparent).

/// Splits pixels of `channels` values and one of alpha: the colours, and per cent of the pixels that
/// are not opaque (at least 1), if others are.
pub(super) fn split<T: Copy + PartialEq>(
    values: &[T],
    channels: usize,
    opaque: T,
) -> (Vec<T>, Option<u8>) {
    let pixels = values.chunks_exact(channels + 1);
    let share = share(pixels.clone().map(|pixel| pixel[channels]), opaque);
    let colours = pixels.flat_map(|pixel| pixel[..channels].iter().copied());
    (colours.collect(), share)
}

/// Per cent of the values that are not `opaque`, at least 1; `None` if all values are the same.
pub(super) fn share<T: Copy + PartialEq>(
    mut alpha: impl Iterator<Item = T>,
    opaque: T,
) -> Option<u8> {
    let first = alpha.next()?;
    let (mut all, mut clear, mut differ) = (1_u64, u64::from(first != opaque), false);
    for value in alpha {
        all += 1;
        clear += u64::from(value != opaque);
        differ |= value != first;
    }
    differ.then(|| (clear * 100 / all).max(1) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_kept_and_only_alpha_that_differs_is_told() {
        let pixels = [9, 255, 7, 0, 5, 255, 3, 255];
        assert_eq!(split(&pixels, 1, 255), (vec![9, 7, 5, 3], Some(25)));
        for alike in [0, 128, 255] {
            let pixels = [9, alike, 7, alike];
            assert_eq!(split(&pixels, 1, 255_u8), (vec![9, 7], None), "{alike}");
        }
        assert_eq!(share([0, 1].into_iter(), 255), Some(100));
        assert_eq!(share([255; 999].into_iter().chain([0]), 255), Some(1));
    }
}
