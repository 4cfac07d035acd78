use std::{fmt, sync::Arc};

use super::{
    FaultKind, Script,
    injection::Injection,
    state::{Mode, Shared},
};
use crate::{BackendError, BackendResult};

/// Controls a [`ChaosBackend`](super::ChaosBackend) while it is in use, and tells what it did.
/// Clones control the same one.
#[derive(Clone)]
pub struct ChaosHandle {
    shared: Arc<Shared>,
}

impl ChaosHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Nothing goes wrong any more, until [`resume`](Self::resume). What hangs keeps hanging, what
    /// is late still comes, and damaged bytes stay damaged. Calls in the calm are not numbered and
    /// take no step of a script: they do not change which faults come after it.
    pub fn calm(&self) {
        self.shared.state().mode = Mode::Calm;
    }

    /// Faults by script and probability again: what a new backend starts with.
    pub fn resume(&self) {
        self.shared.state().mode = Mode::Chaotic;
    }

    /// Every call fails with [`Unavailable`](crate::BackendErrorKind::Unavailable) and is not
    /// carried out, until [`resume`](Self::resume) or [`calm`](Self::calm): the backend is down.
    pub fn fail_everything(&self) {
        self.shared.state().mode = Mode::Failing;
    }

    /// Adds a script, behind what is left of those for the same calls.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) for a fault that the
    /// operation cannot meet; nothing is added then.
    pub fn script(&self, script: Script) -> BackendResult<()> {
        script.check().map_err(|detail| {
            let label = self.shared.label.clone();
            BackendError::invalid_configuration(label, format!("chaos: {detail}"))
        })?;
        self.shared.state().scripts.add(script);
        Ok(())
    }

    /// Lets go every call that hangs, and every one that has been told to and is on its way there.
    pub fn release(&self) {
        self.shared.gate.release();
    }

    /// How many calls hang at this moment. One whose future was dropped no longer does.
    #[must_use]
    pub fn hanging(&self) -> usize {
        self.shared.gate.hanging()
    }

    /// Waits until at least `count` calls hang. Cancel safe.
    pub async fn wait_until_hanging(&self, count: usize) {
        self.shared.gate.wait_until_hanging(count).await;
    }

    /// How many late writes and removes have not been carried out yet.
    #[must_use]
    pub fn late(&self) -> usize {
        self.shared.state().late.len()
    }

    /// How many faults of this kind there have been.
    #[must_use]
    pub fn injected(&self, kind: FaultKind) -> u64 {
        let counts = self.shared.state().injected;
        counts.get(kind as usize).copied().unwrap_or(0)
    }

    /// How many faults there have been.
    #[must_use]
    pub fn injected_in_all(&self) -> u64 {
        self.shared.state().injected.iter().sum()
    }

    /// The newest 1,024 faults, the oldest of them first.
    #[must_use]
    pub fn recent(&self) -> Vec<Injection> {
        self.shared.state().recent.iter().cloned().collect()
    }
}

impl fmt::Debug for ChaosHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A statement of its own: the lock is taken again below.
        let mode = self.shared.state().mode;
        f.debug_struct("ChaosHandle")
            .field("backend", &self.shared.label)
            .field("mode", &mode)
            .field("injected", &self.injected_in_all())
            .field("hanging", &self.hanging())
            .field("late", &self.late())
            .finish()
    }
}
