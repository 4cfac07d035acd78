//! How a write goes: in place as far as it can.

use hitbox_core::{CacheKey, CacheValue, Offload, Raw};

use crate::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, WriteAttempt,
    composition::{
        AsksL2, CompositionBackend, CompositionWritePolicy,
        background::Background,
        ledger::Origin,
        mutate::{self, Done, L1First, Outcome},
    },
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: CompositionWritePolicy,
{
    pub(super) async fn write_from(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<()> {
        match self.write_at_once(origin, key, value) {
            Attempt::Ready(outcome) => outcome,
            Attempt::Pending(rest) => rest.await,
            Attempt::WouldBlock(value) => self.write_l1_first(origin, key, value).await,
        }
    }

    /// The write where a layer has to be waited for. If that is only L2, L1 is written in place first, unless
    /// the policy may want it otherwise.
    async fn write_l1_first(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<()> {
        let layers = &*self.layers;
        let begun = match self.write.asks_l2() {
            AsksL2::Always | AsksL2::IfLeftOpen if layers.l1.is_non_blocking() => {
                let both = (&layers.l1, &layers.l2);
                let write = L1First::begin(&layers.ledger, key, value, origin, layers.rules);
                write.write(&self.write, both).await
            }
            AsksL2::Always | AsksL2::IfLeftOpen | AsksL2::Unforeseen => Err(value),
        };
        match begun {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.fail(key, error).await,
            // Boxed, since it is many times as large.
            Err(value) => Box::pin(self.write_on(origin, key, value, Done::default())).await,
        }
    }

    /// What is left to do for a write that has failed.
    async fn fail(&self, key: &CacheKey, error: BackendError) -> BackendResult<()> {
        if error.kind() != BackendErrorKind::TooLarge {
            return Err(error.seen_through(self.paths.label()));
        }
        Box::pin(async move {
            let background = Background::new(&*self.offload);
            self.write_path(&background)
                .fail(key, error, self.first(), self.second())
                .await
        })
        .await
    }

    /// The write but for what has been done of it.
    async fn write_on(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
        done: Done,
    ) -> BackendResult<()> {
        let background = Background::new(&*self.offload);
        let outcome = self
            .write_path(&background)
            .write(key, value, origin, done, (self.first(), self.second()))
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }

    pub(super) fn write_at_once<'a>(
        &'a self,
        origin: Origin,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> WriteAttempt<'a> {
        let layers = &*self.layers;
        if !layers.is_non_blocking() {
            return Attempt::WouldBlock(value);
        }
        let write = mutate::AtOnce::new(&layers.ledger, key, value, origin, layers.rules);
        match write.decide(&self.write, (&layers.l1, &layers.l2)) {
            Outcome::Decided(Ok(())) => Attempt::Ready(Ok(())),
            Outcome::Decided(Err(error)) if error.kind() != BackendErrorKind::TooLarge => {
                Attempt::Ready(Err(error.seen_through(self.paths.label())))
            }
            Outcome::Decided(Err(error)) => Attempt::Pending(Box::pin(self.fail(key, error))),
            Outcome::NotBegun(value) => Attempt::WouldBlock(value),
            Outcome::Again(value, rest) => Attempt::Pending(Box::pin(async move {
                let done = match rest {
                    Some(rest) => rest.end().await,
                    None => Done::default(),
                };
                self.write_on(origin, key, value, done).await
            })),
        }
    }
}
