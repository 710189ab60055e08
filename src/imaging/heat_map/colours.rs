//! The colours of a heat map.
//!
//! Contributions have a sign, so the colours have two ends: vermilion for the label, blue against it. In
//! Oklab (Ottosson 2020, <https://bottosson.github.io/posts/oklab/>) both ends have the same lightness
//! and chroma, and a straight line leads to each from the grey of the pixel. The position on that line
//! is the size of the contribution. So equal steps of contribution look equal, neither sign looks
//! stronger, and a pixel without a contribution keeps the grey of the film. Vermilion and blue can be
//! told apart with any colour vision (Okabe & Ito 2008).

use std::sync::LazyLock;

/// Oklab lightness of both ends.
const LIGHTNESS: f32 = 0.68;
/// Oklab a and b of both ends: chroma 0.17 at hues of 50° and 250°.
const FOR: (f32, f32) = (0.1093, 0.1302);
const AGAINST: (f32, f32) = (-0.0581, -0.1597);

/// The grey tinted towards one of the ends. `strength` goes from −1 (against) to 1 (for).
pub(super) fn tinted(grey: u8, strength: f32) -> [u8; 3] {
    let way = strength.abs().min(1.0);
    if way == 0.0 {
        return [grey; 3];
    }
    let (a, b) = if strength > 0.0 { FOR } else { AGAINST };
    let lightness = GREYS[usize::from(grey)];
    srgb(lightness + (LIGHTNESS - lightness) * way, a * way, b * way)
}

/// Oklab lightness of the 256 greys.
static GREYS: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|grey| {
        let v = grey as f32 / 255.0;
        let linear = if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        };
        linear.cbrt()
    })
});

/// sRGB bytes of linear light in 4096 steps, fine enough that no byte is skipped in the dark.
static BYTES: LazyLock<[u8; 4096]> = LazyLock::new(|| {
    std::array::from_fn(|step| {
        let linear = step as f32 / 4095.0;
        let v = if linear <= 0.003_130_8 {
            linear * 12.92
        } else {
            1.055 * linear.powf(1.0 / 2.4) - 0.055
        };
        (v * 255.0).round() as u8
    })
});

/// From Oklab to sRGB, by Ottosson's matrices.
fn srgb(lightness: f32, a: f32, b: f32) -> [u8; 3] {
    let l = (lightness + 0.396_337_8 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_35 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
    .map(|linear| BYTES[(linear.clamp(0.0, 1.0) * 4095.0).round() as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From sRGB to Oklab, which only this test needs.
    fn oklab(rgb: [u8; 3]) -> [f32; 3] {
        let [r, g, b] = rgb.map(|v| {
            let v = f32::from(v) / 255.0;
            if v <= 0.040_45 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        });
        let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        [
            0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
            1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
            0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
        ]
    }

    fn distance(a: [u8; 3], b: [u8; 3]) -> f32 {
        let (a, b) = (oklab(a), oklab(b));
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
            .sqrt()
    }

    /// On any grey, equal steps look equal and both ends are equally far away.
    #[test]
    fn the_colours_are_perceptually_even() {
        for grey in [0, 60, 119, 200, 255] {
            for sign in [-1.0, 1.0] {
                let steps: Vec<f32> = (0..8)
                    .map(|i| {
                        let at = |i: i32| tinted(grey, sign * i as f32 / 8.0);
                        distance(at(i), at(i + 1))
                    })
                    .collect();
                let mean = steps.iter().sum::<f32>() / 8.0;
                for step in &steps {
                    // Bytes are coarse in the dark.
                    assert!((step - mean).abs() < 0.2 * mean, "{grey} {sign}: {steps:?}");
                }
            }
            let (warm, cold) = (tinted(grey, 1.0), tinted(grey, -1.0));
            let bare = [grey; 3];
            let ratio = distance(bare, warm) / distance(bare, cold);
            assert!((0.95..1.05).contains(&ratio), "{grey}: {ratio}");
        }
    }
}
