//! What a decoder process and the program say to each other, as bytes.
//!
//! Numbers are in the machine's own byte order, because both ends are the same program on the same
//! machine. A text or a list is its length (`u64`) and its items; an alternative is its number
//! (`u8`) and what belongs to it. What a reader allocates is bounded by the bytes it has, never by
//! a number it read, and every message that is not exactly what a writer here produces is refused:
//! the decoder process has touched a hostile file and is not trusted.
//!
//! The samples of a film are no part of the description: they follow it as an
//! [`Attachment`](super::decoder::channel::Attachment).

use std::time::Duration;

use super::decoder::channel::{Attachment, ChannelMessage};
use super::decoder::confinement::{Attempt, Attempts, Confinement};
use super::{DecodeLimits, ImageFault, clean_text};
use crate::domain::{
    Admission, ContentId, Fingerprint, Issuer, Lut, Modality, Objection, PatientFacts,
    PhotometricInterpretation, PixelTransform, Radiograph, Rescale, Samples, Uids, ViewPosition,
    VoiFunction, WindowLevel,
};

/// What the program asks of a process that has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecoderTerms {
    /// Process ID of the program.
    pub parent: u32,
    /// Bytes that decoding one film may take.
    pub memory: u64,
}

/// A random number that an answer has to repeat. Bytes that were sent before it was known, such as
/// a late or a forged answer, can't be taken for the answer to this request.
pub(super) type Nonce = [u8; 16];

/// What the program asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DecoderTask {
    /// Decode the attached file.
    Decode(DecodeLimits),
    /// Try what must not be possible.
    Attempt,
}

pub(super) fn write_terms(terms: &DecoderTerms) -> Vec<u8> {
    written(terms)
}

pub(super) fn read_terms(message: &[u8]) -> Option<DecoderTerms> {
    whole(message)
}

pub(super) fn write_greeting(confinement: &Confinement) -> Vec<u8> {
    written(confinement)
}

pub(super) fn read_greeting(message: &[u8]) -> Option<Confinement> {
    whole(message)
}

pub(super) fn write_request(nonce: &Nonce, task: &DecoderTask) -> Vec<u8> {
    written(&(*nonce, task.clone()))
}

pub(super) fn read_request(message: &[u8]) -> Option<(Nonce, DecoderTask)> {
    whole(message)
}

/// An answer without the samples, which [`sample_bytes`] gives.
pub(super) fn write_answer(nonce: &Nonce, answer: &Result<Radiograph, ImageFault>) -> Vec<u8> {
    let mut message = nonce.to_vec();
    match answer {
        Ok(radiograph) => {
            0_u8.write(&mut message);
            radiograph.write(&mut message);
            sample_code(&radiograph.samples).write(&mut message);
        }
        Err(fault) => {
            1_u8.write(&mut message);
            fault.write(&mut message);
        }
    }
    message
}

/// `None` if the message is not one that [`write_answer`] makes, or answers another request.
pub(super) fn read_answer(
    nonce: &Nonce,
    message: &ChannelMessage,
) -> Option<Result<Radiograph, ImageFault>> {
    let from = &mut message.text.strip_prefix(nonce)?;
    match (u8::read(from)?, &message.attachment) {
        (0, Some(samples)) => {
            let radiograph = Radiograph::read(from)?;
            let code = whole(from)?;
            with_samples(radiograph, code, samples).map(Ok)
        }
        (1, None) => whole(from).map(|fault: ImageFault| Err(fault.in_one_line())),
        _ => None,
    }
}

pub(super) fn write_attempts(nonce: &Nonce, attempts: &Attempts) -> Vec<u8> {
    written(&(*nonce, *attempts))
}

pub(super) fn read_attempts(nonce: &Nonce, message: &[u8]) -> Option<Attempts> {
    whole(message.strip_prefix(nonce)?)
}

/// The samples, as they lie in memory.
pub(super) fn sample_bytes(samples: &Samples) -> &[u8] {
    match samples {
        Samples::Grey8(v) | Samples::Rgb8(v) => v,
        Samples::Grey16(v) => bytemuck::cast_slice(v),
        Samples::GreySigned16(v) => bytemuck::cast_slice(v),
        Samples::GreyF32(v) => bytemuck::cast_slice(v),
    }
}

/// Which variant of [`Samples`] is attached, and how many bytes a pixel takes.
fn sample_code(samples: &Samples) -> u8 {
    match samples {
        Samples::Grey8(_) => 0,
        Samples::Grey16(_) => 1,
        Samples::GreySigned16(_) => 2,
        Samples::GreyF32(_) => 3,
        Samples::Rgb8(_) => 4,
    }
}

const BYTES_PER_PIXEL: [usize; 5] = [1, 2, 2, 4, 3];

/// Height ÷ width of a pixel: the screen is divided by it.
const PLAUSIBLE_ASPECTS: std::ops::RangeInclusive<f64> = 0.05..=20.0;

/// The samples must be exactly as many as width and height say.
fn with_samples(r: Radiograph, code: u8, attached: &Attachment) -> Option<Radiograph> {
    let bytes_per_pixel = *BYTES_PER_PIXEL.get(usize::from(code))?;
    let pixels = r.width.checked_mul(r.height)?;
    let expected = pixels.checked_mul(bytes_per_pixel)?;
    let is_sound = PLAUSIBLE_ASPECTS.contains(&r.pixel_aspect)
        && expected != 0
        && attached.length() == expected as u64;
    let samples = is_sound.then(|| match code {
        0 => attached.numbers().map(Samples::Grey8),
        1 => attached.numbers().map(Samples::Grey16),
        2 => attached.numbers().map(Samples::GreySigned16),
        3 => attached.numbers().map(Samples::GreyF32),
        _ => attached.numbers().map(Samples::Rgb8),
    })?;
    let samples = samples.ok()?;
    Some(Radiograph { samples, ..r })
}

/// What can be written, and read back. Reading is `None` where the bytes are not what they should be.
trait Wire: Sized {
    /// How many of them a list has at most.
    const MOST: usize = 64;

    fn write(&self, to: &mut Vec<u8>);
    fn read(from: &mut &[u8]) -> Option<Self>;
}

fn written(value: &impl Wire) -> Vec<u8> {
    let mut message = Vec::new();
    value.write(&mut message);
    message
}

/// What all of `message` says.
fn whole<T: Wire>(mut message: &[u8]) -> Option<T> {
    let value = T::read(&mut message)?;
    message.is_empty().then_some(value)
}

macro_rules! integers {
    ($($number:ty)*) => {$(
        impl Wire for $number {
            /// The entries of a table.
            const MOST: usize = 1 << 16;

            fn write(&self, to: &mut Vec<u8>) {
                to.extend(self.to_ne_bytes());
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                Wire::read(from).map(Self::from_ne_bytes)
            }
        }
    )*};
}

integers! { u16 u32 i32 u64 }

impl Wire for u8 {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        from.split_off_first().copied()
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        from.split_off(..N)?.try_into().ok()
    }
}

/// Infinities and what is no number are never written.
impl Wire for f64 {
    fn write(&self, to: &mut Vec<u8>) {
        self.to_bits().write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let number = u64::read(from).map(f64::from_bits);
        number.filter(|v| v.is_finite())
    }
}

impl Wire for usize {
    fn write(&self, to: &mut Vec<u8>) {
        (*self as u64).write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u64::read(from)?.try_into().ok()
    }
}

impl Wire for bool {
    fn write(&self, to: &mut Vec<u8>) {
        u8::from(*self).write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Bytes of a text: what a header says in one line is shorter, and the rest is not needed.
const LONGEST_TEXT: usize = 4 << 10;

/// Clean on both sides: the one that reads it shows it.
impl Wire for String {
    fn write(&self, to: &mut Vec<u8>) {
        let text = &self[..self.floor_char_boundary(LONGEST_TEXT)];
        text.len().write(to);
        to.extend(text.as_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = usize::read(from).filter(|length| *length <= LONGEST_TEXT)?;
        let text = std::str::from_utf8(from.split_off(..length)?);
        text.ok().map(clean_text)
    }
}

impl Wire for Duration {
    fn write(&self, to: &mut Vec<u8>) {
        (self.as_millis() as u64).write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u64::read(from).map(Duration::from_millis)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        self.is_some().write(to);
        self.iter().for_each(|value| value.write(to));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match bool::read(from)? {
            true => T::read(from).map(Some),
            false => Some(None),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        let items = &self[..self.len().min(T::MOST)];
        items.len().write(to);
        items.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = usize::read(from).filter(|length| *length <= T::MOST)?;
        (0..length).map(|_| T::read(from)).collect()
    }
}

/// Structures: their fields in this order, and what is not sent but given on reading.
macro_rules! structures {
    ($($name:ident { $($field:ident),* $(; $($unsent:ident = $given:expr),*)? })*) => {$(
        impl Wire for $name {
            fn write(&self, to: &mut Vec<u8>) {
                let $name { $($field,)* $($($unsent: _,)*)? } = self;
                $($field.write(to);)*
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                Some($name {
                    $($field: Wire::read(from)?,)*
                    $($($unsent: $given,)*)?
                })
            }
        }
    )*};
}

/// Alternatives: each with its number, and the names of what belongs to it.
macro_rules! alternatives {
    ($($name:ident {
        $($number:literal $variant:ident $(($value:ident))? $({ $($field:ident),* })?),* $(,)?
    })*) => {$(
        impl Wire for $name {
            fn write(&self, to: &mut Vec<u8>) {
                match self {
                    $($name::$variant $(($value))? $({ $($field),* })? => {
                        to.push($number);
                        $($value.write(to);)?
                        $($($field.write(to);)*)?
                    })*
                }
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                match u8::read(from)? {
                    $($number => {
                        $(let $value = Wire::read(from)?;)?
                        $($(let $field = Wire::read(from)?;)*)?
                        Some($name::$variant $(($value))? $({ $($field),* })?)
                    })*
                    _ => None,
                }
            }
        }
    )*};
}

structures! {
    DecoderTerms { parent, memory }
    Confinement {
        no_new_privileges, ends_with_parent, no_core, descriptors_closed, memory, landlock, seccomp
    }
    Attempts { open, connect, execute, environment }
    DecodeLimits { max_file_bytes, max_width, max_height, max_pixels, max_memory, timeout }
    Lut { first_input, bits, explanation, entries }
    WindowLevel { centre, width, function, explanation }
    Rescale { slope, intercept }
    Admission { objections }
    Issuer { local, universal }
    PatientFacts { sex, age, name, id, issuer, name_print, birth_date_print }
    Uids { study, series, sop_instance }
    Radiograph {
        width, height, bits_stored, photometric, modality_transform, padding, windows, voi_luts,
        inverted, pixel_aspect, view, modality, admission, patient, uids, taken, frames, format;
        // The program hashes the file itself.
        content = ContentId::default(), samples = Samples::Grey8(Vec::new())
    }
}

alternatives! {
    DecoderTask { 0 Decode(limits), 1 Attempt }
    Attempt { 0 Possible, 1 Refused(errno) }
    VoiFunction { 0 Linear, 1 LinearExact, 2 Sigmoid }
    PixelTransform { 0 Linear(rescale), 1 Table(lut) }
    PhotometricInterpretation { 0 Monochrome1, 1 Monochrome2, 2 Rgb, 3 Palette }
    ViewPosition { 0 Pa, 1 Ap, 2 Lateral, 3 Unknown }
    Modality { 0 Unknown, 1 Radiography(name), 2 Other(name) }
    Objection {
        0 ForProcessing, 1 BodyPart(part), 2 Derived(kind), 3 SecondaryCapture(how), 4 BurnedIn,
        5 OneSide(side), 6 View(view), 7 Class { is_of, modality },
        8 Unread { attribute, value }, 9 Inverted(header),
        10 Page { page, of }, 11 PartlyTransparent { percent }, 12 NoTable(sequence),
        13 Deeper { stored, found },
    }
    ImageFault {
        0 Unreadable(reason), 1 NotAnImage(reason), 2 TooLarge(reason), 3 Damaged(reason),
        4 Unsupported(reason), 5 DecoderDied(reason), 6 TimedOut(reason), 7 NoPicture(kind),
    }
}

impl Wire for Fingerprint {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u64::read(from).map(Fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    /// The content is not sent.
    fn radiograph_of_no_file(samples: Samples, width: usize, text: Option<String>) -> Radiograph {
        Radiograph {
            content: ContentId::default(),
            ..radiograph(samples, width, text)
        }
    }

    #[test]
    fn a_text_arrives_clean_and_no_longer_than_a_header_has_it() {
        let text = format!("\u{1b}]0;{}\u{7}", "é".repeat(LONGEST_TEXT));
        let answer = Ok(radiograph_of_no_file(
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
            let answer = Ok(radiograph_of_no_file(samples, width, text));
            prop_assert_eq!(read_answer(&NONCE, &sent(&answer)), Some(answer));
        }

        #[test]
        fn a_cut_or_lengthened_answer_is_none(samples in samples(), cut in 0..300_usize) {
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
        fn noise_is_no_message(noise in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = (read_request(&noise), read_terms(&noise), read_greeting(&noise));
            let samples = Attachment::Bytes(vec![0; 8]);
            let text = [&NONCE[..], &noise].concat();
            let message = ChannelMessage { text, attachment: Some(samples) };
            prop_assert!(!matches!(read_answer(&NONCE, &message), Some(Ok(_))));
        }
    }

    #[test]
    fn the_answer_to_another_request_is_none() {
        let film = || sent(&Ok(radiograph(Samples::Grey8(vec![1; 4]), 2, None)));
        let fault = || sent(&Err(ImageFault::damaged("a")));
        for answer in [film, fault] as [fn() -> ChannelMessage; 2] {
            assert!(read_answer(&NONCE, &answer()).is_some());
            assert_eq!(read_answer(&[8; 16], &answer()), None);
        }
    }

    #[test]
    fn more_or_fewer_samples_than_pixels_and_none_at_all_are_none() {
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
    fn an_answer_with_impossible_numbers_is_none() {
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
        for task in [DecoderTask::Decode(limits), DecoderTask::Attempt] {
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
        // A process may say anything, and a reason is printed.
        let forged = Err(ImageFault::Damaged("a\x1b[2J\nb".to_owned()));
        let read = read_answer(&NONCE, &sent(&forged));
        let Some(Err(ImageFault::Damaged(reason))) = read else {
            panic!("{read:?}");
        };
        assert!(!reason.chars().any(char::is_control), "{reason:?}");
    }
}
