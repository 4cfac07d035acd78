//! Floats out of a payload that names its kinds: a number that the float does not hold is no such float.
//!
//! JSON has one kind of number. An integer of 64 bits, or the text of a wider float, would be rounded.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Which float is asked for.
#[derive(Clone, Copy)]
pub(super) enum Float {
    Single,
    Double,
}

impl Float {
    fn holds_integer(self, magnitude: u128) -> bool {
        let digits = match self {
            Self::Single => f32::MANTISSA_DIGITS,
            Self::Double => f64::MANTISSA_DIGITS,
        };
        let bits = u128::BITS - magnitude.leading_zeros();
        bits.saturating_sub(magnitude.trailing_zeros()) <= digits
    }

    /// Whether the number is one that this float is written as.
    fn holds(self, number: f64) -> bool {
        match self {
            Self::Double => true,
            Self::Single => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "whether anything is lost is what is asked"
                )]
                let single = number as f32;
                number.is_nan()
                    || f64::from(single).to_bits() == number.to_bits()
                    || is_text_of(single, number)
            }
        }
    }
}

/// Whether a text of this single is read as the number. JSON says 0.1, of which neither float is exactly that.
fn is_text_of(single: f32, number: f64) -> bool {
    let Ok(text) = single.to_string().parse::<f64>() else {
        return false;
    };
    // Where two texts are as short and as close, who writes takes either.
    let distance = |from: f64| (from - f64::from(single)).abs();
    single.is_finite()
        && digits(number) <= digits(single)
        && distance(number) <= distance(text) * 1.000_001
}

/// How long the shortest text is that is read as this number, without its exponent.
fn digits(number: impl fmt::LowerExp) -> usize {
    let text = format!("{number:e}");
    text.split('e').next().map_or(0, str::len)
}

/// A visitor of a float that is given no other number.
pub(super) struct Exact<V> {
    pub(super) visitor: V,
    pub(super) float: Float,
}

macro_rules! integers {
    ($($method:ident($kind:ty, $magnitude:expr, $unexpected:expr),)*) => {
        $(
            fn $method<E: Error>(self, number: $kind) -> Result<V::Value, E> {
                if self.float.holds_integer($magnitude(number)) {
                    self.visitor.$method(number)
                } else {
                    Err(E::invalid_value($unexpected(number), &self))
                }
            }
        )*
    };
}

macro_rules! pass_on {
    ($($method:ident($kind:ty),)*) => {
        $(
            fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
                self.visitor.$method(value)
            }
        )*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Exact<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    integers! {
        visit_i64(i64, |number: i64| number.unsigned_abs().into(), Unexpected::Signed),
        visit_u64(u64, u128::from, Unexpected::Unsigned),
        visit_i128(i128, i128::unsigned_abs, |_| Unexpected::Other("an integer")),
        visit_u128(u128, |number| number, |_| Unexpected::Other("an integer")),
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<V::Value, E> {
        if self.float.holds(number) {
            self.visitor.visit_f64(number)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    pass_on! {
        visit_bool(bool),
        visit_f32(f32),
        visit_char(char),
        visit_str(&str),
        visit_borrowed_str(&'de str),
        visit_string(String),
        visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]),
        visit_byte_buf(Vec<u8>),
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_float_is_written_as_it_holds() {
        for bits in (0..=u32::MAX).step_by(40_009) {
            let single = f32::from_bits(bits);
            assert!(Float::Single.holds(single.into()), "{single}");
            #[cfg(feature = "json")]
            if single.is_finite() {
                let text = serde_json::to_string(&single).unwrap();
                let number: f64 = text.parse().unwrap();
                assert!(Float::Single.holds(number), "{text}");
                #[expect(clippy::cast_possible_truncation, reason = "as its visitor does")]
                let read = number as f32;
                assert_eq!(read.to_bits(), single.to_bits(), "{text}");
            }
        }
        for number in [0.123_456_789_012_345, 1e300, 16_777_217.0] {
            assert!(!Float::Single.holds(number), "{number}");
            assert!(Float::Double.holds(number), "{number}");
        }
    }

    #[test]
    fn an_integer_is_held_as_far_as_its_digits_go() {
        for number in [0, 1, 1 << 24, u128::from(u64::MAX) + 1] {
            assert!(Float::Single.holds_integer(number), "{number}");
        }
        let next = (1 << 24) + 1;
        assert!(!Float::Single.holds_integer(next));
        assert!(Float::Double.holds_integer(next));
        assert!(Float::Double.holds_integer(1 << 53));
        for number in [(1 << 53) + 1, u64::MAX.into(), u128::MAX] {
            assert!(!Float::Double.holds_integer(number), "{number}");
        }
    }
}
