//! A composition is a backend.

use async_trait::async_trait;
use futures::future::BoxFuture;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Offload, Raw,
    clock::Moment,
};

use super::{
    CompositionBackend, CompositionLayer, CompositionReadPolicy, CompositionWritePolicy,
    FoundAtOnce, RefillPolicy,
    background::Background,
    layers::{First, Second},
    ledger::Origin,
    mutate::{self, Done, Outcome, WritePath},
    policy::second_in_order,
    read::{AtOnce, Begun, ReadPath, answer, for_layer, guard},
    refill::{self, Copying},
};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities,
    DeleteStatus, ReadOutcome, Reading, Rejection, Writing, compression::Compressor,
    format::Format,
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    pub(super) fn first(&self) -> First<L1, L2> {
        First(self.layers.clone())
    }

    pub(super) fn second(&self) -> Second<L1, L2> {
        Second(self.layers.clone())
    }

    pub(super) fn read_path<'p>(&'p self, background: &'p Background<'p, O>) -> ReadPath<'p, R, O> {
        ReadPath {
            policy: &self.read,
            background,
            paths: &self.paths,
            ledger: &self.layers.ledger,
            rules: self.layers.rules,
        }
    }

    pub(super) fn write_path<'p>(
        &'p self,
        background: &'p Background<'p, O>,
    ) -> WritePath<'p, W, O> {
        WritePath {
            policy: &self.write,
            background,
            label: self.paths.label(),
            ledger: &self.layers.ledger,
            rules: self.layers.rules,
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    W: CompositionWritePolicy,
{
    async fn write_from(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<()>
    where
        R: Sync,
    {
        match self.write_at_once(origin, key, value) {
            Writing::Answered(outcome) => outcome,
            Writing::Begun(rest) => rest.await,
            Writing::NotBegun(value) => self.write_on(origin, key, value, Done::default()).await,
        }
    }

    /// The write but for what has been done of it.
    async fn write_on(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
        done: Done,
    ) -> BackendResult<()>
    where
        R: Sync,
    {
        let background = Background::new(&*self.offload);
        let outcome = self
            .write_path(&background)
            .write(key, value, origin, done, (self.first(), self.second()))
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }

    fn write_at_once<'a>(
        &'a self,
        origin: Origin,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> Writing<'a>
    where
        R: Sync,
    {
        let layers = &*self.layers;
        if !layers.writes_at_once() {
            return Writing::NotBegun(value);
        }
        let write = mutate::AtOnce::new(&layers.ledger, key, value, origin, layers.rules);
        match write.decide(&self.write, (&layers.l1, &layers.l2)) {
            Outcome::Decided(Ok(())) => Writing::Answered(Ok(())),
            Outcome::Decided(Err(error)) if error.kind() != BackendErrorKind::TooLarge => {
                Writing::Answered(Err(error.seen_through(self.paths.label())))
            }
            Outcome::Decided(Err(error)) => Writing::Begun(Box::pin(async move {
                let background = Background::new(&*self.offload);
                self.write_path(&background)
                    .fail(key, error, self.first(), self.second())
                    .await
            })),
            Outcome::NotBegun(value) => Writing::NotBegun(value),
            Outcome::Again(value, rest) => Writing::Begun(Box::pin(async move {
                let done = match rest {
                    Some(rest) => rest.end().await,
                    None => Done::default(),
                };
                self.write_on(origin, key, value, done).await
            })),
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: Sync,
{
    /// The answer, or what is left to wait for.
    fn read_at_once<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Result<ReadOutcome, BoxFuture<'a, ReadOutcome>> {
        let layers = &*self.layers;
        let mut begun = Begun::at(&layers.ledger, key);
        let owes = begun.trust.is_limited() && layers.ledger.owed_len() > 0;
        // Repairs want to know of both layers, whatever the policy asks.
        if owes || layers.rules.refill == RefillPolicy::Repair {
            return Err(Box::pin(self.read_on(key, context, begun)));
        }
        let both = (&layers.l1, &layers.l2);
        let at_once = AtOnce { key, moment };
        let found = match at_once.decide(&self.read, context, both, &mut begun) {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                return Err(Box::pin(self.follow_up(key, context, begun, Err(error))));
            }
            None if begun.lacks_in_l1_alone() && self.read.asks_in_order() => {
                return Err(Box::pin(self.read_second(key, context, begun)));
            }
            None => return Err(Box::pin(self.read_on(key, context, begun))),
        };
        let copying = match &found {
            FoundAtOnce {
                value: Some(value),
                source: CompositionLayer::L2,
            } => self.begin_refill_of_l1(key, value, &begun),
            FoundAtOnce { .. } => Copying::Needless,
        };
        match copying {
            // The moment is that in which L1 was found to have it.
            Copying::Needless if begun.has_asked_l1_alone() => {
                Ok(Ok(answer(&self.paths, context, found.value, moment)))
            }
            Copying::Needless | Copying::Done => {
                let moment = Moment::default();
                Ok(Ok(answer(&self.paths, context, found.value, &moment)))
            }
            Copying::Begun(rest) => Err(Box::pin(async move {
                rest.await;
                Ok(answer(
                    &self.paths,
                    context,
                    found.value,
                    &Moment::default(),
                ))
            })),
            Copying::NotBegun => Err(Box::pin(self.follow_up(key, context, begun, Ok(found)))),
        }
    }

    /// What a sequential read is that L1 has answered without a value: the read of L2, with none of
    /// what a policy needs that may ask for both.
    async fn read_second(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        begun: Begun,
    ) -> ReadOutcome {
        let layer = CompositionLayer::L2;
        let mut outcome = self.layers.l2.read_with(key, context).await;
        let moment = Moment::default();
        guard(layer, &mut outcome, context, &begun.trust, &moment);
        let found = second_in_order(key, Ok(()), outcome)
            .map_err(|error| error.seen_through(self.paths.label()))?;
        let copying = match &found {
            Some(value) => self.begin_refill_of_l1(key, value, &begun),
            None => Copying::Needless,
        };
        match copying {
            Copying::Needless => Ok(answer(&self.paths, context, found, &moment)),
            Copying::Done => Ok(answer(&self.paths, context, found, &Moment::default())),
            Copying::Begun(rest) => {
                rest.await;
                Ok(answer(&self.paths, context, found, &Moment::default()))
            }
            Copying::NotBegun => {
                let found = FoundAtOnce {
                    value: found,
                    source: layer,
                };
                self.follow_up(key, context, begun, Ok(found)).await
            }
        }
    }

    /// Copies to L1 what was found in L2, as far as that goes without waiting.
    fn begin_refill_of_l1<'a>(
        &'a self,
        key: &'a CacheKey,
        value: &CacheValue<Raw>,
        begun: &Begun,
    ) -> Copying<'a> {
        let (layers, layer) = (&*self.layers, CompositionLayer::L1);
        let rules = layers.rules;
        if rules.refill == RefillPolicy::Never || begun.has_in_l1(value, rules) {
            return Copying::Needless;
        }
        if !layers.l1.writes_at_once() {
            return Copying::NotBegun;
        }
        let Some(turn) = layers
            .ledger
            .begin_refill(key, layer, value.created(), &begun.trust)
        else {
            return Copying::Needless;
        };
        let value = for_layer(layer, value.clone(), rules);
        refill::begin_copy(turn, key, value, (layer, &layers.l1))
    }

    async fn follow_up(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        begun: Begun,
        found: Result<FoundAtOnce<Raw>, BackendError>,
    ) -> ReadOutcome {
        let background = Background::new(&*self.offload);
        let outcome = self
            .read_path(&background)
            .follow_up(key, context, begun, found, (self.first(), self.second()))
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }

    async fn read_on(&self, key: &CacheKey, context: &mut BoxContext, begun: Begun) -> ReadOutcome {
        let background = Background::new(&*self.offload);
        let outcome = self
            .read_path(&background)
            .read(key, context, begun, (self.first(), self.second()))
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }
}

#[async_trait]
impl<L1, L2, O, R, W> Backend for CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.read_with(key, &mut BoxContext::default()).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.write_from(Origin::Load, key, value).await
    }

    fn begin_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> Writing<'a> {
        self.write_at_once(Origin::Load, key, value)
    }

    /// Not begun: a value that is too large for one of the layers has to be removed from the other,
    /// which takes waiting, and a read that has come so far may be dropped by a composition around.
    fn begin_refill<'a>(&'a self, _key: &'a CacheKey, value: CacheValue<Raw>) -> Writing<'a> {
        Writing::NotBegun(value)
    }

    fn writes_at_once(&self) -> bool {
        self.layers.writes_at_once()
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.write_from(Origin::OtherLayer, key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let ledger = &self.layers.ledger;
        mutate::remove(ledger, self.paths.label(), key, self.first(), self.second()).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        match self.read_at_once(key, context, &Moment::default()) {
            Ok(outcome) => outcome,
            Err(rest) => rest.await,
        }
    }

    fn begin_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Reading<'a> {
        match self.read_at_once(key, context, moment) {
            Ok(outcome) => Reading::Answered(outcome),
            Err(rest) => Reading::Begun(rest),
        }
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.read_in_bulk(keys, &mut []).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.read_in_bulk(keys, contexts).await
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.write_in_bulk(Origin::Load, entries).await
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.write_in_bulk(Origin::OtherLayer, entries).await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.remove_in_bulk(keys).await
    }

    fn label(&self) -> BackendLabel {
        self.paths.label().clone()
    }

    /// L2's: the layer that others share, where the format matters to more than this process.
    fn value_format(&self) -> &dyn Format {
        self.layers.l2.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.layers.l2.key_format()
    }

    fn capabilities(&self) -> Capabilities {
        let l1 = self.layers.l1.capabilities();
        l1.combine(&self.layers.l2.capabilities())
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        let (l1, l2) = (&self.layers.l1, &self.layers.l2);
        l2.find_format(id).or_else(|| l1.find_format(id))
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        let (l1, l2) = (&self.layers.l1, &self.layers.l2);
        l2.find_compressor(id).or_else(|| l1.find_compressor(id))
    }

    /// Told to both layers: which of them held the bytes is not known here.
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.layers.l1.reject(key, rejection);
        self.layers.l2.reject(key, rejection);
    }
}
