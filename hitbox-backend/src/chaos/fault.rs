use std::{fmt, num::NonZeroU32, time::Duration};

use crate::BackendErrorKind;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call waits this long before it is carried out.
    Delay(Duration),
    /// The call fails without having been carried out.
    Fail(Failure),
    /// The call is carried out, and its answer is lost: the caller gets a
    /// [`Timeout`](BackendErrorKind::Timeout).
    LoseAnswer,
    /// The call hangs until it is [let go](super::ChaosHandle::release), and is carried out then.
    /// If the caller gives it up first, it never is.
    Hang,
    /// The call is carried out, and its answer hangs until it is
    /// [let go](super::ChaosHandle::release).
    HangAfterEffect,
    /// The caller gets a [`Timeout`](BackendErrorKind::Timeout) at once, and the call is carried out
    /// later: it may overtake, and undo, what was written since. For writes and removes.
    Late(Late),
    /// The call is carried out, and once more later: a second attempt was answered, and the first comes
    /// late. The caller gets a [`Timeout`](BackendErrorKind::Timeout) that
    /// [says so](crate::BackendError::made_by_repeat). For writes and removes.
    Repeat(Late),
    /// The connection breaks: [`Unavailable`](BackendErrorKind::Unavailable). In a bulk call it
    /// breaks at this key: the keys before it have been dealt with, this one and those after it
    /// have not, and every one of them gets the error, since the answer never came.
    BreakOff,
    /// Stored bytes end early. A read gets them so once; a write answers `Ok`, and every read gets
    /// them so until the key is written or removed. Detected, and so a miss. For reads and writes.
    Tear,
    /// One bit of the stored bytes is flipped. A read gets them so once; a write answers `Ok`, and
    /// every read gets them so until the key is written or removed. Detected, and so a miss. For
    /// reads and writes.
    Corrupt,
    /// One bit of the payload is flipped where no checksum sees it (an empty one gets a byte); life
    /// times stay. A read gets it so once; a write
    /// answers `Ok` and stores it so. *Nothing in hitbox promises to notice*: the value's format
    /// does, or the application gets a wrong value. For reads and writes.
    Distort,
}

impl Fault {
    /// Its kind, without the settings.
    #[must_use]
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::Delay(_) => FaultKind::Delay,
            Self::Fail(_) => FaultKind::Fail,
            Self::LoseAnswer => FaultKind::LoseAnswer,
            Self::Hang => FaultKind::Hang,
            Self::HangAfterEffect => FaultKind::HangAfterEffect,
            Self::Late(_) => FaultKind::Late,
            Self::Repeat(_) => FaultKind::Repeat,
            Self::BreakOff => FaultKind::BreakOff,
            Self::Tear => FaultKind::Tear,
            Self::Corrupt => FaultKind::Corrupt,
            Self::Distort => FaultKind::Distort,
        }
    }
}

/// The error of a [call that fails](Fault::Fail) without having been carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// [`BackendErrorKind::Unavailable`]. The caller cannot know that nothing was done.
    #[default]
    Unavailable,
    /// [`BackendErrorKind::Timeout`]. The caller cannot know that nothing was done.
    Timeout,
    /// [`BackendErrorKind::Throttled`]: certainly nothing was done.
    Throttled,
    /// [`BackendErrorKind::Full`]: certainly nothing was done.
    Full,
    /// [`BackendErrorKind::Denied`]: certainly nothing was done.
    Denied,
    /// [`BackendErrorKind::Internal`]. The caller cannot know that nothing was done.
    Internal,
}

impl From<Failure> for BackendErrorKind {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable => Self::Unavailable,
            Failure::Timeout => Self::Timeout,
            Failure::Throttled => Self::Throttled,
            Failure::Full => Self::Full,
            Failure::Denied => Self::Denied,
            Failure::Internal => Self::Internal,
        }
    }
}

/// When a [late](Fault::Late) write or remove, or the first attempt of a [repeated](Fault::Repeat) one, is
/// carried out: by a later call, or by
/// [`carry_out_late`](super::ChaosBackend::carry_out_late). If none comes, it never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Late {
    /// At the end of the n-th call on the same key after it, before that call answers.
    AfterCalls(NonZeroU32),
    /// When this time has passed: before the next call after that, on whichever key.
    After(Duration),
}

impl Late {
    /// At the end of the next call on the same key.
    pub const AFTER_THE_NEXT_CALL: Self = Self::AfterCalls(NonZeroU32::MIN);
}

/// The kind of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::Delay`].
    Delay,
    /// [`Fault::Fail`].
    Fail,
    /// [`Fault::LoseAnswer`].
    LoseAnswer,
    /// [`Fault::Hang`].
    Hang,
    /// [`Fault::HangAfterEffect`].
    HangAfterEffect,
    /// [`Fault::Late`].
    Late,
    /// [`Fault::Repeat`].
    Repeat,
    /// [`Fault::BreakOff`].
    BreakOff,
    /// [`Fault::Tear`].
    Tear,
    /// [`Fault::Corrupt`].
    Corrupt,
    /// [`Fault::Distort`].
    Distort,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Delay,
        Self::Fail,
        Self::LoseAnswer,
        Self::Hang,
        Self::HangAfterEffect,
        Self::Late,
        Self::Repeat,
        Self::BreakOff,
        Self::Tear,
        Self::Corrupt,
        Self::Distort,
    ];
}

/// The name of the method of [`Chaos`](super::Chaos) that sets it.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delay => "delay",
            Self::Fail => "fail",
            Self::LoseAnswer => "lose_answer",
            Self::Hang => "hang",
            Self::HangAfterEffect => "hang_after_effect",
            Self::Late => "late",
            Self::Repeat => "repeat",
            Self::BreakOff => "break_off",
            Self::Tear => "tear",
            Self::Corrupt => "corrupt",
            Self::Distort => "distort",
        })
    }
}
