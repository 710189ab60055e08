//! The way from stored values to greys, in a form that a presentation state may have.
//!
//! Its tables have entries of 8 or 16 bits (PS3.3 C.11.1.1.1 and C.11.2.1.1), and validators want the largest entry to
//! need them all. Films have tables of 10 and 12 bits. The unit of a modality transform is unspecified, so its table may be
//! stretched if what follows is stretched too; the entries of a VOI LUT are parts of the range of greys. So every stored
//! value has the same grey as before.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::domain::{Lut, PixelTransform, Rescale, SourceHeader, VoiFunction, WindowLevel};

/// The bits of the entries of tables.
const BITS: u8 = 16;

/// From values after the modality transform to greys.
#[derive(Debug, Clone, PartialEq)]
pub enum PresentedVoi {
    /// A window.
    Window(WindowLevel),
    /// A table.
    Table(Lut),
}

impl PresentedVoi {
    /// Centre and width; for a table, those of its inputs, as the screen has them.
    pub fn centre_width(&self) -> (f64, f64) {
        match self {
            PresentedVoi::Window(window) => (window.centre, window.width),
            PresentedVoi::Table(lut) => lut.centre_width(),
        }
    }
}

/// From stored values to those of the window, as a header states it. It is the way of films whose samples cxr holds in
/// floating point: these may be scaled, and then the transform of the radiograph begins with them. A table has inputs of 16
/// bits, which such films do not have. `None` for numbers that are not written as DICOM has them: what was made of them is
/// not known here.
pub fn stated_transform(header: &SourceHeader) -> Option<PixelTransform> {
    let stated = |tag: Tag, without: f64| match header.text(tag.0, tag.1) {
        None => Some(without),
        Some(text) => {
            let number = text.trim().parse::<f64>().ok();
            number.filter(|number| number.is_finite())
        }
    };
    let slope = stated(tags::RESCALE_SLOPE, 1.0)?;
    Some(PixelTransform::Linear(Rescale {
        // As the screen takes a slope of 0, under which all values would be one.
        slope: if slope == 0.0 { 1.0 } else { slope },
        intercept: stated(tags::RESCALE_INTERCEPT, 0.0)?,
    }))
}

/// The same greys, with a modality transform that a presentation state may have.
pub fn allowed(transform: &PixelTransform, voi: &PresentedVoi) -> (PixelTransform, PresentedVoi) {
    match (transform, voi) {
        (PixelTransform::Linear(_), PresentedVoi::Window(_)) => (transform.clone(), voi.clone()),
        (PixelTransform::Linear(_), PresentedVoi::Table(lut)) => {
            (transform.clone(), PresentedVoi::Table(of_16_bits(lut)))
        }
        (PixelTransform::Table(lut), PresentedVoi::Window(window)) => {
            let largest = lut.entries.iter().max().copied().unwrap_or(0);
            // A table of zeros stays one.
            let shift = largest.leading_zeros() % u32::from(BITS);
            let stretched = Lut {
                entries: lut.entries.iter().map(|entry| entry << shift).collect(),
                bits: BITS,
                ..lut.clone()
            };
            let window = stretched_window(window, f64::from(1_u32 << shift));
            (
                PixelTransform::Table(stretched),
                PresentedVoi::Window(window),
            )
        }
        // Two tables in turn are one.
        (PixelTransform::Table(first), PresentedVoi::Table(second)) => {
            let both = Lut {
                first_input: first.first_input,
                entries: first
                    .entries
                    .iter()
                    .map(|entry| looked_up(second, *entry))
                    .collect(),
                ..second.clone()
            };
            (
                PixelTransform::Linear(Rescale::default()),
                PresentedVoi::Table(of_16_bits(&both)),
            )
        }
    }
}

/// The window under which values that are `factor` times as large have the same greys (PS3.3 C.11.2.1.2 and C.11.2.1.3).
fn stretched_window(window: &WindowLevel, factor: f64) -> WindowLevel {
    let (centre, width) = match window.function {
        // Its ends are at half a value below the centre, and its width counts values.
        VoiFunction::Linear if window.width >= 1.0 => (
            (window.centre - 0.5) * factor + 0.5,
            (window.width - 1.0) * factor + 1.0,
        ),
        VoiFunction::Linear | VoiFunction::LinearExact | VoiFunction::Sigmoid => {
            (window.centre * factor, window.width * factor)
        }
    };
    // A window that is narrower than one value is exact.
    let is_exact = window.function == VoiFunction::Linear && window.width < 1.0;
    WindowLevel {
        centre,
        width,
        function: if is_exact {
            VoiFunction::LinearExact
        } else {
            window.function
        },
        explanation: window.explanation.clone(),
    }
}

/// A VOI LUT whose entries are as large a part of 16 bits as they were of theirs.
fn of_16_bits(lut: &Lut) -> Lut {
    let all = |bits: u8| (1_u32 << bits.clamp(1, BITS)) - 1;
    let (from, to) = (all(lut.bits), all(BITS));
    let stretched = |entry: &u16| {
        let entry = u32::from(*entry).min(from);
        u16::try_from((entry * to + from / 2) / from).unwrap_or(u16::MAX)
    };
    Lut {
        entries: lut.entries.iter().map(stretched).collect(),
        bits: BITS,
        ..lut.clone()
    }
}

/// The entry for a value: the first for all below the table, and the last for all above it.
fn looked_up(lut: &Lut, value: u16) -> u16 {
    let offset = i64::from(value) - i64::from(lut.first_input);
    let last = lut.entries.len().saturating_sub(1);
    let at = usize::try_from(offset).unwrap_or(0).min(last);
    lut.entries.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContentId, HeaderText};

    fn lut(first_input: i32, entries: Vec<u16>, bits: u8) -> Lut {
        Lut {
            first_input,
            entries,
            bits,
            explanation: None,
        }
    }

    /// From 0 to 1, by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3.
    fn grey(value: f64, window: &WindowLevel) -> f64 {
        let WindowLevel { centre, width, .. } = window;
        match window.function {
            VoiFunction::Linear => ((value - (centre - 0.5)) / (width - 1.0) + 0.5).clamp(0.0, 1.0),
            VoiFunction::LinearExact => ((value - centre) / width + 0.5).clamp(0.0, 1.0),
            VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
        }
    }

    #[test]
    fn a_stretched_table_has_the_same_greys_under_its_window() {
        let table = lut(-5, (0..1024).collect(), 10);
        for function in [
            VoiFunction::Linear,
            VoiFunction::LinearExact,
            VoiFunction::Sigmoid,
        ] {
            let window = WindowLevel {
                centre: 400.0,
                width: 300.0,
                function,
                explanation: None,
            };
            let before = PixelTransform::Table(table.clone());
            let (after, voi) = allowed(&before, &PresentedVoi::Window(window.clone()));
            let (PixelTransform::Table(after), PresentedVoi::Window(stretched)) = (after, voi)
            else {
                panic!("a table under a window");
            };
            assert_eq!((after.first_input, after.bits), (-5, 16));
            assert_eq!(after.entries.iter().max(), Some(&0xffc0));
            for (before, after) in table.entries.iter().zip(&after.entries) {
                let both = [
                    grey(f64::from(*before), &window),
                    grey(f64::from(*after), &stretched),
                ];
                assert!((both[0] - both[1]).abs() < 1e-9, "{function:?} {both:?}");
            }
        }
        let zeros = PixelTransform::Table(lut(0, vec![0; 4], 8));
        let window = WindowLevel {
            centre: 1.0,
            width: 2.0,
            function: VoiFunction::LinearExact,
            explanation: None,
        };
        let (after, voi) = allowed(&zeros, &PresentedVoi::Window(window.clone()));
        assert_eq!(after, PixelTransform::Table(lut(0, vec![0; 4], 16)));
        assert_eq!(voi, PresentedVoi::Window(window));
    }

    #[test]
    fn two_tables_become_one() {
        let first = PixelTransform::Table(lut(10, vec![0, 3, 9, 500], 10));
        let second = PresentedVoi::Table(lut(2, vec![7, 8, 9, 200], 8));
        let (transform, voi) = allowed(&first, &second);
        assert_eq!(transform, PixelTransform::Linear(Rescale::default()));
        // Of 8 bits, 255 is white, and of 16 bits 65,535: 257 times as much.
        let both = [7, 8, 200, 200].map(|entry| entry * 257).to_vec();
        assert_eq!(voi, PresentedVoi::Table(lut(10, both, 16)));
        let empty = PresentedVoi::Table(lut(0, Vec::new(), 8));
        let (_, voi) = allowed(&first, &empty);
        assert_eq!(voi, PresentedVoi::Table(lut(10, vec![0; 4], 16)));
    }

    #[test]
    fn the_entries_of_a_voi_table_are_the_same_part_of_the_greys() {
        let line = PixelTransform::Linear(Rescale::default());
        for bits in 8..=16 {
            let top = ((1_u32 << bits) - 1) as u16;
            let table = lut(-3, vec![0, top / 2, top], bits);
            let (transform, voi) = allowed(&line, &PresentedVoi::Table(table.clone()));
            assert_eq!(transform, line);
            let PresentedVoi::Table(after) = voi else {
                panic!("a table");
            };
            assert_eq!((after.first_input, after.bits), (-3, 16));
            assert_eq!((after.entries[0], after.entries[2]), (0, u16::MAX));
            let part = |entry: u16, top: u16| f64::from(entry) / f64::from(top);
            let middle = part(after.entries[1], u16::MAX) - part(table.entries[1], top);
            assert!(middle.abs() < 1e-5, "{bits} bits");
        }
        // An entry beyond its bits is white.
        let odd = PresentedVoi::Table(lut(0, vec![u16::MAX], 8));
        let (_, voi) = allowed(&line, &odd);
        assert_eq!(voi, PresentedVoi::Table(lut(0, vec![u16::MAX], 16)));
    }

    #[test]
    fn a_stated_transform_is_that_of_the_stored_values_or_none() {
        let stated = |slope: &str, intercept: &str| {
            let text = |(tag, value): (Tag, &str)| HeaderText {
                group: tag.0,
                element: tag.1,
                value: value.to_owned(),
            };
            let texts = [
                (tags::RESCALE_INTERCEPT, intercept),
                (tags::RESCALE_SLOPE, slope),
            ];
            let texts = texts.into_iter().filter(|(_, value)| !value.is_empty());
            stated_transform(&SourceHeader {
                content: ContentId::default(),
                texts: texts.map(text).collect(),
            })
        };
        let line = |slope, intercept| Some(PixelTransform::Linear(Rescale { slope, intercept }));
        assert_eq!(stated("", ""), line(1.0, 0.0));
        assert_eq!(stated("0.5 ", " -1e3"), line(0.5, -1000.0));
        assert_eq!(stated("0", "7"), line(1.0, 7.0));
        for (slope, intercept) in [("0,5", "0"), ("1\\2", "0"), ("1", "x"), ("inf", "0")] {
            assert_eq!(stated(slope, intercept), None, "{slope} {intercept}");
        }
    }
}
