//! Compositions by the names of their policies.

use std::sync::Arc;

use hitbox_backend::{
    Backend, Compose, CompositionPolicy, CompositionReadPolicy, OffloadManager,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceReadPolicy, RaceWritePolicy,
    SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy, conformance::MemoryBackend,
};
use hitbox_scenarios::{ReadKind, WriteKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policies {
    pub(crate) read: ReadKind,
    pub(crate) write: WriteKind,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            read: ReadKind::Sequential,
            write: WriteKind::OptimisticParallel,
        }
    }
}

impl Policies {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ReadKind::ALL.into_iter().flat_map(|read| {
            let writes = WriteKind::ALL.into_iter();
            writes.map(move |write| Self { read, write })
        })
    }

    pub(crate) fn name(self) -> String {
        format!("{}/{}", self.read.as_str(), self.write.as_str())
    }

    /// An empty layer in memory in front of `l2`.
    pub(crate) fn beneath_memory(
        self,
        l2: impl Backend + 'static,
        offload: &OffloadManager,
    ) -> Arc<dyn Backend> {
        let policy = CompositionPolicy::new();
        match self.read {
            ReadKind::Sequential => {
                self.write_by(policy.read(SequentialReadPolicy::new()), l2, offload)
            }
            ReadKind::Race => self.write_by(policy.read(RaceReadPolicy::new()), l2, offload),
            ReadKind::Parallel => {
                self.write_by(policy.read(ParallelReadPolicy::new()), l2, offload)
            }
        }
    }

    fn write_by<R: CompositionReadPolicy + 'static>(
        self,
        policy: CompositionPolicy<R>,
        l2: impl Backend + 'static,
        offload: &OffloadManager,
    ) -> Arc<dyn Backend> {
        let (l1, offload) = (MemoryBackend::new(), offload.clone());
        match self.write {
            WriteKind::Sequential => {
                let policy = policy.write(SequentialWritePolicy::new());
                Arc::new(l1.compose_with(l2, offload, policy))
            }
            WriteKind::OptimisticParallel => {
                let policy = policy.write(OptimisticParallelWritePolicy::new());
                Arc::new(l1.compose_with(l2, offload, policy))
            }
            WriteKind::Race => {
                let policy = policy.write(RaceWritePolicy::new());
                Arc::new(l1.compose_with(l2, offload, policy))
            }
            WriteKind::Strict => {
                let policy = policy.write(StrictWritePolicy::new());
                Arc::new(l1.compose_with(l2, offload, policy))
            }
        }
    }
}
