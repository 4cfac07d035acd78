use super::{
    Chaos, ChaosBackend, Script,
    script::Scripts,
    state::Shared,
    target::{PerTarget, Target},
};
use crate::{Backend, BackendError, BackendResult};

/// The settings of a [`ChaosBackend`]: from [`ChaosBackend::builder`].
#[derive(Debug)]
pub struct ChaosBuilder<B> {
    inner: B,
    seed: u64,
    settings: PerTarget<Chaos>,
    scripts: Vec<Script>,
}

impl<B: Backend> ChaosBackend<B> {
    /// Settings for chaos around `inner`; at first nothing goes wrong.
    pub fn builder(inner: B) -> ChaosBuilder<B> {
        ChaosBuilder::new(inner)
    }
}

impl<B: Backend> ChaosBuilder<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            seed: 0,
            settings: PerTarget::default(),
            scripts: Vec::new(),
        }
    }

    /// What the faults are drawn from: the same seed, the same faults. Default: 0. A test that
    /// chooses one at random should print it.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What goes wrong with reads. Default: nothing.
    #[must_use]
    pub fn reads(self, chaos: Chaos) -> Self {
        self.set(Target::Reads, chaos)
    }

    /// What goes wrong with writes, refills among them. Default: nothing.
    #[must_use]
    pub fn writes(self, chaos: Chaos) -> Self {
        self.set(Target::Writes, chaos)
    }

    /// What goes wrong with removes. Default: nothing.
    #[must_use]
    pub fn removes(self, chaos: Chaos) -> Self {
        self.set(Target::Removes, chaos)
    }

    fn set(mut self, target: Target, chaos: Chaos) -> Self {
        *self.settings.of_mut(target) = chaos;
        self
    }

    /// What goes wrong with certain calls. Of several scripts for the same calls, one comes after
    /// the other.
    #[must_use]
    pub fn script(mut self, script: Script) -> Self {
        self.scripts.push(script);
        self
    }

    /// The backend.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration), naming the setting, if
    ///
    /// - a probability is not between 0 and 1, or those of one operation add up to more than 1;
    /// - a range of delays is empty;
    /// - reads shall be late or repeated, or removes torn, corrupt or distorted.
    pub fn build(self) -> BackendResult<ChaosBackend<B>> {
        let Self {
            inner,
            seed,
            settings,
            scripts,
        } = self;
        let label = inner.label();
        let mut checks = Target::ALL
            .into_iter()
            .map(|target| settings.of(target).check(target))
            .chain(scripts.iter().map(Script::check));
        checks.try_for_each(|checked| checked).map_err(|detail| {
            BackendError::invalid_configuration(label.clone(), format!("chaos: {detail}"))
        })?;
        let mut waiting = Scripts::default();
        for script in scripts {
            waiting.add(script);
        }
        let shared = Shared::new(label, seed, settings, waiting);
        Ok(ChaosBackend::new(inner, shared))
    }
}
