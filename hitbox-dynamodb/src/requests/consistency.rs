/// How fresh the answer to a read is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadConsistency {
    /// A read sees every write that was confirmed before it began. The default: a cache that has
    /// confirmed a write or remove must not answer with the older value.
    #[default]
    Strong,
    /// A read may miss what was written or removed in the last second or so, and costs half. For
    /// values that are never removed early, and where an older one does no harm.
    Eventual,
}

impl ReadConsistency {
    pub(crate) const fn is_strong(self) -> bool {
        match self {
            Self::Strong => true,
            Self::Eventual => false,
        }
    }
}
