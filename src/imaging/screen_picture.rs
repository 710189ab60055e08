//! The picture on the screen as a PNG file: the same part of the film in the same window and inversion, under the same
//! heat map and marks, and finer than most terminals show it.

use std::io;

use super::draw_marks::draw_marks;
use super::heat_map::overlay;
use super::png_file::png_with_text;
use super::show::{seen, show};
use crate::domain::{Canvas, HeatMapLayer, MarkLayer, Radiograph, View};

/// Pixels on the longer side of the canvas.
const LONGEST: f64 = 2000.0;

/// What the screen shows of a film.
#[derive(Debug, Clone, Copy)]
pub struct ScreenView<'a> {
    pub view: &'a View,
    /// The canvas of the screen.
    pub canvas: Canvas,
    /// Drawn over the picture, if it belongs to this image.
    pub heat_map: Option<&'a HeatMapLayer>,
    /// Drawn over that, likewise.
    pub marks: Option<&'a MarkLayer>,
}

/// The bytes of the file. Its texts name the program, the window and the heat map, and nothing of the patient.
///
/// # Errors
/// If the picture cannot be written as PNG.
pub fn screen_picture(film: &Radiograph, shown: ScreenView) -> io::Result<Vec<u8>> {
    let canvas = finer(shown.canvas);
    let (plain, (centre, width)) = show(film, shown.view, canvas);
    let part = seen(film, shown.view, canvas);
    let mut words = format!("window width {width:.0}, level {centre:.0}");
    if shown.view.inverted {
        words += ", inverted";
    }
    let picture = match shown.heat_map.filter(|map| map.content == film.content) {
        Some(layer) => {
            words += "; a heat map over it, which shows where, not how likely";
            overlay(&plain, part, layer)
        }
        None => plain,
    };
    let picture = match shown.marks.filter(|marks| marks.content == film.content) {
        Some(marks) => draw_marks(&picture, part, marks),
        None => picture,
    };
    let program = concat!("cxr ", env!("CARGO_PKG_VERSION"));
    let texts = [
        ("Software", program.to_owned()),
        ("Comment", format!("{words}; not for diagnosis")),
    ];
    png_with_text(&picture, &texts)
}

/// A canvas of square pixels that has the shape of this one.
fn finer(canvas: Canvas) -> Canvas {
    let (wide, tall) = (
        canvas.width.max(1) as f64,
        canvas.height.max(1) as f64 * canvas.pixel_aspect,
    );
    let scale = LONGEST / wide.max(tall);
    let side = |length: f64| ((length * scale).round() as usize).max(1);
    Canvas {
        width: side(wide),
        height: side(tall),
        pixel_aspect: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContentId, MarkDrawing, MarkKind, MarkPoint, MarkTone, Samples};

    /// Cells are twice as high as wide.
    const CANVAS: Canvas = Canvas {
        width: 60,
        height: 30,
        pixel_aspect: 2.0,
    };

    fn film() -> Radiograph {
        let samples = (0..100 * 80).map(|i| (i % 100 * 2) as u8).collect();
        let mut film = Radiograph::plain(100, 80, Samples::Grey8(samples), "test");
        film.content = ContentId::from_digest([7; 32]);
        film.patient.name = Some("DOE^JOHN".to_owned());
        film.patient.id = Some("P-4711".to_owned());
        film
    }

    fn marks(content: ContentId) -> MarkLayer {
        MarkLayer {
            content,
            marks: vec![MarkDrawing {
                kind: MarkKind::Ruler,
                points: vec![MarkPoint::at(10.0, 10.0), MarkPoint::at(90.0, 70.0)],
                number: Some(1),
                tone: MarkTone::Plain,
            }],
            cursor: None,
        }
    }

    fn file(view: &View, marks: Option<&MarkLayer>) -> Vec<u8> {
        let shown = ScreenView {
            view,
            canvas: CANVAS,
            heat_map: None,
            marks,
        };
        screen_picture(&film(), shown).unwrap()
    }

    /// Width, height, whether it has colours, the texts, and the pixels.
    fn decoded(file: &[u8]) -> ((u32, u32), bool, Vec<String>, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let info = reader.info();
        let texts = info.uncompressed_latin1_text.iter();
        let texts = texts.map(|text| text.text.clone()).collect();
        let has_colours = info.color_type == png::ColorType::Rgb;
        ((info.width, info.height), has_colours, texts, pixels)
    }

    #[test]
    fn the_file_shows_what_the_screen_shows_and_names_nobody() {
        let plain = file(&View::default(), None);
        let (size, has_colours, _, pixels) = decoded(&plain);
        // The canvas is square: the film fills its width.
        assert_eq!((size, has_colours), ((2000, 1600), false));
        let inverted = View {
            inverted: true,
            ..View::default()
        };
        let inverted = file(&inverted, None);
        let (_, _, texts, swapped) = decoded(&inverted);
        let sum = |i: usize| u32::from(pixels[i]) + u32::from(swapped[i]);
        assert!((0..pixels.len()).step_by(997).all(|i| sum(i) == 255));
        assert!(
            texts[1].contains("inverted; not for diagnosis"),
            "{texts:?}"
        );
        let marked = file(&View::default(), Some(&marks(film().content)));
        assert!(decoded(&marked).1, "marks have a colour");
        // Marks of another film are on no picture of this one.
        let other = marks(ContentId::from_digest([8; 32]));
        assert_eq!(file(&View::default(), Some(&other)), plain);
        for file in [&plain, &inverted, &marked] {
            for secret in [&b"DOE"[..], b"4711"] {
                let is_there = file.windows(secret.len()).any(|bytes| bytes == secret);
                assert!(!is_there, "{}", String::from_utf8_lossy(secret));
            }
        }
    }

    #[test]
    fn a_zoomed_part_stays_the_same_part() {
        let view = View {
            zoom: 4.0,
            centre: (0.25, 0.5),
            ..View::default()
        };
        let (size, _, _, pixels) = decoded(&file(&view, None));
        assert_eq!(size, (2000, 2000));
        // Grey values grow from left to right; the picture shows the part from there on.
        let shown = show(&film(), &view, CANVAS).0;
        let difference = i32::from(pixels[1000 * 2000 + 20]) - i32::from(shown.rgb(0, 15)[0]);
        assert!(difference.abs() < 20, "{difference}");
    }
}
