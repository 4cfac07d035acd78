//! Changes that were sent more than once.

use hitbox_core::{CacheValue, Raw};

use crate::{Begun, Conditional, DeleteStatus};

/// A change that was sent more than once, and that a later attempt has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeated {
    /// The value is stored.
    Write,
    /// The key is absent; what the attempt that was answered has found there.
    Remove(DeleteStatus),
}

/// What an operation answers.
pub(crate) trait Answer: Sized {
    /// What an attempt that is answered so has made; `None` if it was to change nothing.
    fn change(&self) -> Option<Repeated>;

    /// The answer to a change that a repeated attempt has made; `None` if it is no such change.
    fn to_change(change: Repeated) -> Option<Self>;

    /// Whether an attempt may be answered so because an earlier one has made the change.
    fn may_be_due_to_an_earlier_attempt(&self) -> bool {
        false
    }
}

/// To a write, and to a remove of which nobody wants to know the status.
impl Answer for () {
    fn change(&self) -> Option<Repeated> {
        Some(Repeated::Write)
    }

    fn to_change(change: Repeated) -> Option<Self> {
        match change {
            Repeated::Write | Repeated::Remove(_) => Some(()),
        }
    }
}

/// To a write under a condition.
impl Answer for Conditional {
    fn change(&self) -> Option<Repeated> {
        match self {
            Self::Written => Some(Repeated::Write),
            Self::Refused => None,
        }
    }

    fn may_be_due_to_an_earlier_attempt(&self) -> bool {
        match self {
            Self::Written => false,
            Self::Refused => true,
        }
    }

    fn to_change(change: Repeated) -> Option<Self> {
        match change {
            Repeated::Write => Some(Self::Written),
            Repeated::Remove(_) => None,
        }
    }
}

impl Answer for DeleteStatus {
    fn change(&self) -> Option<Repeated> {
        Some(Repeated::Remove(*self))
    }

    fn to_change(change: Repeated) -> Option<Self> {
        match change {
            Repeated::Remove(status) => Some(status),
            Repeated::Write => None,
        }
    }
}

/// To who asks for a lease: one that nobody holds ends by itself.
impl Answer for Begun {
    fn change(&self) -> Option<Repeated> {
        None
    }

    fn to_change(_: Repeated) -> Option<Self> {
        None
    }
}

/// To a read.
impl Answer for Option<CacheValue<Raw>> {
    fn change(&self) -> Option<Repeated> {
        None
    }

    fn to_change(_: Repeated) -> Option<Self> {
        None
    }
}
