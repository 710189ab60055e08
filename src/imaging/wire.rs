//! How a decoder process and the program speak: length-prefixed messages over pipes.
//!
//! A message is its length (`u64`) and that many bytes. Numbers are in the machine's own byte
//! order, because both ends are the same program on the same machine; samples are then copied and
//! not converted. What a reader allocates is bounded by the bytes it has, never by a number it
//! read, and every message that is not exactly what a writer here produces is refused: the decoder
//! process has touched a hostile file and is not trusted.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Fault, Limits};
use crate::domain::{
    Admission, ContentId, Fingerprint, Issuer, Lut, Modality, Objection, PatientFacts,
    PhotometricInterpretation, PixelTransform, Radiograph, Rescale, Samples, Uids, ViewPosition,
    VoiFunction, WindowLevel,
};

/// First message of a decoder process, and of the program to it: the protocol and its version.
pub(super) const HELLO: &[u8] = b"cxr decoder 4";

/// Writes one message.
pub(super) fn send(to: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let length: u64 = parts.iter().map(|p| p.len() as u64).sum();
    to.write_all(&length.to_ne_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))?;
    to.flush()
}

/// Reads one message of at most `longest` bytes; `None` at the end of the stream.
pub(super) fn receive(from: &mut impl Read, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match from.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut length[1..])?,
    }
    let length = u64::from_ne_bytes(length);
    if length > longest {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message is longer than allowed",
        ));
    }
    let mut message = Vec::new();
    message.try_reserve_exact(length as usize)?;
    from.take(length).read_to_end(&mut message)?;
    if (message.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(message))
}

/// A request: which file, and how much it may ask for.
pub(super) fn write_request(path: &Path, limits: &Limits) -> Option<Vec<u8>> {
    let mut w = Writer::default();
    w.u64(limits.max_file_bytes);
    w.u32(limits.max_width);
    w.u32(limits.max_height);
    w.u64(limits.max_pixels);
    w.u64(limits.max_memory);
    w.u64(limits.timeout.as_millis() as u64);
    w.bytes(&path_bytes(path)?);
    Some(w.0)
}

pub(super) fn read_request(message: &[u8]) -> Option<(PathBuf, Limits)> {
    let mut r = Reader(message);
    let limits = Limits {
        max_file_bytes: r.u64()?,
        max_width: r.u32()?,
        max_height: r.u32()?,
        max_pixels: r.u64()?,
        max_memory: r.u64()?,
        timeout: Duration::from_millis(r.u64()?),
    };
    let path = path_from_bytes(r.bytes()?)?;
    r.end((path, limits))
}

#[cfg(unix)]
fn path_bytes(path: &Path) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    Some(path.as_os_str().as_bytes().to_vec())
}

#[cfg(unix)]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Option<Vec<u8>> {
    path.to_str().map(|text| text.as_bytes().to_vec())
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// An answer, in two parts so that the samples are not copied: everything else, then the samples.
pub(super) fn write_answer(answer: &Result<Radiograph, Fault>) -> (Vec<u8>, &[u8]) {
    let mut w = Writer::default();
    match answer {
        Ok(radiograph) => {
            w.u8(0);
            w.radiograph(radiograph);
            (w.0, sample_bytes(&radiograph.samples))
        }
        Err(fault) => {
            w.u8(1);
            w.fault(fault);
            (w.0, &[])
        }
    }
}

/// `None` if the message is not one that [`write_answer`] makes.
pub(super) fn read_answer(message: &[u8]) -> Option<Result<Radiograph, Fault>> {
    let mut r = Reader(message);
    match r.u8()? {
        0 => Some(Ok(r.radiograph()?)),
        1 => {
            let fault = r.fault()?;
            r.end(Err(fault))
        }
        _ => None,
    }
}

fn sample_bytes(samples: &Samples) -> &[u8] {
    match samples {
        Samples::Grey8(v) | Samples::Rgb8(v) => v,
        Samples::Grey16(v) => bytemuck::cast_slice(v),
        Samples::GreySigned16(v) => bytemuck::cast_slice(v),
        Samples::GreyF32(v) => bytemuck::cast_slice(v),
    }
}

/// Which variant of [`Samples`] follows, and how many bytes a pixel takes.
fn sample_code(samples: &Samples) -> u8 {
    match samples {
        Samples::Grey8(_) => 0,
        Samples::Grey16(_) => 1,
        Samples::GreySigned16(_) => 2,
        Samples::GreyF32(_) => 3,
        Samples::Rgb8(_) => 4,
    }
}

fn samples_from(code: u8, bytes: &[u8]) -> Option<Samples> {
    fn numbers<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
        let mut v = vec![T::zeroed(); bytes.len() / size_of::<T>()];
        bytemuck::cast_slice_mut(&mut v).copy_from_slice(bytes);
        v
    }
    match code {
        0 => Some(Samples::Grey8(bytes.to_vec())),
        1 => Some(Samples::Grey16(numbers(bytes))),
        2 => Some(Samples::GreySigned16(numbers(bytes))),
        3 => Some(Samples::GreyF32(numbers(bytes))),
        4 => Some(Samples::Rgb8(bytes.to_vec())),
        _ => None,
    }
}

/// Height ÷ width of a pixel: the screen is divided by it.
const PLAUSIBLE_ASPECTS: std::ops::RangeInclusive<f64> = 0.05..=20.0;

const BYTES_PER_PIXEL: [usize; 5] = [1, 2, 2, 4, 3];

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, v: u8) {
        self.0.push(v);
    }

    fn u32(&mut self, v: u32) {
        self.0.extend(v.to_ne_bytes());
    }

    fn i32(&mut self, v: i32) {
        self.0.extend(v.to_ne_bytes());
    }

    fn u64(&mut self, v: u64) {
        self.0.extend(v.to_ne_bytes());
    }

    fn f64(&mut self, v: f64) {
        self.0.extend(v.to_ne_bytes());
    }

    fn bytes(&mut self, v: &[u8]) {
        self.u64(v.len() as u64);
        self.0.extend(v);
    }

    fn option<T>(&mut self, v: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(v.is_some().into());
        if let Some(v) = v {
            write(self, v);
        }
    }

    fn text(&mut self, v: Option<&String>) {
        self.option(v, |w, v| w.bytes(v.as_bytes()));
    }

    fn list<T>(&mut self, v: &[T], write: impl Fn(&mut Self, &T)) {
        self.u64(v.len() as u64);
        v.iter().for_each(|item| write(self, item));
    }

    fn lut(&mut self, lut: &Lut) {
        self.i32(lut.first_input);
        self.u8(lut.bits);
        self.text(lut.explanation.as_ref());
        self.bytes(bytemuck::cast_slice(&lut.entries));
    }

    fn window(&mut self, window: &WindowLevel) {
        self.f64(window.centre);
        self.f64(window.width);
        self.u8(match window.function {
            VoiFunction::Linear => 0,
            VoiFunction::LinearExact => 1,
            VoiFunction::Sigmoid => 2,
        });
        self.text(window.explanation.as_ref());
    }

    fn transform(&mut self, transform: &PixelTransform) {
        match transform {
            PixelTransform::Linear(rescale) => {
                self.u8(0);
                self.f64(rescale.slope);
                self.f64(rescale.intercept);
            }
            PixelTransform::Table(lut) => {
                self.u8(1);
                self.lut(lut);
            }
        }
    }

    fn modality(&mut self, modality: &Modality) {
        let (code, name) = match modality {
            Modality::Unknown => (0, None),
            Modality::Radiography(name) => (1, Some(name)),
            Modality::Other(name) => (2, Some(name)),
        };
        self.u8(code);
        self.text(name);
    }

    fn patient(&mut self, patient: &PatientFacts) {
        for fact in [&patient.sex, &patient.age, &patient.name, &patient.id] {
            self.text(fact.as_ref());
        }
        self.text(patient.issuer.local.as_ref());
        self.text(patient.issuer.universal.as_ref());
        for print in [patient.name_print, patient.birth_date_print] {
            self.option(print, |w, Fingerprint(print)| w.u64(print));
        }
    }

    fn objection(&mut self, objection: &Objection) {
        let (code, text) = match objection {
            Objection::ForProcessing => (0, None),
            Objection::BodyPart(part) => (1, Some(part)),
            Objection::Derived(kind) => (2, Some(kind)),
            Objection::SecondaryCapture(how) => (3, how.as_ref()),
            Objection::BurnedIn => (4, None),
            Objection::OneSide(side) => (5, Some(side)),
            Objection::View(view) => (6, Some(view)),
            Objection::Class { is_of, .. } => (7, Some(is_of)),
            Objection::Page { .. } => (8, None),
            Objection::PartlyTransparent { .. } => (9, None),
        };
        self.u8(code);
        self.text(text);
        match objection {
            Objection::Class { modality, .. } => self.bytes(modality.as_bytes()),
            Objection::Page { page, of } => {
                self.u32(*page);
                self.u32(*of);
            }
            Objection::PartlyTransparent { percent } => self.u8(*percent),
            _ => {}
        }
    }

    fn uids(&mut self, uids: &Uids) {
        for uid in [&uids.study, &uids.series, &uids.sop_instance] {
            self.text(uid.as_ref());
        }
    }

    fn radiograph(&mut self, r: &Radiograph) {
        self.0.extend(r.content.digest());
        self.u32(r.width as u32);
        self.u32(r.height as u32);
        self.u8(r.bits_stored);
        self.u8(match r.photometric {
            PhotometricInterpretation::Monochrome1 => 0,
            PhotometricInterpretation::Monochrome2 => 1,
            PhotometricInterpretation::Rgb => 2,
            PhotometricInterpretation::Palette => 3,
        });
        self.transform(&r.modality_transform);
        self.option(r.padding, |w, (low, high)| {
            w.i32(low);
            w.i32(high);
        });
        self.list(&r.windows, Self::window);
        self.list(&r.voi_luts, Self::lut);
        self.u8(r.inverted.into());
        self.f64(r.pixel_aspect);
        self.u8(match r.view {
            ViewPosition::Pa => 0,
            ViewPosition::Ap => 1,
            ViewPosition::Lateral => 2,
            ViewPosition::Unknown => 3,
        });
        self.modality(&r.modality);
        self.list(&r.admission.objections, Self::objection);
        self.patient(&r.patient);
        self.uids(&r.uids);
        self.text(r.taken.as_ref());
        self.u32(r.frames);
        self.bytes(r.format.as_bytes());
        self.u8(sample_code(&r.samples));
    }

    fn fault(&mut self, fault: &Fault) {
        let (code, reason) = match fault {
            Fault::Unreadable(reason) => (0, reason),
            Fault::NotAnImage(reason) => (1, reason),
            Fault::TooLarge(reason) => (2, reason),
            Fault::Damaged(reason) => (3, reason),
            Fault::Unsupported(reason) => (4, reason),
            Fault::DecoderDied(reason) => (5, reason),
            Fault::TimedOut(reason) => (6, reason),
            Fault::NoPicture(kind) => (7, kind),
        };
        self.u8(code);
        self.bytes(reason.as_bytes());
    }
}

/// What is left of a message. Every method is `None` where the message is not what it should be.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[v]| v)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    /// Infinities and what is no number are never written.
    fn f64(&mut self) -> Option<f64> {
        self.array()
            .map(f64::from_ne_bytes)
            .filter(|v| v.is_finite())
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u64()?;
        self.take(length.try_into().ok()?)
    }

    fn string(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }

    fn text(&mut self) -> Option<Option<String>> {
        self.option(Self::string)
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.u64()?;
        (0..length).map(|_| read(self)).collect()
    }

    fn lut(&mut self) -> Option<Lut> {
        Some(Lut {
            first_input: self.i32()?,
            bits: self.u8()?,
            explanation: self.text()?,
            entries: self
                .bytes()?
                .chunks(2)
                .map(|pair| pair.try_into().ok().map(u16::from_ne_bytes))
                .collect::<Option<_>>()?,
        })
    }

    fn window(&mut self) -> Option<WindowLevel> {
        Some(WindowLevel {
            centre: self.f64()?,
            width: self.f64()?,
            function: match self.u8()? {
                0 => VoiFunction::Linear,
                1 => VoiFunction::LinearExact,
                2 => VoiFunction::Sigmoid,
                _ => return None,
            },
            explanation: self.text()?,
        })
    }

    fn transform(&mut self) -> Option<PixelTransform> {
        match self.u8()? {
            0 => Some(PixelTransform::Linear(Rescale {
                slope: self.f64()?,
                intercept: self.f64()?,
            })),
            1 => self.lut().map(PixelTransform::Table),
            _ => None,
        }
    }

    fn modality(&mut self) -> Option<Modality> {
        match (self.u8()?, self.text()?) {
            (0, None) => Some(Modality::Unknown),
            (1, Some(name)) => Some(Modality::Radiography(name)),
            (2, Some(name)) => Some(Modality::Other(name)),
            _ => None,
        }
    }

    fn patient(&mut self) -> Option<PatientFacts> {
        Some(PatientFacts {
            sex: self.text()?,
            age: self.text()?,
            name: self.text()?,
            id: self.text()?,
            issuer: Issuer {
                local: self.text()?,
                universal: self.text()?,
            },
            name_print: self.option(Self::u64)?.map(Fingerprint),
            birth_date_print: self.option(Self::u64)?.map(Fingerprint),
        })
    }

    fn objection(&mut self) -> Option<Objection> {
        Some(match (self.u8()?, self.text()?) {
            (0, None) => Objection::ForProcessing,
            (1, Some(part)) => Objection::BodyPart(part),
            (2, Some(kind)) => Objection::Derived(kind),
            (3, how) => Objection::SecondaryCapture(how),
            (4, None) => Objection::BurnedIn,
            (5, Some(side)) => Objection::OneSide(side),
            (6, Some(view)) => Objection::View(view),
            (7, Some(is_of)) => Objection::Class {
                is_of,
                modality: self.string()?,
            },
            (8, None) => Objection::Page {
                page: self.u32()?,
                of: self.u32()?,
            },
            (9, None) => Objection::PartlyTransparent {
                percent: self.u8()?,
            },
            _ => return None,
        })
    }

    fn uids(&mut self) -> Option<Uids> {
        Some(Uids {
            study: self.text()?,
            series: self.text()?,
            sop_instance: self.text()?,
        })
    }

    fn photometric(&mut self) -> Option<PhotometricInterpretation> {
        match self.u8()? {
            0 => Some(PhotometricInterpretation::Monochrome1),
            1 => Some(PhotometricInterpretation::Monochrome2),
            2 => Some(PhotometricInterpretation::Rgb),
            3 => Some(PhotometricInterpretation::Palette),
            _ => None,
        }
    }

    fn view(&mut self) -> Option<ViewPosition> {
        match self.u8()? {
            0 => Some(ViewPosition::Pa),
            1 => Some(ViewPosition::Ap),
            2 => Some(ViewPosition::Lateral),
            3 => Some(ViewPosition::Unknown),
            _ => None,
        }
    }

    /// The samples are whatever is left, and must be exactly as many as width and height say.
    fn radiograph(&mut self) -> Option<Radiograph> {
        let mut r = Radiograph {
            content: self.array().map(ContentId::from_digest)?,
            width: self.u32()? as usize,
            height: self.u32()? as usize,
            samples: Samples::Grey8(Vec::new()),
            bits_stored: self.u8()?,
            photometric: self.photometric()?,
            modality_transform: self.transform()?,
            padding: self.option(|r| Some((r.i32()?, r.i32()?)))?,
            windows: self.list(Self::window)?,
            voi_luts: self.list(Self::lut)?,
            inverted: self.flag()?,
            pixel_aspect: self.f64()?,
            view: self.view()?,
            modality: self.modality()?,
            admission: Admission {
                objections: self.list(Self::objection)?,
            },
            patient: self.patient()?,
            uids: self.uids()?,
            taken: self.text()?,
            frames: self.u32()?,
            format: self.string()?,
        };
        if !PLAUSIBLE_ASPECTS.contains(&r.pixel_aspect) {
            return None;
        }
        let code = self.u8()?;
        let expected = r
            .width
            .checked_mul(r.height)?
            .checked_mul(*BYTES_PER_PIXEL.get(usize::from(code))?)?;
        if expected == 0 || self.0.len() != expected {
            return None;
        }
        r.samples = samples_from(code, self.0)?;
        Some(r)
    }

    fn fault(&mut self) -> Option<Fault> {
        let (code, reason) = (self.u8()?, self.string()?);
        Some(match code {
            0 => Fault::unreadable(reason),
            1 => Fault::not_an_image(reason),
            2 => Fault::too_large(reason),
            3 => Fault::damaged(reason),
            4 => Fault::unsupported(reason),
            5 => Fault::died(reason),
            6 => Fault::timed_out(reason),
            7 => Fault::no_picture(reason),
            _ => return None,
        })
    }

    /// `value`, if the message ends here.
    fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
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
                    Objection::Page { page: 2, of: 3 },
                    Objection::PartlyTransparent { percent: 7 },
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

    fn whole(answer: &Result<Radiograph, Fault>) -> Vec<u8> {
        let (description, samples) = write_answer(answer);
        [&description, samples].concat()
    }

    proptest! {
        #[test]
        fn answers_arrive_as_they_were_sent(
            samples in samples(),
            width in prop_oneof![Just(1_usize), Just(2), Just(4)],
            text in proptest::option::of(".{0,9}"),
        ) {
            let answer = Ok(radiograph(samples, width, text));
            prop_assert_eq!(read_answer(&whole(&answer)), Some(answer));
        }

        #[test]
        fn a_cut_or_lengthened_answer_is_none(samples in samples(), cut in 0..300_usize) {
            let message = whole(&Ok(radiograph(samples, 2, None)));
            let cut = cut.min(message.len() - 1);
            prop_assert_eq!(read_answer(&message[..cut]), None);
            prop_assert_eq!(read_answer(&[message, vec![0]].concat()), None);
        }

        #[test]
        fn no_answer_panics(
            samples in samples(),
            damage in proptest::collection::vec((0..400_usize, any::<u8>()), 1..9),
        ) {
            let mut message = whole(&Ok(radiograph(samples, 2, Some("x".into()))));
            for (at, byte) in damage {
                let length = message.len();
                message[at % length] = byte;
            }
            if let Some(Ok(r)) = read_answer(&message) {
                prop_assert_eq!(r.samples.pixels(), r.width * r.height);
            }
        }

        #[test]
        fn noise_is_no_message(noise in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = read_request(&noise);
            let _ = receive(&mut noise.as_slice(), 64);
            prop_assert!(!matches!(read_answer(&noise), Some(Ok(_))));
        }
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
        for (i, (spoil, odd)) in spoils.into_iter().enumerate() {
            for &v in odd.iter().chain(&[f64::NAN, f64::INFINITY]) {
                let mut r = radiograph(Samples::Grey8(vec![1; 4]), 2, None);
                spoil(&mut r, 1.0);
                assert!(read_answer(&whole(&Ok(r.clone()))).is_some(), "{i}");
                spoil(&mut r, v);
                assert_eq!(read_answer(&whole(&Ok(r))), None, "{i}: {v}");
            }
        }
    }

    #[test]
    fn requests_and_faults_arrive_as_they_were_sent() {
        let path = Path::new("folder/IM 1.dcm");
        let limits = Limits {
            timeout: Duration::from_millis(1500),
            ..Limits::default()
        };
        let request = write_request(path, &limits).expect("a request");
        assert_eq!(read_request(&request), Some((path.to_owned(), limits)));
        for fault in [
            Fault::damaged("a"),
            Fault::timed_out("b"),
            Fault::not_an_image("c"),
            Fault::no_picture("d"),
        ] {
            assert_eq!(read_answer(&whole(&Err(fault.clone()))), Some(Err(fault)));
        }
    }

    #[test]
    fn a_message_longer_than_allowed_is_not_read() {
        let mut sent = Vec::new();
        send(&mut sent, &[b"abc", b"def"]).expect("a vector takes it");
        assert_eq!(
            receive(&mut sent.as_slice(), 6).expect("whole"),
            Some(b"abcdef".to_vec())
        );
        assert!(receive(&mut sent.as_slice(), 5).is_err());
        assert!(receive(&mut &sent[..9], 6).is_err());
        assert_eq!(receive(&mut [].as_slice(), 6).expect("the end"), None);
    }
}
