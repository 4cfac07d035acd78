//! Whether a backend knows what is older.

/// Whether a backend keeps fences: whether it refuses a value that was loaded before its key was last removed, or
/// before a newer one was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fencing {
    /// It does not: the last write wins, whatever its value's stamp. So it is with a single store.
    #[default]
    Unfenced,
    /// It does: a composition, or a wrapper around one.
    Fenced,
}
