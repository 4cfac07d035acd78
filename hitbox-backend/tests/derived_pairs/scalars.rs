//! Integers, floats, characters, texts and bytes.

use std::{
    borrow::Cow, cmp::Reverse, ffi::CString, num::*, path::PathBuf, sync::atomic::AtomicU64,
};

/// Bytes as serde knows them, which a sequence of numbers is not.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The one type of std that asks for bytes, and for those that end in no zero.
        CString::deserialize(deserializer).map(|text| Self(text.into_bytes()))
    }
}

pairs! {
    u8_as_u16: [Miss, Same] (u8) => (u16), 7;
    u16_as_u32: [Miss, Same] (u16) => (u32), 700;
    u32_as_u64: [Miss, Same] (u32) => (u64), 70_000;
    u64_as_u128: [Miss, Same] (u64) => (u128), u64::MAX;
    i8_as_i16: [Miss, Same] (i8) => (i16), -7;
    i32_as_i64: [Miss, Same] (i32) => (i64), -70_000;
    i64_as_i128: [Miss, Same] (i64) => (i128), i64::MIN;
    u32_as_i32: [Miss, Same] (u32) => (i32), 7;
    u32_beyond_i32: [Miss, Miss] (u32) => (i32), u32::MAX;
    i64_as_u64: [Miss, Miss] (i64) => (u64), -1;
    u64_beyond_u8: [Miss, Miss] (u64) => (u8), 256;
    u128_as_u64: [Miss, Miss] (u128) => (u64), u128::MAX;
    u128_as_i128: [Miss, Same] (u128) => (i128), 1 << 100;
    u8_as_bool: [Miss, Miss] (u8) => (bool), 1;
    bool_as_u8: [Miss, Miss] (bool) => (u8), true;
    u32_as_char: [Miss, Miss] (u32) => (char), 65;
    char_as_u32: [Miss, Miss] (char) => (u32), 'A';
    char_as_text: [Miss, Same] (char) => (String), 'A';
    text_as_char: [Miss, Same] (String) => (char), "A".into();
    i32_as_f32: [Miss, Same] (i32) => (f32), 7;
    u64_as_f64: [Miss, Same] (u64) => (f64), 9_007_199_254_740_992;
    wide_u64_as_f64: [Miss, Miss] (u64) => (f64), 9_007_199_254_740_993;
    u64_as_f32: [Miss, Miss] (u64) => (f32), 16_777_217;
    short_f64_as_f32: [Miss, Same] (f64) => (f32), 0.1;
    f64_as_u64: [Miss, Miss] (f64) => (u64), 7.0;
    f32_as_f64: [Miss, Same] (f32) => (f64), 0.1;
    f64_as_f32: [Miss, Same] (f64) => (f32), 0.1;
    f64_beyond_f32: [Miss, Miss] (f64) => (f32), 1e300;
    f64_as_its_bits: [Miss, Miss] (f64) => (u64), f64::MIN_POSITIVE;
    f64_as_text: [Miss, Miss] (f64) => (String), 0.5;
    usize_as_u64: [Same, Same] (usize) => (u64), 7;
    isize_as_i64: [Same, Same] (isize) => (i64), -7;
    nonzero_as_integer: [Same, Same] (NonZeroU32) => (u32), NonZeroU32::MIN;
    integer_as_nonzero: [Same, Same] (u32) => (NonZeroU32), 7;
    zero_as_nonzero: [Refused, Miss] (u32) => (NonZeroU32), 0;
    nonzero_as_wider: [Miss, Same] (NonZeroU8) => (NonZeroU64), NonZeroU8::MIN;
    nonzero_as_signed: [Miss, Same] (NonZeroU8) => (NonZeroI8), NonZeroU8::MIN;
    wrapping_as_integer: [Same, Same] (Wrapping<u16>) => (u16), Wrapping(7);
    wrapping_as_wider: [Miss, Same] (Wrapping<u16>) => (Wrapping<u32>), Wrapping(7);
    saturating_as_wrapping: [Same, Same] (Saturating<i8>) => (Wrapping<i8>), Saturating(-7);
    reverse_as_itself_within: [Same, Same] (Reverse<u8>) => (u8), Reverse(7);
    atomic_as_integer: [Same, Same] (AtomicU64) => (u64), AtomicU64::new(7);

    text_as_boxed: [Same, Same] (String) => (Box<str>), "text".into();
    text_as_cow: [Same, Same] (String) => (Cow<'static, str>), "text".into();
    cow_as_path: [Same, Same] (Cow<'static, str>) => (PathBuf), "/tmp".into();
    text_as_numbers: [Miss, Miss] (String) => (Vec<u8>), "text".into();
    text_as_characters: [Miss, Miss] (String) => (Vec<char>), "text".into();
    text_as_bytes: [Miss, Same] (String) => (Bytes), "text".into();
    text_as_integer: [Miss, Miss] (String) => (u64), "7".into();
    numbers_as_bytes: [Miss, Same] (Vec<u8>) => (Bytes), vec![1, 2, 3];
    bytes_as_numbers: [Miss, Same] (Bytes) => (Vec<u8>), Bytes(vec![1, 2, 3]);
    bytes_as_array: [Miss, Same] (Bytes) => ([u8; 3]), Bytes(vec![1, 2, 3]);
    bytes_as_text: [Miss, Miss] (Bytes) => (String), Bytes(b"text".to_vec());
    c_text_as_bytes: [Same, Same] (CString) => (Bytes), c"text".into();
    c_text_as_text: [Miss, Miss] (CString) => (String), c"text".into();
    text_with_zero_as_c_text: [Miss, Miss] (String) => (CString), "\0text".into();
}
