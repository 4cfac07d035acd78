/// What a check returns: nothing, or why it stopped.
pub(super) type CheckResult = Result<(), Stop>;

/// Why a check stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The backend does not do what the contract says.
    Violation(String),
    /// The subject has nothing that the check could look at.
    NotCalledFor(&'static str),
}

/// A violation, from a message in the form of [`format!`].
macro_rules! violation {
    ($($message:tt)+) => {
        $crate::conformance::verdict::Stop::Violation(format!($($message)+))
    };
}
pub(super) use violation;
