use std::time::Duration;

use proptest::prelude::*;

use super::encoding::LONGEST_TEXT;
use super::*;
use crate::domain::{
    Admission, ContentId, Fingerprint, HeaderText, Issuer, Lut, Modality, Objection, PatientFacts,
    PhotometricInterpretation, PixelTransform, Ratio, Rescale, SpacingPlane, Uids, ViewPosition,
    VoiFunction, WindowLevel,
};
use crate::imaging::clean_text;

fn radiograph(samples: Samples, width: usize, text: Option<String>) -> Radiograph {
    let lut = Lut {
        first_input: -7,
        entries: vec![1, 2, 3],
        bits: 12,
        explanation: text.clone(),
    };
    let window = |function| WindowLevel {
        centre: -1.5,
        width: 3.0,
        function,
        explanation: text.clone(),
    };
    Radiograph {
        content: ContentId::from_digest([7; 32]),
        width,
        height: samples.pixels() / width,
        samples,
        bits_stored: 12,
        photometric: PhotometricInterpretation::Monochrome1,
        modality_transform: PixelTransform::Table(lut.clone()),
        padding: Some((-3, 9)),
        windows: vec![
            window(VoiFunction::Sigmoid),
            window(VoiFunction::LinearExact),
        ],
        voi_luts: vec![lut],
        inverted: true,
        pixel_aspect: 1.25,
        spacing: Some(PixelSpacing::of(
            (0.15, 0.12),
            SpacingPlane::Magnified(Ratio(1_100_000)),
        )),
        view: ViewPosition::Ap,
        modality: Modality::Other("CT".into()),
        admission: Admission {
            objections: vec![
                Objection::ForProcessing,
                Objection::BodyPart("HAND".into()),
                Objection::Derived("DERIVED".into()),
                Objection::SecondaryCapture(text.clone()),
                Objection::BurnedIn,
                Objection::OneSide("L".into()),
                Objection::View("RLO".into()),
                Objection::Class {
                    is_of: "CT".into(),
                    modality: "DX".into(),
                },
                Objection::Unread {
                    attribute: "Rescale Slope".into(),
                    value: text.clone(),
                },
                Objection::Inverted(text.clone()),
                Objection::Page { page: 2, of: 3 },
                Objection::PartlyTransparent { percent: 7 },
                Objection::NoTable("VOI LUT Sequence".into()),
                Objection::Deeper {
                    stored: 10,
                    found: 12,
                },
                Objection::TwoViews {
                    stated: "PA".into(),
                    coded: "lateral projection".into(),
                },
                Objection::Orientation("R\\F".into()),
                Objection::Age,
                Objection::Surplus {
                    found: u64::MAX,
                    needed: 8,
                },
            ],
        },
        patient: PatientFacts {
            issuer: Issuer {
                local: text.clone(),
                universal: None,
            },
            name_print: Some(Fingerprint(u64::MAX - 1)),
            name: text.clone(),
            ..PatientFacts::default()
        },
        uids: Uids {
            series: text.clone(),
            ..Uids::default()
        },
        taken: text,
        frames: 3,
        format: "DICOM".into(),
    }
}

fn samples() -> impl Strategy<Value = Samples> {
    fn of<T: Arbitrary + Clone + 'static>(
        make: impl Fn(Vec<T>) -> Samples + 'static,
    ) -> BoxedStrategy<Samples> {
        proptest::collection::vec(any::<T>(), 12)
            .prop_map(make)
            .boxed()
    }
    prop_oneof![
        of(Samples::Grey8),
        of(Samples::Grey16),
        of(Samples::GreySigned16),
        proptest::collection::vec(-1e9_f32..1e9, 12).prop_map(Samples::GreyF32),
        of(Samples::Rgb8),
    ]
}

const NONCE: Nonce = [9; 16];

fn sent(answer: &Result<Radiograph, ImageFault>) -> ChannelMessage {
    let samples = answer.as_ref().ok().map(|r| sample_bytes(&r.samples));
    ChannelMessage {
        text: write_answer(&NONCE, answer),
        attachment: samples.map(|samples| Attachment::Bytes(samples.to_vec())),
    }
}

fn with_text(message: ChannelMessage, text: Vec<u8>) -> ChannelMessage {
    ChannelMessage { text, ..message }
}

/// A radiograph as it arrives: its content ID is not sent.
fn radiograph_without_id(samples: Samples, width: usize, text: Option<String>) -> Radiograph {
    Radiograph {
        content: ContentId::default(),
        ..radiograph(samples, width, text)
    }
}

#[test]
fn a_text_arrives_clean_and_cut_to_the_longest() {
    let text = format!("\u{1b}]0;{}\u{7}", "é".repeat(LONGEST_TEXT));
    let answer = Ok(radiograph_without_id(
        Samples::Grey8(vec![1]),
        1,
        Some(text),
    ));
    let Some(Ok(film)) = read_answer(&NONCE, &sent(&answer)) else {
        panic!("an answer");
    };
    let name = film.patient.name.expect("a name");
    assert!(name.len() <= LONGEST_TEXT && name.ends_with('é'), "{name}");
    assert!(!name.contains(char::is_control));
    let mut many = vec![0; size_of::<usize>()];
    many[..4].copy_from_slice(&1_000_000_u32.to_ne_bytes());
    many.resize(2_000_000, 0);
    assert_eq!(whole::<Vec<Objection>>(&many), None);
}

proptest! {
    #[test]
    fn answers_arrive_as_they_were_sent(
        samples in samples(),
        width in prop_oneof![Just(1_usize), Just(2), Just(4)],
        text in proptest::option::of(".{0,9}"),
    ) {
        let text = text.map(|text| clean_text(&text));
        let answer = Ok(radiograph_without_id(samples, width, text));
        prop_assert_eq!(read_answer(&NONCE, &sent(&answer)), Some(answer));
    }

    #[test]
    fn a_cut_or_lengthened_answer_is_refused(samples in samples(), cut in 0..300_usize) {
        let answer = || sent(&Ok(radiograph(samples.clone(), 2, None)));
        let text = answer().text;
        let cut = cut.min(text.len() - 1);
        let short = with_text(answer(), text[..cut].to_vec());
        prop_assert_eq!(read_answer(&NONCE, &short), None);
        let long = with_text(answer(), [&text[..], &[0]].concat());
        prop_assert_eq!(read_answer(&NONCE, &long), None);
    }

    #[test]
    fn no_answer_panics(
        samples in samples(),
        damage in proptest::collection::vec((0..400_usize, any::<u8>()), 1..9),
    ) {
        let mut message = sent(&Ok(radiograph(samples, 2, Some("x".into()))));
        for (at, byte) in damage {
            let length = message.text.len();
            message.text[at % length] = byte;
        }
        if let Some(Ok(r)) = read_answer(&NONCE, &message) {
            prop_assert_eq!(r.samples.pixels(), r.width * r.height);
        }
    }

    #[test]
    fn noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..99)) {
        let _ = (read_request(&noise), read_terms(&noise), read_greeting(&noise));
        let samples = Attachment::Bytes(vec![0; 8]);
        let text = [&NONCE[..], &noise].concat();
        let message = ChannelMessage { text, attachment: Some(samples) };
        prop_assert!(!matches!(read_answer(&NONCE, &message), Some(Ok(_))));
    }
}

#[test]
fn the_answer_to_another_request_is_refused() {
    let film = || sent(&Ok(radiograph(Samples::Grey8(vec![1; 4]), 2, None)));
    let fault = || sent(&Err(ImageFault::damaged("a")));
    for answer in [film, fault] as [fn() -> ChannelMessage; 2] {
        assert!(read_answer(&NONCE, &answer()).is_some());
        assert_eq!(read_answer(&[8; 16], &answer()), None);
    }
}

#[test]
fn more_or_fewer_samples_than_pixels_are_refused() {
    for attachment in [
        None,
        Some(Attachment::Bytes(vec![1; 3])),
        Some(Attachment::Bytes(vec![1; 5])),
        Some(Attachment::Bytes(Vec::new())),
    ] {
        let film = sent(&Ok(radiograph(Samples::Grey8(vec![1; 4]), 2, None)));
        let film = ChannelMessage { attachment, ..film };
        assert_eq!(read_answer(&NONCE, &film), None);
    }
    let fault = ChannelMessage {
        attachment: Some(Attachment::Bytes(vec![1])),
        ..sent(&Err(ImageFault::damaged("a")))
    };
    assert_eq!(read_answer(&NONCE, &fault), None);
}

#[test]
fn an_answer_with_impossible_numbers_is_refused() {
    type Spoil = fn(&mut Radiograph, f64);
    let spoils: [(Spoil, &[f64]); 4] = [
        (|r, v| r.pixel_aspect = v, &[0.0, 0.04, 20.1, -1.0]),
        (|r, v| r.windows[1].centre = v, &[]),
        (|r, v| r.windows[1].width = v, &[]),
        (
            |r, v| {
                r.modality_transform = PixelTransform::Linear(Rescale {
                    slope: v,
                    intercept: 0.0,
                });
            },
            &[],
        ),
    ];
    let read = |r: &Radiograph| read_answer(&NONCE, &sent(&Ok(r.clone())));
    for (i, (spoil, odd)) in spoils.into_iter().enumerate() {
        for &v in odd.iter().chain(&[f64::NAN, f64::INFINITY]) {
            let mut r = radiograph(Samples::Grey8(vec![1; 4]), 2, None);
            spoil(&mut r, 1.0);
            assert!(read(&r).is_some(), "{i}");
            spoil(&mut r, v);
            assert_eq!(read(&r), None, "{i}: {v}");
        }
    }
}

#[test]
fn requests_and_faults_arrive_as_they_were_sent() {
    let limits = DecodeLimits {
        timeout: Duration::from_millis(1500),
        ..DecodeLimits::default()
    };
    for task in [
        DecoderTask::Decode(limits.clone()),
        DecoderTask::Header(limits),
        DecoderTask::Attempt,
    ] {
        let request = write_request(&NONCE, &task);
        assert_eq!(read_request(&request), Some((NONCE, task)));
    }
    for fault in [
        ImageFault::damaged("a"),
        ImageFault::timed_out("b"),
        ImageFault::not_an_image("c"),
        ImageFault::no_picture("d"),
    ] {
        let answer = Err(fault);
        assert_eq!(read_answer(&NONCE, &sent(&answer)), Some(answer));
    }
    // A hostile process may send anything, and the reason is printed.
    let forged = Err(ImageFault::Damaged("a\x1b[2J\nb".to_owned()));
    let read = read_answer(&NONCE, &sent(&forged));
    let Some(Err(ImageFault::Damaged(reason))) = read else {
        panic!("{read:?}");
    };
    assert!(!reason.chars().any(char::is_control), "{reason:?}");
}

#[test]
fn a_header_arrives_as_it_was_sent_and_cleaned() {
    let header = |value: &str| SourceHeader {
        content: ContentId::default(),
        texts: vec![HeaderText {
            group: 0x0010,
            element: 0x0010,
            value: value.to_owned(),
        }],
    };
    let sent = write_header(&NONCE, &Ok(header("Müller^Jörg")));
    assert_eq!(read_header(&NONCE, &sent), Some(Ok(header("Müller^Jörg"))));
    assert_eq!(read_header(&NONCE, &sent[..sent.len() - 1]), None);
    assert_eq!(read_header(&[0; size_of::<Nonce>()], &sent), None);
    let forged = write_header(&NONCE, &Ok(header("a\x1b[2Jb")));
    assert_eq!(read_header(&NONCE, &forged), Some(Ok(header("a [2Jb"))));
    let fault = Err(ImageFault::damaged("a"));
    let sent = write_header(&NONCE, &fault);
    assert_eq!(read_header(&NONCE, &sent), Some(fault));
}
