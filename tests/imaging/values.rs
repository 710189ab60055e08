//! What the screen shows and what the model gets: modality transforms, windows, padding and viewports.

use cxr::domain::{PixelTransform, Radiograph, Rescale, Samples, VoiFunction, WindowLevel};
use cxr::imaging::{StillPicture, Viewport, VoiLut, grey_values, render, table_range};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::tags;

use crate::imaging_files::{BIG_ENDIAN, Dicom, EXPLICIT, IMPLICIT, phantom};
use crate::shared::{H, W, bytes_of, read};

#[test]
fn monochrome1_is_inverted_exactly_once_on_the_screen_and_for_the_model() {
    let pixels = phantom(W, H, 8);
    let film: Vec<u16> = pixels.iter().map(|v| 255 - v).collect();
    let positive = Dicom::radiograph(W as u16, H as u16, 8).bytes(&bytes_of(&pixels));
    let negative = Dicom::radiograph(W as u16, H as u16, 8)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1")
        .text(tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE")
        .bytes(&bytes_of(&film));
    let (p, n) = (
        read(&positive.file(EXPLICIT)),
        read(&negative.file(EXPLICIT)),
    );
    assert!(n.inverted && !p.inverted);
    assert_eq!(
        n.samples,
        Samples::Grey8(bytes_of(&film)),
        "samples stay as stored"
    );

    let picture = |r: &Radiograph| render(r, &VoiLut::of(r), Viewport::whole(r), W, H).pixels;
    assert_eq!(picture(&p), picture(&n));
    let shifted: Vec<f32> = grey_values(&n).iter().map(|v| v + 255.0).collect();
    assert_eq!(grey_values(&p), shifted);
}

#[test]
fn the_modality_transform_is_a_rescale_or_a_table() {
    let pixels = [0, 1, 2, 3];
    let line = Dicom::radiograph(2, 2, 12)
        .text(tags::RESCALE_SLOPE, VR::DS, "2.5")
        .text(tags::RESCALE_INTERCEPT, VR::DS, "-10")
        .words(&pixels);
    assert_eq!(
        grey_values(&read(&line.file(EXPLICIT))),
        [-10.0, -7.5, -5.0, -2.5]
    );

    let lut = Dicom(dicom_object::InMemDicomObject::new_empty())
        .with(
            tags::LUT_DESCRIPTOR,
            VR::US,
            PrimitiveValue::U16([3, 1, 16].as_ref().into()),
        )
        .with(
            tags::LUT_DATA,
            VR::US,
            PrimitiveValue::U16([100, 50, 7].as_ref().into()),
        );
    let table = Dicom::radiograph(2, 2, 12)
        .sequence(tags::MODALITY_LUT_SEQUENCE, lut.clone())
        .words(&pixels);
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let r = read(&table.file(syntax));
        assert_eq!(grey_values(&r), [100.0, 100.0, 50.0, 7.0], "{syntax}");
    }
    let voi = Dicom::radiograph(2, 2, 12)
        .sequence(tags::VOILUT_SEQUENCE, lut)
        .words(&pixels);
    let r = read(&voi.file(EXPLICIT));
    assert_eq!(r.voi_luts[0].entries, [100, 50, 7]);
    assert_eq!(VoiLut::of(&r).centre_width(), (2.5, 3.0));
    assert_eq!(table_range(&r), Some((2.5, 3.0)));
    assert_eq!(StillPicture::new(&r, None, 2).window, None);
}

#[test]
fn windows_are_read_in_order_and_applied_as_the_standard_defines() {
    let r = read(
        &Dicom::radiograph(2, 2, 12)
            .text(tags::WINDOW_CENTER, VR::DS, "2048\\100\\5")
            .text(tags::WINDOW_WIDTH, VR::DS, "4096\\200\\0")
            .text(
                tags::WINDOW_CENTER_WIDTH_EXPLANATION,
                VR::LO,
                "NORMAL\\HARD\x1b[2J\\",
            )
            .words(&[0, 1000, 2048, 4095])
            .file(EXPLICIT),
    );
    assert_eq!(r.windows.len(), 2, "a width of 0 is not a window");
    assert_eq!(r.windows[1].explanation.as_deref(), Some("HARD [2J"));
    let voi = VoiLut::of(&r);
    assert_eq!(voi.centre_width(), (2048.0, 4096.0));
    assert_eq!(table_range(&r), None);
    let still = StillPicture::new(&r, None, 2);
    assert_eq!(still.window, Some((2048.0, 4096.0)));
    assert_eq!([0.0, 4095.0].map(|v| voi.apply(v)), [0, 255]);
    assert_eq!(
        [0.0, 4095.0].map(|v| voi.clone().with_invert(true).apply(v)),
        [255, 0]
    );

    let window = |function| WindowLevel {
        centre: 10.0,
        width: 4.0,
        function,
        explanation: None,
    };
    let light = |function, v: f64| VoiLut::window(&r, window(function)).apply(v);
    // PS3.3 C.11.2.1.2: from c − 0.5 − (w − 1)/2 = 8 to c − 0.5 + (w − 1)/2 = 11.
    assert_eq!(
        [8.0, 9.5, 11.0].map(|v| light(VoiFunction::Linear, v)),
        [0, 128, 255]
    );
    assert_eq!(
        [8.0, 10.0, 12.0].map(|v| light(VoiFunction::LinearExact, v)),
        [0, 128, 255]
    );
    assert_eq!(
        [8.0, 10.0, 12.0].map(|v| light(VoiFunction::Sigmoid, v)),
        [30, 128, 225]
    );
}

#[test]
fn the_window_never_changes_a_value_of_the_model() {
    let pixels = phantom(W, H, 12);
    let plain = Dicom::radiograph(W as u16, H as u16, 12);
    let windowed = plain.clone().text(tags::WINDOW_CENTER, VR::DS, "300").text(
        tags::WINDOW_WIDTH,
        VR::DS,
        "20",
    );
    let values = |d: Dicom| grey_values(&read(&d.words(&pixels).file(EXPLICIT)));
    assert_eq!(values(plain), values(windowed));
}

#[test]
fn padding_is_dark_and_outside_every_statistic() {
    let pixels = [4095, 100, 4000, 200];
    let file = Dicom::radiograph(2, 2, 12)
        .number(tags::PIXEL_PADDING_VALUE, 4000)
        .number(tags::PIXEL_PADDING_RANGE_LIMIT, 4095);
    let r = read(&file.clone().words(&pixels).file(EXPLICIT));
    assert_eq!(r.padding, Some((4000, 4095)));
    assert_eq!(grey_values(&r), [100.0, 100.0, 100.0, 200.0]);
    let voi = VoiLut::of(&r);
    assert_eq!(
        render(&r, &voi, Viewport::whole(&r), 2, 2).pixels,
        [0, 0, 0, 255]
    );

    let film = file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    let r = read(&film.words(&pixels).file(EXPLICIT));
    assert_eq!(grey_values(&r), [-200.0, -100.0, -200.0, -200.0]);
}

#[test]
fn windows_and_rescales_are_for_grey_values_only() {
    let rgb = vec![1, 2, 3, 40, 50, 60];
    let lut = Dicom(dicom_object::InMemDicomObject::new_empty())
        .with(
            tags::LUT_DESCRIPTOR,
            VR::US,
            PrimitiveValue::U16([1, 0, 8].as_ref().into()),
        )
        .number(tags::LUT_DATA, 7);
    let with_windows = |file: Dicom| {
        file.text(tags::WINDOW_CENTER, VR::DS, "5")
            .text(tags::WINDOW_WIDTH, VR::DS, "2")
            .text(tags::RESCALE_SLOPE, VR::DS, "9")
            .text(tags::RESCALE_INTERCEPT, VR::DS, "-1000")
            .sequence(tags::VOILUT_SEQUENCE, lut.clone())
    };
    let colour = Dicom::colour(2, 1, "RGB").bytes(&rgb);
    let plain = read(&colour.clone().file(EXPLICIT));
    let other = read(&with_windows(colour).file(EXPLICIT));
    let content = other.content;
    assert_ne!(content, plain.content, "they are two files");
    assert_eq!(other, Radiograph { content, ..plain });
    let grey = Dicom::radiograph(2, 1, 8).bytes(&[1, 2]);
    let r = read(&with_windows(grey).file(EXPLICIT));
    assert_eq!((r.windows.len(), r.voi_luts.len()), (1, 1));
}

#[test]
fn a_viewport_of_the_same_size_shows_the_stored_values() {
    let pixels = bytes_of(&phantom(W, H, 8));
    let r = read(
        &Dicom::radiograph(W as u16, H as u16, 8)
            .bytes(&pixels)
            .file(EXPLICIT),
    );
    let voi = VoiLut::of(&r);
    assert_eq!(render(&r, &voi, Viewport::whole(&r), W, H).pixels, pixels);
    let part = Viewport {
        x: 3.0,
        y: 5.0,
        width: 4.0,
        height: 2.0,
    };
    let expected = [&pixels[5 * W + 3..5 * W + 7], &pixels[6 * W + 3..6 * W + 7]].concat();
    assert_eq!(render(&r, &voi, part, 4, 2).pixels, expected);
    for odd in [f64::NAN, f64::INFINITY, -1e9, 0.0, 1e9] {
        let viewport = Viewport {
            x: odd,
            y: odd,
            width: odd,
            height: odd,
        };
        assert_eq!(render(&r, &voi, viewport, 5, 4).pixels.len(), 20, "{odd}");
    }
    assert!(render(&r, &voi, part, 0, 4).pixels.is_empty());
}

#[test]
fn an_automatic_window_spans_what_is_there() {
    let pixels: Vec<u16> = (0..10_000).map(|i| 1000 + i % 2000).collect();
    let file = Dicom::radiograph(100, 100, 14)
        .text(tags::WINDOW_CENTER, VR::DS, "12000")
        .text(tags::WINDOW_WIDTH, VR::DS, "100");
    let r = read(&file.words(&pixels).file(EXPLICIT));
    let (centre, width) = VoiLut::of(&r).centre_width();
    assert!(
        (centre - 2000.0).abs() < 30.0 && (width - 1980.0).abs() < 30.0,
        "{centre} {width}"
    );
    assert_eq!(
        r.modality_transform,
        PixelTransform::Linear(Rescale::default())
    );
}
