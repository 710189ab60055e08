//! What is read back of the objects, and what must not be in them. Validators and other people's readers are tried in
//! `tests/dicom_objects.rs`.

use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject};
use proptest::prelude::*;

use super::data_set::decimal;
use super::uid::is_uid;
use super::*;
use crate::domain::{
    ContentId, FilmScale, Finding, HeaderText, InputCheck, Lut, Mark, MarkKind, MarkPoint,
    OperatingPoint, Pathology, PixelTransform, Prediction, PreviewImage, Question, Rescale, Score,
    ScoreKind, Severity, ShownPart, SourceHeader, Verdict, VoiFunction, WindowLevel,
};

const STUDY: &str = "1.2.3.4";
const INSTANCE: &str = "1.2.3.4.6";
/// What must not leave unless it is asked for.
const FACTS: [(Tag, &str); 9] = [
    (tags::PATIENT_NAME, "Müller^Jörg"),
    (tags::PATIENT_ID, "PID-4711"),
    (tags::PATIENT_BIRTH_DATE, "19500102"),
    (tags::PATIENT_AGE, "071Y"),
    (tags::ACCESSION_NUMBER, "ACC-0815"),
    (tags::STUDY_DATE, "20210304"),
    (tags::STUDY_ID, "STUDY-99"),
    (tags::REFERRING_PHYSICIAN_NAME, "Referrer^Rita"),
    (tags::STUDY_DESCRIPTION, "Thorax von Herrn X"),
];
const NOTE: &str = "Herr Müller, links";

fn header() -> SourceHeader {
    let references = [
        (tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.1"),
        (tags::STUDY_INSTANCE_UID, STUDY),
        (tags::SERIES_INSTANCE_UID, "1.2.3.4.5"),
        (tags::SOP_INSTANCE_UID, INSTANCE),
        (tags::PATIENT_SEX, "M"),
    ];
    let text = |(tag, value): (Tag, &str)| HeaderText {
        group: tag.0,
        element: tag.1,
        value: value.to_owned(),
    };
    SourceHeader {
        content: ContentId::default(),
        texts: references.into_iter().chain(FACTS).map(text).collect(),
    }
}

fn prediction(input: InputCheck) -> Prediction {
    let finding = Finding {
        label: Pathology("Pneumonia".to_owned()),
        question: Question::Presence,
        logit: 1.0,
        score: Score::new(0.977_123, ScoreKind::Sigmoid).unwrap(),
        operating_point: Some(OperatingPoint(0.37)),
        sensitive_point: None,
        calibrated: None,
        conformal: None,
        factors: None,
    };
    let is_refused = matches!(input, InputCheck::Refused(_));
    Prediction {
        content: ContentId::default(),
        findings: if is_refused {
            Vec::new()
        } else {
            vec![finding]
        },
        severity: (!is_refused).then_some(Severity {
            geographic_extent: 3.1,
            opacity: 2.2,
            geographic_extent_error: Some(1.1),
            opacity_error: None,
        }),
        input,
        model_sha256: "ab".repeat(32),
        preprocess: "cxr-2".to_owned(),
        elapsed_ms: 0.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

fn film(outcome: FilmOutcome) -> FilmResult {
    let word = ReaderWord {
        reviewer: "ann".to_owned(),
        verdict: Some(Verdict::Disagree),
        label: Some("Pneumonia".to_owned()),
        key_image: true,
        note: NOTE.to_owned(),
        about: "the answer of this model".to_owned(),
        at: "20260131120000+0000".to_owned(),
    };
    FilmResult {
        header: header(),
        outcome,
        readers: vec![word],
    }
}

fn answered() -> FilmResult {
    film(FilmOutcome::Answered(Box::new(prediction(
        InputCheck::Accepted,
    ))))
}

fn maker(policy: PatientPolicy) -> ObjectMaker {
    let mut uids = NewUids::below(UidRoot::OfUuid);
    uids.counted = Some(Arc::default());
    ObjectMaker {
        policy,
        uids,
        moment: Moment {
            date: "20260131".to_owned(),
            time: "120000".to_owned(),
        },
        model: Some(ModelDevice {
            name: "model".to_owned(),
            version: "1".to_owned(),
            sha256: "ab".repeat(32),
        }),
    }
}

fn key() -> PseudonymKey {
    let secret: Vec<u8> = (0..32).collect();
    PseudonymKey::new(&secret).unwrap()
}

fn pseudonyms(keeps_uids: bool) -> PatientPolicy {
    PatientPolicy::Pseudonyms {
        key: key(),
        keeps_uids,
    }
}

/// An object of every kind.
fn all_kinds(policy: &PatientPolicy) -> Vec<MadeObject> {
    all_kinds_of(&header(), policy)
}

/// The same of a film with this header.
fn all_kinds_of(header: &SourceHeader, policy: &PatientPolicy) -> Vec<MadeObject> {
    let maker = maker(policy.clone());
    let place = maker.new_series().unwrap();
    let capture = Capture {
        picture: PreviewImage {
            width: 3,
            height: 5,
            pixels: vec![7; 15],
            colour: false,
        },
        legend: None,
        lines: vec!["a line".to_owned()],
    };
    let shown = shown(None);
    let film = FilmResult {
        header: header.clone(),
        ..answered()
    };
    vec![
        maker.measurement_report(&[film], None).unwrap(),
        maker.secondary_capture(header, &capture, &place).unwrap(),
        maker.presentation_state(header, &shown, &place).unwrap(),
        maker.key_objects(&[header], "ann").unwrap(),
    ]
}

/// A mark whose label names the patient.
fn named() -> Mark {
    let mark = Mark::new(
        MarkKind::Point,
        vec![MarkPoint::at(1.0, 2.0)],
        FilmScale::PIXELS,
    );
    mark.unwrap().labelled(NOTE).unwrap()
}

/// A film of 768 columns and 700 rows, of which a reader had this part on the screen.
fn shown(part: Option<ShownPart>) -> PresentedFilm {
    PresentedFilm {
        transform: PixelTransform::Linear(Rescale::default()),
        voi: PresentedVoi::Window(WindowLevel {
            centre: 1024.0,
            width: 2048.0,
            function: VoiFunction::Linear,
            explanation: None,
        }),
        inverted: true,
        size: (768, 700),
        pixel_aspect: 1.0,
        part,
        marks: vec![named()],
        reader: Some("ann".to_owned()),
    }
}

fn read(object: &MadeObject) -> FileDicomObject<InMemDicomObject> {
    FileDicomObject::from_reader(object.bytes.as_slice()).unwrap()
}

fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let element = object.get(tag).unwrap_or_else(|| panic!("no {tag}"));
    element.to_str().unwrap().trim().to_owned()
}

fn has(object: &MadeObject, text: &str) -> bool {
    let mut windows = object.bytes.windows(text.len());
    windows.any(|window| window == text.as_bytes())
}

/// How often the film is referred to below each sequence of an object, and the frames that are named there.
fn references(object: &InMemDicomObject, found: &mut Vec<(Tag, String)>) {
    for element in object.iter() {
        for item in element.items().unwrap_or_default() {
            let instance = item.get(tags::REFERENCED_SOP_INSTANCE_UID);
            if instance.is_some_and(|uid| uid.to_str().unwrap().starts_with(INSTANCE)) {
                let frame = item.get(tags::REFERENCED_FRAME_NUMBER);
                let frame = frame.map(|_| text(item, tags::REFERENCED_FRAME_NUMBER));
                found.push((element.header().tag, frame.unwrap_or_default()));
            }
            // The evidence names whole objects.
            if element.header().tag != tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE {
                references(item, found);
            } else {
                let mut whole = Vec::new();
                references(item, &mut whole);
                assert!(whole.iter().all(|(_, frame)| frame.is_empty()), "{whole:?}");
                assert_eq!(whole.len(), 1);
            }
        }
    }
}

/// cxr looks at the first frame only, and what it says of it must not stand beside the others.
#[test]
fn of_a_film_with_several_frames_the_first_is_referred_to() {
    for (stated, frame) in [("2", "1"), ("1", ""), ("", ""), ("x", "")] {
        let mut header = header();
        header.texts.push(HeaderText {
            group: tags::NUMBER_OF_FRAMES.0,
            element: tags::NUMBER_OF_FRAMES.1,
            value: stated.to_owned(),
        });
        let kinds = all_kinds_of(&header, &PatientPolicy::Copied);
        let expected = [
            &[tags::REFERENCED_SOP_SEQUENCE][..],
            &[tags::SOURCE_IMAGE_SEQUENCE],
            &[tags::REFERENCED_IMAGE_SEQUENCE],
            &[tags::REFERENCED_SOP_SEQUENCE],
        ];
        for (object, expected) in kinds.iter().zip(expected) {
            let mut found = Vec::new();
            references(&read(object), &mut found);
            assert!(!found.is_empty());
            for (tag, named) in found {
                assert!(expected.contains(&tag), "{tag}");
                assert_eq!(named, frame, "{stated} {tag}");
            }
        }
    }
}

/// The corners of the displayed area (PS3.3 C.10.4): column and row of the first and of the last pixel.
fn displayed(shown: &PresentedFilm) -> [Vec<i32>; 2] {
    let maker = maker(PatientPolicy::Copied);
    let place = maker.new_series().unwrap();
    let object = maker.presentation_state(&header(), shown, &place);
    let object = read(&object.unwrap());
    let areas = object.get(tags::DISPLAYED_AREA_SELECTION_SEQUENCE).unwrap();
    let areas = areas.items().unwrap();
    assert_eq!(areas.len(), 1);
    assert_eq!(
        text(&areas[0], tags::PRESENTATION_SIZE_MODE),
        "SCALE TO FIT"
    );
    [
        tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER,
        tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER,
    ]
    .map(|tag| areas[0].get(tag).unwrap().to_multi_int().unwrap())
}

#[test]
fn the_displayed_area_is_what_was_on_the_screen() {
    let part = |left, top, right, bottom| {
        let part = ShownPart {
            left,
            top,
            right,
            bottom,
        };
        displayed(&shown(Some(part)))
    };
    let whole = [vec![1, 1], vec![768, 700]];
    assert_eq!(displayed(&shown(None)), whole);
    assert_eq!(part(0.0, 0.0, 1.0, 1.0), whole);
    // 192 columns are left out on both sides; of 700 rows, a tenth above.
    assert_eq!(part(0.25, 0.1, 0.75, 1.0), [vec![193, 71], vec![576, 700]]);
    // Pixels that were shown in part belong to it.
    assert_eq!(part(0.001, 0.001, 0.002, 0.002), [vec![1, 1], vec![2, 2]]);
    // A store may hold anything: the area stays within the film, and is never empty.
    for odd in [f64::NAN, f64::INFINITY, -3.0, 1e300] {
        for part in [part(odd, odd, 0.5, 0.5), part(0.5, 0.5, odd, odd)] {
            let [first, last] = part;
            assert!(
                first.iter().zip(&last).all(|(a, b)| 1 <= *a && a <= b),
                "{first:?} {last:?}"
            );
            assert!(last[0] <= 768 && last[1] <= 700, "{last:?}");
        }
    }
}

/// In a presentation state the entries of a Modality LUT have 16 bits (PS3.3 C.11.1.1.1), and the window goes with them.
#[test]
fn a_modality_table_has_entries_of_16_bits_and_a_window_to_them() {
    let entries: Vec<u16> = (0..1024).map(|entry| entry / 2).collect();
    let film = PresentedFilm {
        transform: PixelTransform::Table(Lut {
            first_input: -5,
            entries: entries.clone(),
            bits: 9,
            explanation: None,
        }),
        ..shown(None)
    };
    let maker = maker(PatientPolicy::Copied);
    let place = maker.new_series().unwrap();
    let object = read(&maker.presentation_state(&header(), &film, &place).unwrap());
    let item = |tag| object.get(tag).unwrap().items().unwrap()[0].clone();
    let table = item(tags::MODALITY_LUT_SEQUENCE);
    let descriptor = table.get(tags::LUT_DESCRIPTOR).unwrap();
    assert_eq!(descriptor.to_multi_int::<i32>().unwrap(), [1024, -5, 16]);
    let data = table.get(tags::LUT_DATA).unwrap();
    let stretched: Vec<u16> = entries.iter().map(|entry| entry << 7).collect();
    assert_eq!(data.to_multi_int::<u16>().unwrap(), stretched);
    // 1024 and 2048 before: (1024 - 0.5) · 128 + 0.5, and (2048 - 1) · 128 + 1.
    let window = item(tags::SOFTCOPY_VOILUT_SEQUENCE);
    assert_eq!(text(&window, tags::WINDOW_CENTER), "131008.5");
    assert_eq!(text(&window, tags::WINDOW_WIDTH), "262017");
}

#[test]
fn patient_and_study_leave_only_when_asked_for() {
    for policy in [pseudonyms(false), pseudonyms(true)] {
        let keeps = matches!(
            policy,
            PatientPolicy::Pseudonyms {
                keeps_uids: true,
                ..
            }
        );
        for object in all_kinds(&policy) {
            for (tag, fact) in FACTS {
                assert!(!has(&object, fact), "{tag}");
            }
            assert!(!has(&object, NOTE));
            // UIDs of the film, as whole values.
            assert_eq!(has(&object, INSTANCE), keeps);
            assert_eq!(object.study == STUDY, keeps);
            let read = read(&object);
            assert_eq!(text(&read, tags::PATIENT_IDENTITY_REMOVED), "YES");
            assert!(text(&read, tags::PATIENT_ID).starts_with("CXR-"));
            assert_eq!(text(&read, tags::PATIENT_SEX), "");
        }
    }
    for object in all_kinds(&PatientPolicy::Copied) {
        let read = read(&object);
        for (tag, fact) in FACTS {
            assert_eq!(text(&read, tag), fact);
        }
        assert_eq!(text(&read, tags::STUDY_INSTANCE_UID), STUDY);
        assert!(has(&object, INSTANCE));
        assert!(read.get(tags::PATIENT_IDENTITY_REMOVED).is_none());
    }
    let copied = all_kinds(&PatientPolicy::Copied);
    assert!(has(&copied[0], NOTE), "a reader's note");
    assert!(has(&copied[2], NOTE), "the label of a mark");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for policy in [PatientPolicy::Copied, pseudonyms(false)] {
        assert_eq!(all_kinds(&policy), all_kinds(&policy));
    }
}

#[test]
fn a_refused_and_a_failed_film_are_said_to_be_so_and_have_no_number() {
    let refused = InputCheck::Refused(vec!["lateral view".to_owned()]);
    let refused = film(FilmOutcome::Answered(Box::new(prediction(refused))));
    let failed = film(FilmOutcome::Failed("damaged: it ends early".to_owned()));
    for (film, code, reason) in [
        (refused, "input-refused", "lateral view"),
        (failed, "input-failed", "damaged: it ends early"),
    ] {
        let maker = maker(PatientPolicy::Copied);
        let object = maker.measurement_report(&[film], None).unwrap();
        assert!(has(&object, code) && has(&object, reason));
        assert!(!has(&object, "Geographic extent"));
        // Not one number.
        assert!(!has(&object, "NUM "));
    }
}

#[test]
fn a_value_that_is_none_of_its_kind_is_left_out_and_no_panic() {
    let mut header = header();
    for (tag, value) in [
        (tags::PATIENT_BIRTH_DATE, "1950.01.02"),
        (tags::STUDY_TIME, "12:00"),
        (tags::PATIENT_AGE, "0é4Y"),
        (tags::PATIENT_SEX, "MALE"),
    ] {
        header
            .texts
            .retain(|text| (text.group, text.element) != (tag.0, tag.1));
        header.texts.push(HeaderText {
            group: tag.0,
            element: tag.1,
            value: value.to_owned(),
        });
    }
    let object = maker(PatientPolicy::Copied).key_objects(&[&header], "a^b=c\\d");
    let object = read(&object.unwrap());
    assert_eq!(text(&object, tags::PATIENT_BIRTH_DATE), "");
    assert_eq!(text(&object, tags::PATIENT_SEX), "");
    assert!(object.get(tags::PATIENT_AGE).is_none());
}

#[test]
fn a_film_without_its_identifiers_is_not_referred_to() {
    let mut header = header();
    let uid = tags::SERIES_INSTANCE_UID;
    header
        .texts
        .retain(|text| (text.group, text.element) != (uid.0, uid.1));
    let none = maker(PatientPolicy::Copied).key_objects(&[&header], "ann");
    assert_eq!(none, Err(DicomError::NoReference("Series Instance UID")));
}

/// Made in Python: hmac.new(bytes(range(32)), b"".join(len(p).to_bytes(8, "little") + p for p in parts), "sha256").
#[test]
fn pseudonyms_never_change() {
    assert_eq!(key().patient(&["H", "4711"]), "CXR-QND40Q8BDXYFCE97");
    assert_ne!(key().patient(&["", "H4711"]), key().patient(&["H", "4711"]));
    assert_eq!(
        key().uid(&UidRoot::OfUuid, "1.2.3"),
        "2.25.90606281106066029229045644446162699460"
    );
    let root = UidRoot::assigned("1.2.826.0.1").unwrap();
    assert_eq!(
        key().uid(&root, "1.2.3"),
        "1.2.826.0.1.90606281106066331451277176066601600196"
    );
    let owner = |issuer, patient, study| {
        let of = FilmOwner {
            issuer,
            patient,
            study,
        };
        key().owner(&of)
    };
    let known = owner(Some("H"), Some("4711"), Some("1.2.3"));
    assert_eq!(known.as_deref(), Some("CXR-QND40Q8BDXYFCE97"));
    assert_eq!(
        owner(None, Some("7"), None),
        owner(Some(""), Some("7"), Some("1.2"))
    );
    let unknown = owner(Some("H"), Some(""), Some("1.2.3"));
    assert_eq!(unknown, owner(None, None, Some("1.2.3")));
    assert_ne!(unknown, owner(None, None, Some("1.2.4")));
    assert_eq!(owner(Some("H"), None, None), None);
    assert_eq!(key().name().len(), 8);
    assert_ne!(key().name(), PseudonymKey::new(&[7; 32]).unwrap().name());
    assert!(PseudonymKey::new(&[0; 31]).is_err());
    assert_eq!(format!("{:?}", key()), "PseudonymKey");
}

#[test]
fn a_root_that_no_uid_can_begin_with_is_refused() {
    for bad in [
        "",
        "1",
        "1.",
        ".1",
        "1..2",
        "1.02",
        "1.a",
        "1.2 ",
        "1.-2",
        "1.11111111111111111111111111111111111111111111",
    ] {
        assert!(UidRoot::assigned(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_decimal_string_fits_and_is_near(value in -1e12_f64..1e12) {
        let text = decimal(value);
        prop_assert!(text.len() <= 16, "{text}");
        let read: f64 = text.parse().unwrap();
        prop_assert!((read - value).abs() <= value.abs() * 1e-8, "{text} {value}");
    }

    #[test]
    fn every_uid_is_one(bytes: [u8; 16], digits in 1_usize..43) {
        let root = format!("1.{}", "1".repeat(digits.min(41)));
        for root in [UidRoot::OfUuid, UidRoot::assigned(&root).unwrap()] {
            let uid = root.with(bytes);
            prop_assert!(is_uid(&uid), "{uid}");
        }
    }
}
