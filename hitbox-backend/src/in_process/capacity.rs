/// How much an [`InProcess`](super::InProcess) backend holds before it evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// This many entries, whatever their size.
    Entries(u64),
    /// This many bytes of memory: keys, values and the bookkeeping per entry, see
    /// [`max_bytes`](super::InProcessBuilder::max_bytes).
    Bytes(u64),
}

impl Capacity {
    /// The weight that all entries may have together.
    #[must_use]
    pub const fn bound(self) -> u64 {
        match self {
            Self::Entries(bound) | Self::Bytes(bound) => bound,
        }
    }
}
