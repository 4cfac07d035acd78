use std::fmt;

use hitbox_core::FormatId;
use serde::de::DeserializeSeed;

use super::error::FormatError;

/// What a [`Format`] hands its decoder to.
pub type Visit<'v> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> + 'v;

/// A serialization format.
///
/// Implement it to use one that hitbox does not bring, with an id from [`FormatId::custom`]. Ids
/// below 128 are hitbox's own: typed access takes a format that answers with one of them for the
/// format it brings under that id, and does not call it.
///
/// Stored bytes may be corrupt or hostile. An implementation must not panic on any payload, and
/// should not allocate much more than the payload's length. Its errors end up in logs, so they must
/// not quote the value.
///
/// # Types that cannot be told apart
///
/// The fingerprint of a type covers each field and variant in it, at any depth. It is found by letting
/// the type deserialize itself from made-up values, once in a process. Where a value is refused, others
/// are tried; the fields of a struct are all found nevertheless. Some types cannot be traced to their
/// end: those that have something behind a part, in a tuple or as the value of a map, whose
/// `Deserialize` refuses all that is tried; enums whose variants have serde's `alias`, or cannot all be
/// read; types whose `Deserialize` panics at a made-up value; types that are seen to ask for other things
/// from time to time; and types that are too large: of more than 4,096 requests (each field, variant and
/// element of a tuple is one), nested deeper than 128, or that take more than 200,000 to be found out.
///
/// Values of those are stored as JSON, whatever the backend's format: larger (numbers as text, each
/// field with its name), slower, and refused where JSON refuses them. Each is read once as it is written,
/// and what its type asks for then is noted beside it: names, kinds and order. A reader that asks for
/// something else takes it for a miss. Refused is what does not read all that it writes, by the same
/// names in the same order; what has serde's `alias` on a field behind such a part; and a compound in there that
/// is read by looking at what is there. Without the feature `json` these types
/// are not storable in a format that does not describe itself.
///
/// A `Deserialize` that decides by a value what it asks for next, as one by hand may that reads a number
/// and then one of two kinds, is traced along one branch only. Along the others it reads nothing: a payload
/// that leads there is a miss, and a value of the type that would lead there is refused when it is written.
///
/// ```
/// use hitbox_backend::{
///     BincodeFormat, Format,
///     format::{FormatError, Visit, erased_serde},
/// };
/// use hitbox_core::FormatId;
///
/// /// bincode with every byte inverted.
/// #[derive(Debug)]
/// struct InvertedFormat;
///
/// impl Format for InvertedFormat {
///     fn id(&self) -> FormatId {
///         FormatId::custom(200)
///     }
///
///     fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
///         let mut payload = BincodeFormat.encode(value)?;
///         payload.iter_mut().for_each(|byte| *byte = !*byte);
///         Ok(payload)
///     }
///
///     fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
///         let payload: Vec<u8> = payload.iter().map(|byte| !byte).collect();
///         BincodeFormat.decode(&payload, visit)
///     }
/// }
///
/// assert_eq!(InvertedFormat.encode(&1_u8)?, [0xFE]);
/// # Ok::<(), FormatError>(())
/// ```
pub trait Format: Send + Sync + fmt::Debug {
    /// What stored forms name this format by.
    fn id(&self) -> FormatId;

    /// Whether a payload names its own fields and kinds, as JSON does, so that a payload of another
    /// type fails to decode by itself, and one of an older version of the type need not.
    ///
    /// So a struct is read by the names of its fields: a sequence is not taken for one, though its decoder
    /// may offer it.
    ///
    /// Payloads of a format that does not are stored with a fingerprint of their type, and one with
    /// another fingerprint than the reader's is a miss. A type that
    /// [has none](Self#types-that-cannot-be-told-apart) is not handed to such a format. Default: `false`.
    fn is_self_describing(&self) -> bool {
        false
    }

    /// The payload of `value`.
    ///
    /// # Errors
    ///
    /// A [`FormatError`] if the value cannot be encoded.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError>;

    /// Calls `visit` once with a deserializer over `payload`.
    ///
    /// # Errors
    ///
    /// A [`FormatError`] if `visit` fails, or if it leaves bytes of the payload unread.
    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError>;
}

impl<F: Format + ?Sized> Format for &F {
    fn id(&self) -> FormatId {
        (**self).id()
    }

    fn is_self_describing(&self) -> bool {
        (**self).is_self_describing()
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        (**self).encode(value)
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        (**self).decode(payload, visit)
    }
}

/// Lets a [`Visit`] stand where the formats' generic functions take a seed.
pub(super) struct VisitSeed<'a, 'v>(pub(super) &'a mut Visit<'v>);

impl<'de> DeserializeSeed<'de> for VisitSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        (self.0)(&mut erased).map_err(serde::de::Error::custom)
    }
}
