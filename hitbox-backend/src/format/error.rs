/// Why a value could not be encoded, or a payload not decoded.
///
/// The formats that hitbox brings put no part of a value into their errors, and so no message of a
/// type's own `Serialize` or `Deserialize`: such messages quote what they refuse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The type uses something of serde that this format can write but not read back.
    #[error("{format} cannot read this type back: {reason}")]
    NotRoundTrip {
        /// The format.
        format: &'static str,
        /// What the type uses.
        reason: &'static str,
    },
    /// The format's encoder failed.
    #[error("{format} could not encode the value")]
    Encode {
        /// The format.
        format: &'static str,
        /// The encoder's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The value would take more memory than the limit for decoding allows.
    #[error(
        "{format} did not decode the payload: the value takes more memory than the limit allows"
    )]
    OverLimit {
        /// The format.
        format: &'static str,
    },
    /// The payload is of another type than the one it is read as.
    #[error("the payload is of another type")]
    OtherType,
    /// The format's decoder refused the payload.
    #[error("{format} could not decode the payload")]
    Decode {
        /// The format.
        format: &'static str,
        /// The decoder's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl FormatError {
    pub(super) fn encode(format: &'static str, why: &'static str) -> Self {
        Self::Encode {
            format,
            source: why.into(),
        }
    }

    pub(super) fn decode(format: &'static str, why: &'static str) -> Self {
        Self::Decode {
            format,
            source: why.into(),
        }
    }
}
