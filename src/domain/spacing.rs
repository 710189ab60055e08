//! How large a stored pixel is, and what that is known from: DICOM PS3.3 10.7.1 and C.8.11.3.
//!
//! Distances are whole picometres and ratios whole millionths, so that a spacing that was written and read back
//! is the same one.

/// Picometres in a millimetre.
const PER_MM: f64 = 1e9;
/// Parts of a ratio.
const PARTS: f64 = 1e6;
/// The smallest and the largest spacing that a radiograph can have, in millimetres.
const PLAUSIBLE_MM: std::ops::RangeInclusive<f64> = 0.005..=20.0;
/// The magnifications that an X-ray tube and a detector can have between them: nothing before the detector is larger than
/// its shadow.
const PLAUSIBLE_MAGNIFICATION: std::ops::RangeInclusive<f64> = 1.0..=10.0;
/// *Pixel Spacing* that differs from *Imager Pixel Spacing* by no more than this is the same, written with fewer digits.
const SAME: f64 = 1e-4;

/// A ratio in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(pub u32);

impl Ratio {
    /// One to one.
    pub const ONE: Ratio = Ratio(1_000_000);

    /// The nearest one; a value that is no positive number is one to one.
    pub fn of(value: f64) -> Self {
        let parts = (value * PARTS).round();
        if parts >= 1.0 && parts <= f64::from(u32::MAX) {
            Ratio(parts as u32)
        } else {
            Ratio::ONE
        }
    }

    /// As a number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / PARTS
    }
}

/// Where a spacing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpacingPlane {
    /// *Pixel Spacing* whose *Pixel Spacing Calibration Type* is GEOMETRY: in a depth of the patient that the file does
    /// not state.
    Geometry,
    /// *Pixel Spacing* whose *Pixel Spacing Calibration Type* is FIDUCIAL: where an object of known size lay.
    Fiducial,
    /// *Pixel Spacing* that says neither, and is not that of the detector.
    Unstated,
    /// *Imager Pixel Spacing*: at the front of the detector, where everything is larger than in the patient.
    Detector,
    /// *Imager Pixel Spacing* divided by *Estimated Radiographic Magnification Factor*: in the patient, as far as the
    /// factor holds there.
    Magnified(Ratio),
    /// *Nominal Scanned Pixel Spacing*: on a film that was digitised.
    ScannedFilm,
}

/// The distance of stored pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelSpacing {
    /// Picometres from the middle of a row to that of the next: the height of a pixel.
    pub row_pm: u64,
    /// Picometres from column to column: the width of a pixel.
    pub column_pm: u64,
    /// Where it holds.
    pub plane: SpacingPlane,
}

/// The attributes of a header that say something about the spacing. Pairs are row spacing and column spacing, in
/// millimetres.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatedSpacings {
    /// *Pixel Spacing* (0028,0030).
    pub pixel: Option<(f64, f64)>,
    /// *Pixel Spacing Calibration Type* (0028,0A02).
    pub calibration: Option<String>,
    /// *Imager Pixel Spacing* (0018,1164).
    pub imager: Option<(f64, f64)>,
    /// *Estimated Radiographic Magnification Factor* (0018,1114).
    pub magnification: Option<f64>,
    /// *Nominal Scanned Pixel Spacing* (0018,2010).
    pub scanned: Option<(f64, f64)>,
}

impl StatedSpacings {
    /// The spacing that measurements use; `None` if the header states none that a radiograph can have. *Pixel Spacing*
    /// comes first, since it may be calibrated; where it only repeats that of the detector, it is the detector's
    /// (PS3.3 10.7.1.3).
    pub fn spacing(&self) -> Option<PixelSpacing> {
        let pixel = self.pixel.filter(is_plausible);
        let imager = self.imager.filter(is_plausible);
        if let Some(pair) = pixel {
            let plane = match self.calibration.as_deref() {
                Some("GEOMETRY") => Some(SpacingPlane::Geometry),
                Some("FIDUCIAL") => Some(SpacingPlane::Fiducial),
                _ if imager.is_some_and(|imager| is_same(pair, imager)) => None,
                _ => Some(SpacingPlane::Unstated),
            };
            if let Some(plane) = plane {
                return Some(PixelSpacing::of(pair, plane));
            }
        }
        if let Some((row, column)) = imager {
            let factor = self.magnification;
            let factor = factor.filter(|factor| PLAUSIBLE_MAGNIFICATION.contains(factor));
            return Some(match factor {
                None => PixelSpacing::of((row, column), SpacingPlane::Detector),
                Some(factor) => PixelSpacing::of(
                    (row / factor, column / factor),
                    SpacingPlane::Magnified(Ratio::of(factor)),
                ),
            });
        }
        let scanned = self.scanned.filter(is_plausible)?;
        Some(PixelSpacing::of(scanned, SpacingPlane::ScannedFilm))
    }
}

fn is_plausible((row, column): &(f64, f64)) -> bool {
    PLAUSIBLE_MM.contains(row) && PLAUSIBLE_MM.contains(column)
}

fn is_same(a: (f64, f64), b: (f64, f64)) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= SAME * b;
    near(a.0, b.0) && near(a.1, b.1)
}

impl PixelSpacing {
    /// A spacing of so many millimetres down and across.
    pub fn of((row, column): (f64, f64), plane: SpacingPlane) -> Self {
        PixelSpacing {
            row_pm: (row * PER_MM).round() as u64,
            column_pm: (column * PER_MM).round() as u64,
            plane,
        }
    }

    /// The height of a pixel, in millimetres.
    pub fn row(self) -> f64 {
        self.row_pm as f64 / PER_MM
    }

    /// The width of a pixel, in millimetres.
    pub fn column(self) -> f64 {
        self.column_pm as f64 / PER_MM
    }

    /// Whether it is a spacing that [`StatedSpacings::spacing`] gives.
    pub fn is_sound(self) -> bool {
        let most = PLAUSIBLE_MM.end() / PLAUSIBLE_MAGNIFICATION.start();
        let least = PLAUSIBLE_MM.start() / PLAUSIBLE_MAGNIFICATION.end();
        let is_sound = |mm: f64| (least..=most).contains(&mm);
        is_sound(self.row()) && is_sound(self.column())
    }

    /// Where a length holds, in words behind it: `at the detector`.
    pub fn words(self) -> String {
        match self.plane {
            SpacingPlane::Geometry => "calibrated (geometry)".to_owned(),
            SpacingPlane::Fiducial => "calibrated (fiducial)".to_owned(),
            SpacingPlane::Unstated => "by Pixel Spacing, calibration not stated".to_owned(),
            SpacingPlane::Detector => "at the detector".to_owned(),
            SpacingPlane::Magnified(factor) => {
                format!("in the patient, magnification {:.2}", factor.value())
            }
            SpacingPlane::ScannedFilm => "on the scanned film".to_owned(),
        }
    }

    /// The same where there is less room: `at detector`.
    pub fn short_words(self) -> &'static str {
        match self.plane {
            SpacingPlane::Geometry | SpacingPlane::Fiducial => "calibrated",
            SpacingPlane::Unstated => "calibration?",
            SpacingPlane::Detector => "at detector",
            SpacingPlane::Magnified(_) => "in patient",
            SpacingPlane::ScannedFilm => "on film",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: (f64, f64) = (0.143, 0.139);

    fn stated() -> StatedSpacings {
        StatedSpacings {
            imager: Some(PAIR),
            ..StatedSpacings::default()
        }
    }

    fn plane(stated: &StatedSpacings) -> Option<SpacingPlane> {
        stated.spacing().map(|spacing| spacing.plane)
    }

    #[test]
    fn a_spacing_is_named_for_what_it_is() {
        let detector = stated().spacing().unwrap();
        assert_eq!((detector.row(), detector.column()), PAIR);
        assert_eq!(detector.words(), "at the detector");
        let magnified = StatedSpacings {
            magnification: Some(1.25),
            ..stated()
        };
        let spacing = magnified.spacing().unwrap();
        assert_eq!((spacing.row(), spacing.column()), (0.1144, 0.1112));
        assert_eq!(spacing.words(), "in the patient, magnification 1.25");
        // The detector's spacing again is no calibration.
        let repeated = StatedSpacings {
            pixel: Some((0.143_001, 0.139)),
            ..stated()
        };
        assert_eq!(plane(&repeated), Some(SpacingPlane::Detector));
        let other = StatedSpacings {
            pixel: Some((0.12, 0.12)),
            ..stated()
        };
        assert_eq!(plane(&other), Some(SpacingPlane::Unstated));
        for (word, expected) in [
            ("GEOMETRY", SpacingPlane::Geometry),
            ("FIDUCIAL", SpacingPlane::Fiducial),
            ("?", SpacingPlane::Unstated),
        ] {
            let calibrated = StatedSpacings {
                calibration: Some(word.to_owned()),
                ..other.clone()
            };
            assert_eq!(plane(&calibrated), Some(expected));
            assert_eq!(calibrated.spacing().unwrap().row(), 0.12);
        }
        let film = StatedSpacings {
            scanned: Some((0.2, 0.2)),
            ..StatedSpacings::default()
        };
        assert_eq!(plane(&film), Some(SpacingPlane::ScannedFilm));
        assert_eq!(StatedSpacings::default().spacing(), None);
    }

    #[test]
    fn what_no_radiograph_has_is_no_spacing() {
        for pair in [
            (0.0, 0.1),
            (-0.1, 0.1),
            (0.1, f64::NAN),
            (1e9, 0.1),
            (0.1, f64::INFINITY),
        ] {
            let stated = StatedSpacings {
                pixel: Some(pair),
                ..StatedSpacings::default()
            };
            assert_eq!(stated.spacing(), None, "{pair:?}");
        }
        for factor in [0.0, -1.0, 0.95, 1e9, f64::NAN] {
            let stated = StatedSpacings {
                magnification: Some(factor),
                ..stated()
            };
            assert_eq!(plane(&stated), Some(SpacingPlane::Detector), "{factor}");
        }
        assert_eq!(Ratio::of(f64::NAN), Ratio::ONE);
        assert_eq!(Ratio::of(1e300), Ratio::ONE);
    }
}
