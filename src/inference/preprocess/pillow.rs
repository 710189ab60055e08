//! Pillow's `Image.resize(size, BILINEAR)` of 8-bit images (`Resample.c`): a triangle as wide as the
//! reduction, across and then down, in whole numbers, rounded to 8 bits after either.

/// `PRECISION_BITS`.
const PRECISION: u32 = 32 - 8 - 2;

/// One channel.
pub struct Plane {
    pub width: usize,
    pub height: usize,
    /// Row by row.
    pub pixels: Vec<u8>,
}

impl Plane {
    /// The same picture with `width × height` pixels.
    pub fn resized(&self, width: usize, height: usize) -> Plane {
        let across = taps(self.width, width);
        let rows = self.pixels.chunks_exact(self.width);
        let narrow: Vec<u8> = rows
            .flat_map(|row| across.iter().map(|taps| taps.sum(|x| row[x])))
            .collect();
        let pixels = taps(self.height, height)
            .iter()
            .flat_map(|taps| (0..width).map(|x| taps.sum(|y| narrow[y * width + x])))
            .collect();
        Plane {
            width,
            height,
            pixels,
        }
    }
}

/// The input pixels of one output pixel, and their weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

impl Taps {
    fn sum(&self, value: impl Fn(usize) -> u8) -> u8 {
        let half = 1 << (PRECISION - 1);
        let products = (self.first..)
            .zip(&self.weights)
            .map(|(i, weight)| i32::from(value(i)) * weight);
        ((half + products.sum::<i32>()) >> PRECISION).clamp(0, 255) as u8
    }
}

/// `precompute_coeffs` and `normalize_coeffs_8bpc` for one axis.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let one = |pixel: usize| {
        let centre = (pixel as f64 + 0.5) * scale;
        // Casts round down, and negative numbers become 0.
        let first = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end)
            .map(|i| (1.0 - ((i as f64 - centre + 0.5) / support).abs()).max(0.0))
            .collect();
        let sum: f64 = weights.iter().sum();
        let whole = |w: f64| (0.5 + w / sum * f64::from(1 << PRECISION)) as i32;
        Taps {
            first,
            weights: weights.into_iter().map(whole).collect(),
        }
    };
    (0..to).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// a = np.fromfunction(lambda y, x: (x * x * 7 + y * 31 + x * y) % 256, (5, 7)).astype(np.uint8)
    /// np.asarray(Image.fromarray(a).resize((3, 4), Image.BILINEAR))
    /// np.asarray(Image.fromarray(a).resize((9, 2), Image.BILINEAR))
    /// ```
    #[test]
    fn it_is_pillows_to_the_last_bit() {
        let pixels = (0..35).map(|i| {
            let (y, x) = (i / 7, i % 7);
            ((x * x * 7 + y * 31 + x * y) % 256) as u8
        });
        let plane = Plane {
            width: 7,
            height: 5,
            pixels: pixels.collect(),
        };
        assert_eq!(plane.resized(3, 4).pixels, PILLOW_3_4);
        assert_eq!(plane.resized(9, 2).pixels, PILLOW_9_2);
        assert_eq!(plane.resized(7, 5).pixels, plane.pixels);
    }

    const PILLOW_3_4: [u8; 12] = [17, 79, 175, 54, 118, 149, 92, 149, 127, 128, 183, 123];
    const PILLOW_9_2: [u8; 18] = [
        31, 36, 49, 69, 97, 136, 176, 171, 114, 93, 100, 114, 135, 165, 205, 150, 100, 107,
    ];
}
