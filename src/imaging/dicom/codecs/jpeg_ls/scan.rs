//! The scan decoder of JPEG-LS (T.87 annex A).

use super::bits::Bits;
use super::context::{Context, RunContext};
use super::{CodingParameters, Interleave, JpegLsHeader, damaged};
use crate::imaging::ImageFault;

/// Orders of the codes of run lengths (A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// Decodes one scan.
pub(super) struct ScanDecoder<'a> {
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
    pub fn new(header: &JpegLsHeader, near: i32, coded: &'a [u8]) -> Result<Self, ImageFault> {
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
            contexts: [Context::new(a); 365],
            run_contexts: [RunContext::new(a); 2],
        })
    }

    /// Decodes a plane for each component of the scan.
    pub fn planes(
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

    /// One line of all components, sample by sample. A run is common to all of them.
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
        let k = context.order();
        let mapped = self.golomb(k, self.limit)?;
        let error = context.error(mapped, k, self.near);
        self.contexts[index] = context.updated(error, self.near, self.reset);
        Ok(self.reconstructed(predicted, sign * error))
    }

    /// The number of samples that repeat the one before, at most `most` (A.7.1.2).
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

    /// The sample that ends a run (A.7.2). Only lines of single components have two types of it.
    fn interruption(
        &mut self,
        ra: i32,
        rb: i32,
        run_index: usize,
        typed: bool,
    ) -> Result<i32, ImageFault> {
        let kind = usize::from(typed && (ra - rb).abs() <= self.near);
        let context = self.run_contexts[kind];
        let k = context.order(kind);
        let mapped = self.golomb(k, self.limit - J[run_index] - 1)?;
        let error = context.error(mapped, k, kind);
        self.run_contexts[kind] = context.updated(error, mapped, kind, self.reset);
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
        // No encoder writes more. Without a bound a hostile stream could overflow the contexts.
        if value > 2 * i64::from(self.range) + 2 {
            return Err(damaged("an impossible prediction error"));
        }
        Ok(value as i32)
    }

    /// The sample from prediction and error, modulo the range (A.4.4, A.5).
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
