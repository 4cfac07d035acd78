//! Where a value that is written comes from, and why one is not taken on.

/// Where a value that is written comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Origin {
    /// From the source of truth, loaded at some time that its stamp tells, or written to it.
    Load,
    /// From the source of truth, by a load that says so: it invalidates nothing that others load.
    Fill,
    /// From another cache that vouches for it.
    OtherLayer,
}

/// Why an operation was not taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Refusal {
    /// Something newer has been done to the key: there is nothing to do.
    Superseded,
    /// Too much has been removed since the value was created to know whether this key was among it.
    Indeterminate,
}
