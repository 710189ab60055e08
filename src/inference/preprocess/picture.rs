//! A picture between two steps of a recipe.

/// One plane for each channel, or one for all of them where they are the same. Each is row by row, top left first.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub planes: ValuePlanes,
    /// The value of white, as long as black is 0 and no step has moved the values.
    pub white: f32,
}

/// The values of a picture. A filter computes with bytes as its library does with `uint8`, and with floats as it does
/// with `float32`.
#[derive(Debug, Clone, PartialEq)]
pub enum ValuePlanes {
    Bytes(Vec<Vec<u8>>),
    Floats(Vec<Vec<f32>>),
}

/// White of a byte.
pub const WHITE_BYTE: f32 = 255.0;

impl Picture {
    /// A picture of bytes.
    pub fn bytes((width, height): (usize, usize), planes: Vec<Vec<u8>>) -> Self {
        Picture {
            width,
            height,
            planes: ValuePlanes::Bytes(planes),
            white: WHITE_BYTE,
        }
    }

    /// A picture of floating-point numbers, 1 for white.
    pub fn floats((width, height): (usize, usize), planes: Vec<Vec<f32>>) -> Self {
        Picture {
            width,
            height,
            planes: ValuePlanes::Floats(planes),
            white: 1.0,
        }
    }

    /// The same values in single precision.
    pub fn float_planes(self) -> Vec<Vec<f32>> {
        match self.planes {
            ValuePlanes::Floats(planes) => planes,
            ValuePlanes::Bytes(planes) => {
                let floats = |plane: Vec<u8>| plane.into_iter().map(f32::from).collect();
                planes.into_iter().map(floats).collect()
            }
        }
    }

    /// `size` pixels from `start` on, of each axis (columns, rows). `start` may be negative, and the end beyond the
    /// picture: `fill` is there, one value for all channels or one for each.
    pub fn framed(self, start: (isize, isize), size: (usize, usize), fill: &[f64]) -> Self {
        let is_whole = start == (0, 0) && size == (self.width, self.height);
        if is_whole {
            return self;
        }
        let frame = Frame {
            from: (self.width, self.height),
            start,
            size,
        };
        let is_inside = frame.is_inside();
        let planes = match self.planes {
            ValuePlanes::Bytes(planes) => {
                let byte = |value: f64| value.round_ties_even().clamp(0.0, 255.0) as u8;
                let fills: Vec<u8> = fill.iter().map(|value| byte(*value)).collect();
                ValuePlanes::Bytes(frame.planes(planes, &fills, is_inside))
            }
            ValuePlanes::Floats(planes) => {
                let fills: Vec<f32> = fill.iter().map(|value| *value as f32).collect();
                ValuePlanes::Floats(frame.planes(planes, &fills, is_inside))
            }
        };
        Picture {
            width: size.0,
            height: size.1,
            planes,
            ..self
        }
    }

    /// The values, changed one by one. Bytes become floating-point numbers.
    pub fn mapped(self, value: impl Fn(f32) -> f32) -> Self {
        let planes = match self.planes {
            ValuePlanes::Bytes(planes) => {
                let table: Vec<f32> = (0..=u8::MAX).map(|byte| value(byte.into())).collect();
                let looked_up = |plane: Vec<u8>| -> Vec<f32> {
                    plane.iter().map(|byte| table[usize::from(*byte)]).collect()
                };
                planes.into_iter().map(looked_up).collect()
            }
            ValuePlanes::Floats(mut planes) => {
                for plane in &mut planes {
                    plane.iter_mut().for_each(|v| *v = value(*v));
                }
                planes
            }
        };
        Picture {
            planes: ValuePlanes::Floats(planes),
            ..self
        }
    }

    /// `channels · width · height` values, channel by channel. One plane serves for all channels.
    pub fn input(self, channels: usize) -> Vec<f32> {
        let mut planes = self.float_planes();
        match planes.len() {
            1 if channels == 1 => planes.remove(0),
            1 => planes[0].repeat(channels),
            _ => planes.concat(),
        }
    }
}

/// A rectangle that is laid over a picture.
struct Frame {
    from: (usize, usize),
    start: (isize, isize),
    size: (usize, usize),
}

impl Frame {
    /// Whether no pixel of it is beyond the picture.
    fn is_inside(&self) -> bool {
        let within = |start: isize, size: usize, from: usize| {
            usize::try_from(start).is_ok_and(|start| start + size <= from)
        };
        within(self.start.0, self.size.0, self.from.0)
            && within(self.start.1, self.size.1, self.from.1)
    }

    /// With several fills, a single plane becomes one for each.
    fn planes<T: Copy>(&self, planes: Vec<Vec<T>>, fills: &[T], is_inside: bool) -> Vec<Vec<T>> {
        let fill = |channel: usize| fills[channel.min(fills.len() - 1)];
        let count = match planes.len() {
            // What is beyond is not seen.
            1 if is_inside => 1,
            1 => fills.len(),
            count => count,
        };
        (0..count)
            .map(|channel| self.plane(&planes[channel.min(planes.len() - 1)], fill(channel)))
            .collect()
    }

    fn plane<T: Copy>(&self, plane: &[T], fill: T) -> Vec<T> {
        let (width, height) = self.size;
        let mut framed = vec![fill; width * height];
        let (columns, rows) = (
            overlap(self.start.0, width, self.from.0),
            overlap(self.start.1, height, self.from.1),
        );
        let Some(((x, from_x, across), (y, from_y, down))) = columns.zip(rows) else {
            return framed;
        };
        for row in 0..down {
            let source = &plane[(from_y + row) * self.from.0 + from_x..][..across];
            framed[(y + row) * width + x..][..across].copy_from_slice(source);
        }
        framed
    }
}

/// Where a frame of `size` from `start` meets a side of `from` pixels: the first pixel in the frame, the first in the
/// picture, and how many. `None` if they do not meet.
fn overlap(start: isize, size: usize, from: usize) -> Option<(usize, usize, usize)> {
    let before = start.min(0).unsigned_abs();
    let first = start.max(0).unsigned_abs();
    let count = size.checked_sub(before)?.min(from.checked_sub(first)?);
    (count > 0).then_some((before, first, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 to 5 in two rows.
    fn six() -> Picture {
        Picture::bytes((3, 2), vec![(0..6).collect()])
    }

    fn bytes(picture: Picture) -> Vec<Vec<u8>> {
        match picture.planes {
            ValuePlanes::Bytes(planes) => planes,
            ValuePlanes::Floats(_) => panic!("these are floats"),
        }
    }

    #[test]
    fn a_frame_cuts_and_fills() {
        assert_eq!(bytes(six().framed((1, 0), (2, 2), &[9.0])), [[1, 2, 4, 5]]);
        assert_eq!(
            bytes(six().framed((-1, 0), (5, 1), &[9.0])),
            [[9, 0, 1, 2, 9]]
        );
        assert_eq!(
            bytes(six().framed((2, -1), (2, 4), &[9.0])),
            [[9, 9, 2, 9, 5, 9, 9, 9]]
        );
        assert_eq!(bytes(six().framed((7, 0), (1, 2), &[9.0])), [[9, 9]]);
        assert_eq!(
            bytes(six().framed((0, 0), (3, 2), &[9.0])),
            [[0, 1, 2, 3, 4, 5]]
        );
        // A byte has no more than 255.
        assert_eq!(bytes(six().framed((0, 2), (1, 1), &[300.0])), [[255]]);
    }

    #[test]
    fn a_fill_for_each_channel_makes_planes_only_where_it_is_seen() {
        let fills = [7.0, 8.0, 9.0];
        assert_eq!(
            bytes(six().framed((2, 0), (2, 1), &fills)),
            [[2, 7], [2, 8], [2, 9]]
        );
        assert_eq!(bytes(six().framed((2, 0), (1, 1), &fills)), [[2]]);
    }

    #[test]
    fn values_are_mapped_and_a_plane_serves_for_all_channels() {
        let halves = six().mapped(|v| v / 2.0);
        assert_eq!(halves.clone().input(1), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        assert_eq!(halves.clone().input(3).len(), 18);
        assert_eq!(halves.clone().input(3)[6..12], halves.input(1));
        let three = Picture::floats((1, 1), vec![vec![1.0], vec![2.0], vec![3.0]]);
        assert_eq!(three.mapped(|v| v + 1.0).input(3), [2.0, 3.0, 4.0]);
    }
}
