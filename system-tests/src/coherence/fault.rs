//! What is done to links, servers and processes.

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    ListenerHangs,
    ListenerCut,
    ListenerLate,
    StoreHangs,
    StoreCut,
    StoreLate,
    Partition,
    ClientsKilled,
    ProcessPaused,
    ProcessReplaced,
    ServerPaused,
    ServerRestarted,
    Flushed,
    LogDeleted,
    LogTrimmed,
    FailedOver,
}

impl Fault {
    pub(super) const ALL: [Self; 16] = [
        Self::ListenerHangs,
        Self::ListenerCut,
        Self::ListenerLate,
        Self::StoreHangs,
        Self::StoreCut,
        Self::StoreLate,
        Self::Partition,
        Self::ClientsKilled,
        Self::ProcessPaused,
        Self::ProcessReplaced,
        Self::ServerPaused,
        Self::ServerRestarted,
        Self::Flushed,
        Self::LogDeleted,
        Self::LogTrimmed,
        Self::FailedOver,
    ];

    /// Those of the links of a process.
    pub(super) const OF_LINKS: [Self; 7] = [
        Self::ListenerHangs,
        Self::ListenerCut,
        Self::ListenerLate,
        Self::StoreHangs,
        Self::StoreCut,
        Self::StoreLate,
        Self::Partition,
    ];

    /// Those of processes: a process that pauses is what happens more often.
    pub(super) const OF_PROCESSES: [Self; 3] = [
        Self::ProcessPaused,
        Self::ProcessReplaced,
        Self::ProcessPaused,
    ];

    /// Those of a server that nobody takes the place of.
    pub(super) const OF_SERVER: [Self; 6] = [
        Self::ClientsKilled,
        Self::ServerPaused,
        Self::ServerRestarted,
        Self::Flushed,
        Self::LogDeleted,
        Self::LogTrimmed,
    ];

    /// Those of a master that has taken another one's place.
    pub(super) const OF_MASTER: [Self; 3] =
        [Self::ClientsKilled, Self::LogDeleted, Self::LogTrimmed];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ListenerHangs => "listener's link hangs",
            Self::ListenerCut => "listener's link is cut",
            Self::ListenerLate => "listener's link is late",
            Self::StoreHangs => "store's link hangs",
            Self::StoreCut => "store's link is cut",
            Self::StoreLate => "store's link is late",
            Self::Partition => "both links hang",
            Self::ClientsKilled => "CLIENT KILL",
            Self::ProcessPaused => "process paused",
            Self::ProcessReplaced => "process killed, another in its place",
            Self::ServerPaused => "server paused",
            Self::ServerRestarted => "server restarted empty",
            Self::Flushed => "FLUSHALL",
            Self::LogDeleted => "log deleted",
            Self::LogTrimmed => "log trimmed",
            Self::FailedOver => "failover to the replica",
        }
    }

    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A fault and whom it was put to, from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) fault: Fault,
    /// A bit for each process.
    pub(super) processes: u32,
    /// By [`now`](super::record::now), as is the other.
    pub(super) from: u64,
    pub(super) until: u64,
}

/// A time in which the server has forgotten what it had acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forgetting {
    /// When the master was killed.
    pub(super) from: u64,
    /// When the replica was known to have taken its place.
    pub(super) until: u64,
}

/// All that was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) windows: Vec<Window>,
    pub(super) forgetting: Option<Forgetting>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_bit_and_something_that_puts_it() {
        let all = Fault::ALL.iter().map(|fault| fault.bit());
        assert_eq!(
            all.fold(0, |bits, bit| bits | bit),
            (1 << Fault::ALL.len()) - 1
        );
        let put = [
            &Fault::OF_LINKS[..],
            &Fault::OF_PROCESSES,
            &Fault::OF_SERVER,
        ]
        .concat();
        for fault in Fault::ALL {
            assert!(put.contains(&fault) != (fault == Fault::FailedOver));
        }
    }
}
