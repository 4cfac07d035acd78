/// Whether a value found in one layer is copied to the other.
///
/// A copied value keeps its expiry, stale time and stamp (L1's cap aside). A value that was written
/// or removed since the read began is never copied over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefillPolicy {
    /// An answer from L2 is written to L1. If L1 does not take it without waiting, the caller does not wait:
    /// the rest happens in the background (with `DisabledOffload` the caller waits).
    #[default]
    Always,
    /// Nothing is copied.
    Never,
    /// Both ways and always in the background: a layer that missed, or that holds an older value
    /// than the other, gets the newer one. Only layers that the read policy asked are compared; a race whose loser
    /// goes to the background asks both. With `DisabledOffload` nothing is copied.
    Repair,
}
