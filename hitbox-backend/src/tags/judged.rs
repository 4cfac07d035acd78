//! A backend that is asked by somebody who judges what it answers with.

use std::fmt;

use async_trait::async_trait;
use futures::FutureExt;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, CompressorId, FormatId, Raw,
    ResponseSource, clock::Moment,
};

use super::{Judge, SharedTags, Verdict};
use crate::{
    Attempt, Backend, CacheKeyFormat, Capabilities, Compressor, Fencing, Format, Invalidations,
    ReadAttempt, ReadOutcome, Rejection, WriteAttempt, coherence::Announces,
    forward::forward_changes,
};

/// A backend whose values are judged when they are found.
///
/// What is found notes its metadata in the [context](BoxContext::meta) of the read. All but reads, and what has invalidated
/// a key, is the backend's own.
pub struct Judged<J> {
    backend: Box<dyn Backend>,
    judge: J,
}

impl<J: Judge> Judged<J> {
    /// This backend, as it is judged by this judge.
    pub fn new(backend: Box<dyn Backend>, judge: J) -> Self {
        Self { backend, judge }
    }

    /// The backend, which nobody judges.
    #[must_use]
    pub fn get_ref(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Who judges.
    pub const fn judge(&self) -> &J {
        &self.judge
    }

    /// What has become of what was found, in order.
    async fn verdicts(&self, outcomes: &[ReadOutcome]) -> Vec<Verdict> {
        let found = |outcome: &'_ ReadOutcome| match outcome {
            Ok(Some(value)) => self.judge.judge(value),
            Ok(None) | Err(_) => Verdict::Valid,
        };
        let mut verdicts: Vec<Verdict> = outcomes.iter().map(found).collect();
        let open = verdicts.iter_mut().zip(outcomes);
        let open = open.filter(|(verdict, _)| **verdict == Verdict::Unknown);
        let open =
            open.filter_map(|(verdict, outcome)| Some((verdict, outcome.as_ref().ok()?.as_ref()?)));
        let (open, values): (Vec<_>, Vec<_>) = open.unzip();
        if !values.is_empty() {
            let found_out = self.judge.find_out(&*self.backend, values).await;
            for (verdict, found) in open.into_iter().zip(found_out) {
                *verdict = found;
            }
        }
        verdicts
    }

    async fn judge_outcome(&self, outcome: ReadOutcome, context: &mut BoxContext) -> ReadOutcome {
        let Ok(Some(value)) = outcome else {
            return outcome;
        };
        let mut verdict = self.judge.judge(&value);
        if verdict == Verdict::Unknown {
            let found_out = self.judge.find_out(&*self.backend, vec![&value]).await;
            verdict = found_out.first().copied().unwrap_or(Verdict::Unknown);
        }
        Ok(as_judged(value, verdict, context, &Moment::default()))
    }

    /// What is answered in place, if that can be said in place.
    fn judge_in_place<'a>(
        &'a self,
        value: CacheValue<Raw>,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        match self.judge.judge(&value) {
            Verdict::Unknown => {
                let mut context = context.clone();
                let rest = async move {
                    let outcome = self.judge_outcome(Ok(Some(value)), &mut context).await;
                    (outcome, context)
                };
                Attempt::Pending(rest.boxed())
            }
            verdict @ (Verdict::Valid | Verdict::Stale | Verdict::Gone) => {
                Attempt::Ready(Ok(as_judged(value, verdict, context, moment)))
            }
        }
    }
}

/// What a reader is answered with, for whom this was found.
fn as_judged(
    value: CacheValue<Raw>,
    verdict: Verdict,
    context: &mut BoxContext,
    moment: &Moment,
) -> Option<CacheValue<Raw>> {
    let value = match verdict {
        Verdict::Valid => value,
        Verdict::Stale => {
            context.set_status(CacheStatus::Stale);
            value.stale_by(moment)
        }
        Verdict::Gone | Verdict::Unknown => {
            context.set_status(CacheStatus::Miss);
            context.set_source(ResponseSource::Upstream);
            return None;
        }
    };
    context.set_meta(value.data().meta().cloned());
    Some(value)
}

/// Nothing of an earlier read is to be left in it.
#[inline]
fn forget_meta(context: &mut BoxContext) {
    if context.meta().is_some() {
        context.set_meta(None);
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<J: Judge> Backend for Judged<J> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.read_with(key, &mut BoxContext::default()).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        forget_meta(context);
        let outcome = self.backend.read_with(key, context).await;
        self.judge_outcome(outcome, context).await
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let mut contexts = vec![BoxContext::default(); keys.len()];
        self.read_many_with(keys, &mut contexts).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        contexts.iter_mut().for_each(forget_meta);
        let outcomes = self.backend.read_many_with(keys, contexts).await;
        let verdicts = self.verdicts(&outcomes).await;
        let mut without = BoxContext::default();
        let mut contexts = contexts.iter_mut();
        let each = outcomes.into_iter().zip(verdicts);
        each.map(|(outcome, verdict)| {
            let context = contexts.next().unwrap_or(&mut without);
            let found = outcome?;
            Ok(found.and_then(|value| as_judged(value, verdict, context, &Moment::default())))
        })
        .collect()
    }

    #[inline]
    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        forget_meta(context);
        match self.backend.try_read(key, context, moment) {
            Attempt::Ready(Ok(Some(value))) => {
                let has_nothing = value.data().meta().is_none();
                if has_nothing && self.judge.judge(&value) == Verdict::Valid {
                    return Attempt::Ready(Ok(Some(value)));
                }
                self.judge_in_place(value, context, moment)
            }
            ready @ (Attempt::Ready(_) | Attempt::WouldBlock(())) => ready,
            Attempt::Pending(rest) => Attempt::Pending(
                async move {
                    let (outcome, mut context) = rest.await;
                    let outcome = self.judge_outcome(outcome, &mut context).await;
                    (outcome, context)
                }
                .boxed(),
            ),
        }
    }

    forward_changes!(self => (*self.backend));

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.backend.try_write(key, value)
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.backend.try_refill(key, value)
    }

    fn is_non_blocking(&self) -> bool {
        // What it has to find out takes as long as it takes.
        false
    }

    fn fencing(&self) -> Fencing {
        self.backend.fencing()
    }

    fn invalidations(&self, key: &CacheKey) -> Invalidations {
        let of_key = self.backend.invalidations(key);
        of_key.combine(self.judge.of_every_key())
    }

    fn announces(&self) -> Option<Announces> {
        self.backend.announces()
    }

    fn shared_tags(&self) -> Option<SharedTags> {
        self.backend.shared_tags()
    }

    fn label(&self) -> BackendLabel {
        self.backend.label()
    }

    fn value_format(&self) -> &dyn Format {
        self.backend.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.backend.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.backend.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        self.backend.find_format(id)
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        self.backend.find_compressor(id)
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.backend.reject(key, rejection);
    }
}

impl<J> fmt::Debug for Judged<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged")
            .field("backend", &self.backend.label())
            .finish_non_exhaustive()
    }
}
