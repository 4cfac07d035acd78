use std::fmt;

use super::FaultKind;
use crate::Operation;

/// The operations that faults are set for apart. A refill is a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Reads,
    Writes,
    Removes,
}

impl Target {
    pub(super) const ALL: [Self; 3] = [Self::Reads, Self::Writes, Self::Removes];

    pub(super) const fn operation(self) -> Operation {
        match self {
            Self::Reads => Operation::Read,
            Self::Writes => Operation::Write,
            Self::Removes => Operation::Remove,
        }
    }

    /// Why these operations cannot meet such a fault.
    pub(super) const fn refusal(self, kind: FaultKind) -> Option<&'static str> {
        match (self, kind) {
            (Self::Reads, FaultKind::Late | FaultKind::Repeat) => {
                Some("a read changes nothing that could come late: use lose_answer or delay")
            }
            (Self::Removes, FaultKind::Tear | FaultKind::Corrupt | FaultKind::Distort) => {
                Some("a remove has no payload to damage: use it for reads or writes")
            }
            (Self::Reads | Self::Writes | Self::Removes, _) => None,
        }
    }
}

/// The name of the builder's method.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Removes => "removes",
        })
    }
}

/// One of something for each [`Target`].
#[derive(Clone, Debug, Default)]
pub(super) struct PerTarget<T> {
    reads: T,
    writes: T,
    removes: T,
}

impl<T> PerTarget<T> {
    pub(super) const fn of(&self, target: Target) -> &T {
        match target {
            Target::Reads => &self.reads,
            Target::Writes => &self.writes,
            Target::Removes => &self.removes,
        }
    }

    pub(super) const fn of_mut(&mut self, target: Target) -> &mut T {
        match target {
            Target::Reads => &mut self.reads,
            Target::Writes => &mut self.writes,
            Target::Removes => &mut self.removes,
        }
    }
}
