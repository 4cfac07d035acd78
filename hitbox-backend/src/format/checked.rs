//! Encoding that refuses what could not be read back.
//!
//! A serializer is wrapped, and every value and compound that it is handed on to. What the value
//! writes is held against what its type asks for when it is read, step by step, so that it holds for
//! each value and not only for the first of its type.

mod check;
mod compounds;
mod serializer;
mod value;

use serde::ser::Serialize;

use super::{FormatError, bounded::MAX_DEPTH};
pub(super) use check::{Check, Demand, Doubts, Rules};
use value::{Checked, MAX_JSON_DEPTH};

impl<'c> Check<'c> {
    /// `inner`, checked from now on.
    pub(super) fn around<T>(&'c self, inner: T) -> Checked<'c, T> {
        let depth_left = match self.rules {
            Rules::Bare | Rules::Outside => MAX_DEPTH,
            Rules::Json => MAX_JSON_DEPTH,
        };
        Checked {
            inner,
            depth_left,
            options_left: MAX_DEPTH,
            within_some: false,
            node: self.root,
            taken: 0,
            check: self,
        }
    }

    /// What `write` makes of `object`.
    ///
    /// # Errors
    ///
    /// [`FormatError::NotRoundTrip`] if a decoder could not read it back, [`FormatError::Encode`] if
    /// `write` fails for another reason.
    pub(super) fn encode<T: Serialize + ?Sized, E>(
        &'c self,
        format: &'static str,
        object: &T,
        write: impl FnOnce(Checked<'c, &T>) -> Result<Vec<u8>, E>,
    ) -> Result<Written, FormatError> {
        let outcome = write(self.around(object));
        // Before the outcome: a type's own `Serialize` may have swallowed the error.
        if let Some(reason) = self.finding() {
            return Err(FormatError::NotRoundTrip { format, reason });
        }
        let payload = outcome.map_err(|_quotes_the_value| {
            FormatError::encode(
                format,
                "the type's Serialize failed, or the format has no such kind",
            )
        })?;
        Ok(Written {
            payload,
            doubts: self.doubts(),
            demand: self.demand(),
        })
    }
}

/// A payload, what may keep it from being read, and what reading it takes.
pub(super) struct Written {
    pub(super) payload: Vec<u8>,
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "JSON is the one that has doubts")
    )]
    pub(super) doubts: Doubts,
    pub(super) demand: Demand,
}
