//! Separates transparency from the colours. It is never applied: the film is its colours.
//!
//! Composited on a background, a transparent film would show the background. On black, a film whose
//! white is marked as transparent would lose its bones, and a film whose alpha is 0 everywhere would be
//! blank (old programs that copy from the screen leave that byte at 0). The colours are stored all the
//! same, and Pillow's `convert("L")`, with which models are usually trained, reads them so. Colours are
//! not divided by alpha either where the file states that they were multiplied by it (TIFF 6.0 section
//! 18): they are the colours on black.
//!
//! This can be wrong for a film that was cut out by its alpha, because the colours beneath are
//! arbitrary. So a film in which some pixels are less opaque than others gets a caution:
//! [`Objection::PartlyTransparent`](crate::domain::Objection::PartlyTransparent).

/// Splits pixels of `channels` colour values and one alpha value. Returns the colours and the [`share`]
/// of pixels that are not opaque.
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

/// Per cent of the alpha values that are not `opaque`, at least 1; `None` if all values are the same.
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
    fn colours_are_kept_and_only_varying_alpha_is_reported() {
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
