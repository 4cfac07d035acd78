use crate::{CacheValue, ObjectType, Raw, clock::Moment};

/// Whether a read takes a stale value for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It does. The context says that the value is [stale](crate::CacheStatus::Stale).
    #[default]
    Any,
    /// Only as a last resort. A composition takes a layer's stale value for a miss, and asks on as its policy
    /// says. If that finds no fresh value, the newest of the stale ones is the answer, and is copied nowhere.
    /// A backend that is no composition has one value of a key at the most, and answers with it.
    FreshOnly,
}

/// What a reader wants of a read. It travels in the [`BoxContext`](crate::BoxContext).
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// An object of this type; `None`: bytes. With a type, a composition decodes the value that it has chosen. One
    /// that cannot be decoded is a miss of its layer. One that is [absent](CacheValue::absent) is so for every type.
    pub object: Option<&'static ObjectType>,
    /// Whether a stale value will do.
    pub freshness: Freshness,
}

impl Wants {
    /// Bytes, of any freshness.
    pub const NOTHING: Self = Self {
        object: None,
        freshness: Freshness::Any,
    };

    /// Whether the reader can use this value as it is.
    #[inline]
    #[must_use]
    pub fn are_met_by(&self, value: &CacheValue<Raw>, moment: &Moment) -> bool {
        let has_object = self
            .object
            .is_none_or(|wanted| value.data().holds(wanted) || value.data().is_absent());
        has_object && !(self.freshness == Freshness::FreshOnly && value.is_stale_at(moment))
    }
}
