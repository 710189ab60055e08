//! The encoding of values as bytes.
//!
//! A text or a list is its length (`u64`) and its items, an enumeration the number of its variant
//! (`u8`) and the values of that.

use std::time::Duration;

use crate::imaging::clean_text;

/// A value that has a form as bytes.
pub(super) trait Wire: Sized {
    /// The most items that a list of these values may have.
    const MOST: usize = 64;

    fn write(&self, to: &mut Vec<u8>);

    /// Reads a value and steps over its bytes; `None` if they are not what [`write`](Self::write) makes.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

pub(super) fn written(value: &impl Wire) -> Vec<u8> {
    let mut message = Vec::new();
    value.write(&mut message);
    message
}

/// The value that the whole message is; `None` if bytes are left over.
pub(super) fn whole<T: Wire>(mut message: &[u8]) -> Option<T> {
    let value = T::read(&mut message)?;
    message.is_empty().then_some(value)
}

macro_rules! integers {
    ($($number:ty)*) => {$(
        impl Wire for $number {
            /// Lookup tables have this many entries.
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

/// Only finite numbers are sound: others are refused.
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

/// The most bytes of a text. One line of a header is shorter, and the rest is not needed.
pub(super) const LONGEST_TEXT: usize = 4 << 10;

/// Texts are cleaned on reading, because the program shows them.
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
        if bool::read(from)? {
            T::read(from).map(Some)
        } else {
            Some(None)
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

/// Implements [`Wire`] for structures: their fields in this order, and after a semicolon those that are
/// not sent, with their values on reading.
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

/// Implements [`Wire`] for enumerations: each variant with its number and the names of its values.
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

pub(super) use {alternatives, structures};
