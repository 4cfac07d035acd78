use std::fmt;

/// What went wrong with an operation of a backend, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The backend could not be reached, or broke off. Whether a write or remove took effect is not
    /// known, unless the error is definite.
    Unavailable,
    /// No answer within the deadline. Whether a write or remove took effect is not known, unless the
    /// error is definite.
    Timeout,
    /// The backend asks for less load.
    Throttled,
    /// The value is over the backend's limit; nothing was stored and the key is left absent.
    TooLarge,
    /// A setting cannot work. The message names it and what to do.
    InvalidConfiguration,
    /// The value's type cannot be stored in the backend's format and read back.
    NotStorable,
    /// The backend is out of room and may not evict.
    Full,
    /// The backend refused the credentials, or the permission to do this.
    Denied,
    /// The backend cannot do this at all. The message says what can.
    Unsupported,
    /// Anything else.
    Internal,
}

impl BackendErrorKind {
    /// The kind in words, as errors and logs show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::TooLarge => "too large",
            Self::InvalidConfiguration => "invalid configuration",
            Self::NotStorable => "not storable",
            Self::Full => "full",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal error",
        }
    }

    /// Whether the same operation may well succeed a little later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Unavailable | Self::Timeout | Self::Throttled => true,
            Self::TooLarge
            | Self::InvalidConfiguration
            | Self::NotStorable
            | Self::Full
            | Self::Denied
            | Self::Unsupported
            | Self::Internal => false,
        }
    }

    /// Whether an operation that failed so has certainly left the backend as it was (or, for
    /// [`TooLarge`](Self::TooLarge), the key absent), and will not take effect later.
    #[must_use]
    pub const fn is_definite(self) -> bool {
        match self {
            Self::TooLarge
            | Self::InvalidConfiguration
            | Self::NotStorable
            | Self::Full
            | Self::Denied
            | Self::Unsupported
            | Self::Throttled => true,
            Self::Unavailable | Self::Timeout | Self::Internal => false,
        }
    }
}

impl fmt::Display for BackendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
