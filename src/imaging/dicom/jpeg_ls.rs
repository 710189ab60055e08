//! JPEG-LS, ITU-T T.87 (ISO/IEC 14495-1): lossless and near-lossless, 2 to 16 bits, components
//! after each other or interleaved by line or by sample.
//!
//! Names are those of the recommendation: `ra` is the value to the left, `rb` above, `rc` above
//! left, `rd` above right; section numbers refer to its annexes.

use super::super::ImageFault;

/// A decoded stream: values row by row, components interleaved.
pub(super) struct JpegLsImage {
    pub values: Vec<u32>,
    pub precision: u8,
    /// Some scan is near-lossless.
    pub lossy: bool,
}

/// What the marker segments say (C.2).
#[derive(Clone, Copy)]
struct JpegLsHeader {
    precision: u8,
    rows: usize,
    columns: usize,
    components: usize,
    preset: CodingParameters,
}

/// Preset coding parameters (C.2.4.1.1); zero stands for the default.
#[derive(Clone, Copy, Default)]
struct CodingParameters {
    maxval: i32,
    t1: i32,
    t2: i32,
    t3: i32,
    reset: i32,
}

#[derive(Clone, Copy, PartialEq)]
enum Interleave {
    None,
    SampleLine,
    Sample,
}

/// Decodes a stream whose size has been checked already.
pub(super) fn decode(stream: &[u8]) -> Result<JpegLsImage, ImageFault> {
    let mut markers = Markers { stream, at: 2 };
    let mut header: Option<JpegLsHeader> = None;
    let mut preset = CodingParameters::default();
    let mut planes: Vec<Vec<u16>> = Vec::new();
    let mut lossy = false;
    while let Some((marker, segment)) = markers.next() {
        match marker {
            0xf7 => header = Some(frame_header(segment)?),
            0xf8 if segment.first() == Some(&1) => preset = preset_parameters(segment)?,
            0xdd if segment.iter().any(|&b| b != 0) => {
                return Err(ImageFault::unsupported("JPEG-LS with restart intervals"));
            }
            0xe8 if segment.starts_with(b"mrfx") && segment.get(4) != Some(&0) => {
                return Err(ImageFault::unsupported("JPEG-LS with a colour transform"));
            }
            0xda => {
                let header = header.ok_or_else(|| damaged("a scan before the frame header"))?;
                let header = JpegLsHeader { preset, ..header };
                let scan = scan(&header, segment, markers.entropy_coded())?;
                planes.extend(scan.planes);
                lossy |= scan.near > 0;
                if planes.len() >= header.components {
                    return interleaved(&header, &planes, lossy);
                }
            }
            _ => {}
        }
    }
    Err(damaged("not every component has a scan"))
}

fn damaged(reason: &str) -> ImageFault {
    ImageFault::damaged(format!("JPEG-LS: {reason}"))
}

fn interleaved(
    header: &JpegLsHeader,
    planes: &[Vec<u16>],
    lossy: bool,
) -> Result<JpegLsImage, ImageFault> {
    if planes.len() != header.components {
        return Err(damaged("more components than the frame header says"));
    }
    let pixels = header.rows * header.columns;
    let values = (0..pixels)
        .flat_map(|i| planes.iter().map(move |plane| plane[i].into()))
        .collect();
    Ok(JpegLsImage {
        values,
        precision: header.precision,
        lossy,
    })
}

/// The marker segments of a stream, one after the other.
struct Markers<'a> {
    stream: &'a [u8],
    at: usize,
}

impl<'a> Markers<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        while self.stream.get(self.at..self.at + 2)? == [0xff, 0xff] {
            self.at += 1;
        }
        let &[0xff, marker, high, low] = self.stream.get(self.at..self.at + 4)? else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = self.stream.get(self.at + 4..self.at + 2 + length)?;
        self.at += 2 + length;
        Some((marker, segment))
    }

    /// The bytes up to the next marker: in them, 0xFF is followed by a byte below 0x80 (A.1).
    fn entropy_coded(&mut self) -> &'a [u8] {
        let rest = &self.stream[self.at..];
        let end = rest.windows(2).position(|w| w[0] == 0xff && w[1] >= 0x80);
        let end = end.unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}

fn frame_header(segment: &[u8]) -> Result<JpegLsHeader, ImageFault> {
    let &[precision, r1, r0, c1, c0, components, ..] = segment else {
        return Err(damaged("the frame header is cut off"));
    };
    if !(2..=16).contains(&precision) || !(1..=4).contains(&components) {
        return Err(damaged("impossible precision or number of components"));
    }
    Ok(JpegLsHeader {
        precision,
        rows: u16::from_be_bytes([r1, r0]).into(),
        columns: u16::from_be_bytes([c1, c0]).into(),
        components: components.into(),
        preset: CodingParameters::default(),
    })
}

fn preset_parameters(segment: &[u8]) -> Result<CodingParameters, ImageFault> {
    let numbers = segment
        .get(1..11)
        .ok_or_else(|| damaged("preset parameters are cut off"))?;
    let number = |i: usize| u16::from_be_bytes([numbers[2 * i], numbers[2 * i + 1]]).into();
    Ok(CodingParameters {
        maxval: number(0),
        t1: number(1),
        t2: number(2),
        t3: number(3),
        reset: number(4),
    })
}

/// A decoded scan: a plane for each of its components, and how far a value may be off.
struct Scan {
    planes: Vec<Vec<u16>>,
    near: u8,
}

/// Decodes one scan.
fn scan(header: &JpegLsHeader, segment: &[u8], coded: &[u8]) -> Result<Scan, ImageFault> {
    let cut_off = || damaged("a scan header is cut off");
    let components = usize::from(*segment.first().ok_or_else(cut_off)?);
    let parameters = segment
        .get(1 + 2 * components..3 + 2 * components)
        .ok_or_else(cut_off)?;
    let interleave = match parameters[1] {
        0 => Interleave::None,
        1 => Interleave::SampleLine,
        2 => Interleave::Sample,
        _ => return Err(damaged("an unknown way of interleaving")),
    };
    if components == 0 || components > header.components {
        return Err(damaged("an impossible number of components in a scan"));
    }
    if interleave == Interleave::None && components > 1 {
        return Err(damaged("components of a scan that are not interleaved"));
    }
    let near = parameters[0];
    let mut decoder = ScanDecoder::new(header, near.into(), coded)?;
    let planes = decoder.planes(header, components, interleave)?;
    Ok(Scan { planes, near })
}

/// Statistics of a context (A.2, A.6).
#[derive(Clone, Copy)]
struct Context {
    a: i64,
    b: i32,
    c: i32,
    n: i32,
}

/// Statistics of a context of run interruption (A.7.2).
#[derive(Clone, Copy)]
struct RunContext {
    a: i64,
    n: i32,
    nn: i32,
}

/// Orders of the codes of run lengths (A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

struct ScanDecoder<'a> {
    bits: Bits<'a>,
    near: i32,
    maxval: i32,
    range: i32,
    qbpp: u32,
    limit: u32,
    reset: i32,
    thresholds: [i32; 3],
    contexts: [Context; 365],
    run_contexts: [RunContext; 2],
}

/// A line with one value before it and one after it, so that every neighbour exists.
type Line = Vec<i32>;

impl<'a> ScanDecoder<'a> {
    /// Sets up parameters and contexts (A.2.1, C.2.4.1.1).
    fn new(header: &JpegLsHeader, near: i32, coded: &'a [u8]) -> Result<Self, ImageFault> {
        let preset = header.preset;
        let largest = (1 << header.precision) - 1;
        let maxval = if preset.maxval > 0 {
            preset.maxval.min(largest)
        } else {
            largest
        };
        if near > 255.min(maxval / 2) {
            return Err(damaged("an impossible bound of the error"));
        }
        let range = (maxval + 2 * near) / (2 * near + 1) + 1;
        let bits_of = |values: i32| 32 - (values - 1).leading_zeros();
        let bpp = bits_of(maxval + 1).max(2);
        let a = i64::from((range + 32) / 64).max(2);
        Ok(ScanDecoder {
            bits: Bits::new(coded),
            near,
            maxval,
            range,
            qbpp: bits_of(range),
            limit: 2 * (bpp + bpp.max(8)),
            reset: if preset.reset > 2 { preset.reset } else { 64 },
            thresholds: thresholds(preset, maxval, near),
            contexts: [Context {
                a,
                b: 0,
                c: 0,
                n: 1,
            }; 365],
            run_contexts: [RunContext { a, n: 1, nn: 0 }; 2],
        })
    }

    fn planes(
        &mut self,
        header: &JpegLsHeader,
        components: usize,
        interleave: Interleave,
    ) -> Result<Vec<Vec<u16>>, ImageFault> {
        let columns = header.columns;
        let mut planes = vec![Vec::with_capacity(columns * header.rows); components];
        let mut above: Vec<Line> = vec![vec![0; columns + 2]; components];
        let mut lines = above.clone();
        let mut run_indices = vec![0; components];
        for _ in 0..header.rows {
            for (line, above) in lines.iter_mut().zip(&mut above) {
                above[columns + 1] = above[columns];
                line[0] = above[1];
            }
            if interleave == Interleave::Sample && components > 1 {
                self.lines_by_sample(&mut lines, &above, &mut run_indices[0])?;
            } else {
                let each = lines.iter_mut().zip(&above).zip(&mut run_indices);
                for ((line, above), run_index) in each {
                    self.line(line, above, run_index)?;
                }
            }
            for (plane, line) in planes.iter_mut().zip(&lines) {
                plane.extend(line[1..=columns].iter().map(|&v| v as u16));
            }
            std::mem::swap(&mut lines, &mut above);
        }
        Ok(planes)
    }

    /// One line of one component.
    fn line(
        &mut self,
        line: &mut Line,
        above: &Line,
        run_index: &mut usize,
    ) -> Result<(), ImageFault> {
        let columns = line.len() - 2;
        let mut x = 1;
        while x <= columns {
            let gradients = self.gradients(line, above, x);
            if gradients != [0; 3] {
                line[x] = self.regular(gradients, line[x - 1], above[x], above[x - 1])?;
                x += 1;
                continue;
            }
            let run = self.run_length(columns + 1 - x, run_index)?;
            let ra = line[x - 1];
            line[x..x + run].fill(ra);
            x += run;
            if x <= columns {
                line[x] = self.interruption(ra, above[x], *run_index, true)?;
                *run_index = run_index.saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// One line of all components, sample by sample: a run is one of all of them together.
    fn lines_by_sample(
        &mut self,
        lines: &mut [Line],
        above: &[Line],
        run_index: &mut usize,
    ) -> Result<(), ImageFault> {
        let columns = above[0].len() - 2;
        let mut x = 1;
        while x <= columns {
            let gradients: Vec<_> = lines
                .iter()
                .zip(above)
                .map(|(line, above)| self.gradients(line, above, x))
                .collect();
            if gradients.iter().any(|g| *g != [0; 3]) {
                for ((line, above), g) in lines.iter_mut().zip(above).zip(gradients) {
                    line[x] = self.regular(g, line[x - 1], above[x], above[x - 1])?;
                }
                x += 1;
                continue;
            }
            let run = self.run_length(columns + 1 - x, run_index)?;
            for line in lines.iter_mut() {
                let ra = line[x - 1];
                line[x..x + run].fill(ra);
            }
            x += run;
            if x <= columns {
                for (line, above) in lines.iter_mut().zip(above) {
                    line[x] = self.interruption(line[x - 1], above[x], *run_index, false)?;
                }
                *run_index = run_index.saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// Quantised local gradients (A.3.1, A.3.3).
    fn gradients(&self, line: &Line, above: &Line, x: usize) -> [i32; 3] {
        let (ra, rb, rc, rd) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
        [rd - rb, rb - rc, rc - ra].map(|d| self.quantise(d))
    }

    fn quantise(&self, d: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let size = match d.abs() {
            d if d <= self.near => 0,
            d if d < t1 => 1,
            d if d < t2 => 2,
            d if d < t3 => 3,
            _ => 4,
        };
        size * d.signum()
    }

    /// A sample in regular mode (A.4 to A.6).
    fn regular(
        &mut self,
        [q1, q2, q3]: [i32; 3],
        ra: i32,
        rb: i32,
        rc: i32,
    ) -> Result<i32, ImageFault> {
        let q = 81 * q1 + 9 * q2 + q3;
        let sign = q.signum() | 1;
        let index = q.unsigned_abs() as usize;
        let context = self.contexts[index];
        let predicted = if rc >= ra.max(rb) {
            ra.min(rb)
        } else if rc <= ra.min(rb) {
            ra.max(rb)
        } else {
            ra + rb - rc
        };
        let predicted = (predicted + sign * context.c).clamp(0, self.maxval);
        let k = order(context.a, context.n);
        let mapped = self.golomb(k, self.limit)?;
        let error = if self.near == 0 && k == 0 && 2 * context.b <= -context.n {
            if mapped & 1 == 1 {
                (mapped - 1) / 2
            } else {
                -(mapped / 2) - 1
            }
        } else if mapped & 1 == 1 {
            -((mapped + 1) / 2)
        } else {
            mapped / 2
        };
        self.contexts[index] = context.updated(error, self.near, self.reset);
        Ok(self.reconstructed(predicted, sign * error))
    }

    /// How many samples repeat the one before, out of at most `most` (A.7.1.2).
    fn run_length(&mut self, most: usize, run_index: &mut usize) -> Result<usize, ImageFault> {
        let mut run = 0;
        while self.bits.read(1)? == 1 {
            let step = 1 << J[*run_index];
            if step <= most - run {
                *run_index = (*run_index + 1).min(31);
            }
            run = (run + step).min(most);
            if run == most {
                return Ok(run);
            }
        }
        run += self.bits.read(J[*run_index])? as usize;
        if run >= most {
            return Err(damaged("a run goes past the end of its line"));
        }
        Ok(run)
    }

    /// The sample that ends a run (A.7.2). Only single components know two types of it.
    fn interruption(
        &mut self,
        ra: i32,
        rb: i32,
        run_index: usize,
        typed: bool,
    ) -> Result<i32, ImageFault> {
        let kind = usize::from(typed && (ra - rb).abs() <= self.near);
        let context = self.run_contexts[kind];
        let k = order(
            context.a
                + if kind == 1 {
                    i64::from(context.n >> 1)
                } else {
                    0
                },
            context.n,
        );
        let mapped = self.golomb(k, self.limit - J[run_index] - 1)?;
        let shifted = mapped + kind as i32;
        let size = (shifted + 1) / 2;
        let is_negative = (k != 0 || 2 * context.nn >= context.n) == (shifted & 1 == 1);
        let error = if is_negative { -size } else { size };
        self.run_contexts[kind] = context.updated(error, mapped, kind as i32, self.reset);
        if kind == 1 {
            return Ok(self.reconstructed(ra, error));
        }
        Ok(self.reconstructed(rb, if rb < ra { -error } else { error }))
    }

    /// A limited-length Golomb code (A.5.3).
    fn golomb(&mut self, k: u32, limit: u32) -> Result<i32, ImageFault> {
        let longest = limit.saturating_sub(self.qbpp + 1);
        let zeros = self.bits.zeros(longest)?;
        let value = if zeros < longest {
            i64::from(zeros) << k | i64::from(self.bits.read(k)?)
        } else {
            i64::from(self.bits.read(self.qbpp)?) + 1
        };
        // No encoder yields more; without a bound a hostile stream could overflow the contexts.
        if value > 2 * i64::from(self.range) + 2 {
            return Err(damaged("an impossible prediction error"));
        }
        Ok(value as i32)
    }

    /// Prediction and error to a sample, modulo the range (A.4.4, A.5).
    fn reconstructed(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.maxval + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.maxval)
    }
}

/// Order of the Golomb code (A.5.1).
fn order(a: i64, n: i32) -> u32 {
    (0..24).find(|&k| i64::from(n) << k >= a).unwrap_or(24)
}

impl Context {
    /// A.6.1 and A.6.2.
    fn updated(mut self, error: i32, near: i32, reset: i32) -> Context {
        self.b += error * (2 * near + 1);
        self.a += i64::from(error.abs());
        if self.n == reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        if self.b <= -self.n {
            self.b = (self.b + self.n).max(-self.n + 1);
            self.c = (self.c - 1).max(-128);
        } else if self.b > 0 {
            self.b = (self.b - self.n).min(0);
            self.c = (self.c + 1).min(127);
        }
        self
    }
}

impl RunContext {
    /// A.7.2.2.
    fn updated(mut self, error: i32, mapped: i32, kind: i32, reset: i32) -> RunContext {
        self.nn += i32::from(error < 0);
        self.a += i64::from((mapped + 1 - kind) >> 1);
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.nn >>= 1;
        }
        self.n += 1;
        self
    }
}

/// Thresholds of the gradients, as preset or by default (C.2.4.1.1.1).
fn thresholds(preset: CodingParameters, maxval: i32, near: i32) -> [i32; 3] {
    let within = |value: i32, low: i32| {
        if value > maxval || value < low {
            low
        } else {
            value
        }
    };
    let basic = [(3, 2, 3), (7, 3, 5), (21, 4, 7)];
    let mut low = near + 1;
    let defaults = basic.map(|(basic, offset, weight)| {
        let value = if maxval >= 128 {
            let factor = (maxval.min(4095) + 128) / 256;
            factor * (basic - offset) + offset + weight * near
        } else {
            let factor = 256 / (maxval + 1);
            offset.max(basic / factor + weight * near)
        };
        low = within(value, low);
        low
    });
    let chosen = |preset: i32, default| if preset > 0 { preset } else { default };
    [
        chosen(preset.t1, defaults[0]),
        chosen(preset.t2, defaults[1]),
        chosen(preset.t3, defaults[2]),
    ]
}

/// Bits, most significant first; the bit after a byte of ones is stuffed (A.1).
struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that were fetched, at the top.
    cache: u64,
    cached: u32,
    after_ones: bool,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Bits {
            bytes,
            cache: 0,
            cached: 0,
            after_ones: false,
        }
    }

    fn fill(&mut self) {
        while self.cached <= 56 {
            let Some((&byte, rest)) = self.bytes.split_first() else {
                return;
            };
            self.bytes = rest;
            let fresh = if self.after_ones { 7 } else { 8 };
            self.after_ones = byte == 0xff;
            self.cached += fresh;
            self.cache |= u64::from(byte) << (64 - self.cached);
        }
    }

    fn read(&mut self, n: u32) -> Result<u32, ImageFault> {
        if n == 0 {
            return Ok(0);
        }
        if self.cached < n {
            self.fill();
        }
        if self.cached < n {
            return Err(damaged("the data end early"));
        }
        let value = (self.cache >> (64 - n)) as u32;
        self.cache <<= n;
        self.cached -= n;
        Ok(value)
    }

    /// Counts the zeros, at most `most`, before a one, which is consumed.
    fn zeros(&mut self, most: u32) -> Result<u32, ImageFault> {
        let mut zeros = 0;
        while self.read(1)? == 0 {
            zeros += 1;
            if zeros > most {
                return Err(damaged("a code is longer than allowed"));
            }
        }
        Ok(zeros)
    }
}
