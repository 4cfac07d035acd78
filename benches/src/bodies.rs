//! What is cached: structures of different sizes and shapes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hitbox_backend::Cacheable;
use hitbox_core::{CacheValue, Stamp};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl Size {
    /// The sizes that most questions are asked for.
    pub const USUAL: [Self; 3] = [Self(64), Self::ONE_KB, Self(16 << 10)];
    /// The size that quick runs ask for.
    pub const ONE_KB: Self = Self(1 << 10);
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 => write!(f, "{} MB", bytes >> 20),
            bytes if bytes >= 1 << 10 => write!(f, "{} KB", bytes >> 10),
            bytes => write!(f, "{bytes} B"),
        }
    }
}

/// A structure that can be cached.
pub trait Body: Cacheable + Clone {
    /// The type of its body.
    const NAME: &'static str;

    /// One of these whose body has this size.
    fn new(id: u64, size: Size) -> Self;
}

/// A structure with a `String`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Text {
    id: u64,
    body: String,
}

impl Body for Text {
    const NAME: &'static str = "String";

    fn new(id: u64, size: Size) -> Self {
        let body = "abcdefghijklmnop".chars().cycle().take(size.0).collect();
        Self { id, body }
    }
}

/// A structure with a `Vec<u8>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binary {
    id: u64,
    body: Vec<u8>,
}

impl Body for Binary {
    const NAME: &'static str = "Vec<u8>";

    fn new(id: u64, size: Size) -> Self {
        let body = (0..=u8::MAX).cycle().take(size.0).collect();
        Self { id, body }
    }
}

/// What a floor stores: the same bytes that hitbox encodes a body to.
///
/// # Errors
///
/// What bincode returns.
pub fn encoded(body: &impl Body) -> Result<Bytes, Failure> {
    let encoded = bincode::serde::encode_to_vec(body, bincode::config::standard())?;
    Ok(Bytes::from(encoded))
}

/// What a floor does with the bytes that it has read.
///
/// # Errors
///
/// What bincode returns.
pub fn decoded<T: Body>(bytes: &[u8]) -> Result<T, Failure> {
    let (body, _) = bincode::serde::decode_from_slice(bytes, bincode::config::standard())?;
    Ok(body)
}

/// An expiry beyond the end of any run.
#[must_use]
pub fn expiry() -> Option<DateTime<Utc>> {
    Some(Utc::now() + TimeDelta::hours(6))
}

/// A value that a cache takes, made now.
#[must_use]
pub fn value<T>(body: &Arc<T>, expiry: Option<DateTime<Utc>>) -> CacheValue<Arc<T>> {
    CacheValue::from_parts(Arc::clone(body), expiry, None, Stamp::now())
}
