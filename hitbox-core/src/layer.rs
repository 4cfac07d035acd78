use std::fmt;

/// One of the two layers of a composition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompositionLayer {
    /// The first layer: usually the faster, smaller, nearer one.
    L1,
    /// The second layer.
    L2,
}

impl CompositionLayer {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::L1, Self::L2];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::L1 => Self::L2,
            Self::L2 => Self::L1,
        }
    }
}

impl fmt::Display for CompositionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
        })
    }
}
