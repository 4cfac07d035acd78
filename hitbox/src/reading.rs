//! Reads of the backend, whose values are judged by their tags.

use std::error::Error;

use hitbox_backend::{
    BackendResult, BoxContext, CacheBackend, CacheKey, CacheStatus, CacheValue, Cacheable,
    Described, DescribedOutcome, Known, Meta, ResponseSource,
};
use hitbox_core::clock::Moment;

use crate::{shared::Shared, tags::Verdict};

/// What a read has found without waiting.
pub(crate) enum InPlace<V> {
    /// Nothing, yet: it has to be waited for.
    Waits,
    /// The store is to be asked whether the tags of this have been invalidated.
    Doubtful(CacheValue<Described<V>>),
    Found(DescribedOutcome<V>),
}

impl Shared {
    /// A hit that can be answered with as it is. For hits: what is found is judged where it is. Whatever else was found without waiting
    /// is in `otherwise`, and is to be [judged](Self::judge_in_place).
    #[inline]
    pub(crate) fn find_hit_in_place<V: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
        otherwise: &mut Option<DescribedOutcome<V>>,
    ) -> Option<CacheValue<Known<V>>> {
        let is_valid_hit = |status, created, meta: Option<&Meta>| {
            status == CacheStatus::Hit && self.tags.judge(created, meta) == Verdict::Valid
        };
        self.backend
            .try_get_known_if::<V>(key, context, is_valid_hit, otherwise)
    }

    /// What the backend has of the key, as far as that can be said without waiting.
    pub(crate) fn get_in_place<V: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> InPlace<V> {
        let read = self.backend.try_get_described::<V>(key, context);
        self.judge_in_place(read, context)
    }

    /// What becomes of what was found without waiting, if it was.
    #[cold]
    #[inline(never)]
    pub(crate) fn judge_in_place<V>(
        &self,
        read: Option<DescribedOutcome<V>>,
        context: &mut BoxContext,
    ) -> InPlace<V> {
        let value = match read {
            None => return InPlace::Waits,
            Some(Ok(Some(value))) => value,
            Some(outcome @ (Ok(None) | Err(_))) => return InPlace::Found(outcome),
        };
        match self.judge(&value) {
            Verdict::Unknown => InPlace::Doubtful(value),
            verdict @ (Verdict::Valid | Verdict::Stale | Verdict::Gone) => {
                InPlace::Found(Ok(as_judged(value, verdict, context)))
            }
        }
    }

    fn judge<V>(&self, value: &CacheValue<Described<V>>) -> Verdict {
        self.tags
            .judge(value.created(), value.data().meta.as_deref())
    }

    /// What the backend has of the key.
    pub(crate) async fn get<V: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> DescribedOutcome<V> {
        match self.backend.get_described::<V>(key, context).await? {
            Some(value) => Ok(self.judged(value, context).await),
            None => Ok(None),
        }
    }

    /// What becomes of what was found. If it is not known whether its tags have been invalidated, the store is asked.
    pub(crate) async fn judged<V: Cacheable>(
        &self,
        value: CacheValue<Described<V>>,
        context: &mut BoxContext,
    ) -> Option<CacheValue<Described<V>>> {
        let mut verdict = self.judge(&value);
        if verdict == Verdict::Unknown {
            let found_out = self.tags.find_out(&*self.backend, &[&value]).await;
            verdict = found_out.first().copied().unwrap_or(verdict);
        }
        as_judged(value, verdict, context)
    }

    /// [`get`](Self::get) for many keys, each with its context.
    pub(crate) async fn get_many<V: Cacheable>(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<DescribedOutcome<V>> {
        let outcomes = self.backend.get_many_described::<V>(keys, contexts).await;
        let verdicts = self.verdicts(&outcomes).await;
        let each = outcomes.into_iter().zip(verdicts).zip(contexts);
        each.map(|((outcome, verdict), context)| {
            let found = outcome?;
            Ok(found.and_then(|value| as_judged(value, verdict, context)))
        })
        .collect()
    }

    /// What becomes of what was found, in order.
    async fn verdicts<V>(&self, outcomes: &[DescribedOutcome<V>]) -> Vec<Verdict> {
        let judged = |outcome: &DescribedOutcome<V>| match outcome {
            Ok(Some(value)) => self.judge(value),
            Ok(None) | Err(_) => Verdict::Valid,
        };
        let mut verdicts: Vec<Verdict> = outcomes.iter().map(judged).collect();
        let open = verdicts.iter_mut().zip(outcomes);
        let open = open.filter(|(verdict, _)| **verdict == Verdict::Unknown);
        let open =
            open.filter_map(|(verdict, outcome)| Some((verdict, outcome.as_ref().ok()?.as_ref()?)));
        let (open, values): (Vec<_>, Vec<_>) = open.unzip();
        if !values.is_empty() {
            let found_out = self.tags.find_out(&*self.backend, &values).await;
            for (verdict, found) in open.into_iter().zip(found_out) {
                *verdict = found;
            }
        }
        verdicts
    }

    /// What a read has found. Where the backend fails, that is nothing, and costs a load.
    pub(crate) fn found<V>(
        &self,
        outcome: BackendResult<Option<CacheValue<Described<V>>>>,
    ) -> Option<CacheValue<Described<V>>> {
        match outcome {
            Ok(found) => found,
            Err(error) => {
                self.counters.failed_reads.add();
                tracing::debug!(
                    error = &error as &dyn Error,
                    "the backend fails to read: a load takes the place of the value"
                );
                None
            }
        }
    }

    /// A value of the key that is fresh, in whichever layer.
    pub(crate) async fn find_fresh<V: Cacheable>(
        &self,
        key: &CacheKey,
    ) -> Option<(CacheValue<Described<V>>, ResponseSource)> {
        let mut context = BoxContext::default().fresh_only();
        let found = self.get(key, &mut context).await;
        let fresh = self
            .found(found)
            .filter(|_| context.status() == CacheStatus::Hit)?;
        Some((fresh, context.source().clone()))
    }

    /// [`find_fresh`](Self::find_fresh) for many keys.
    pub(crate) async fn find_fresh_many<V: Cacheable>(
        &self,
        keys: &[CacheKey],
    ) -> Vec<Option<CacheValue<Described<V>>>> {
        let context = BoxContext::default().fresh_only();
        let mut contexts = vec![context; keys.len()];
        let found = self.get_many(keys, &mut contexts).await;
        let fresh = found.into_iter().zip(contexts).map(|(outcome, context)| {
            self.found(outcome)
                .filter(|_| context.status() == CacheStatus::Hit)
        });
        fresh.collect()
    }
}

/// What a reader is answered with, for whom this was found.
fn as_judged<V>(
    value: CacheValue<Described<V>>,
    verdict: Verdict,
    context: &mut BoxContext,
) -> Option<CacheValue<Described<V>>> {
    match verdict {
        Verdict::Valid => Some(value),
        Verdict::Stale => {
            context.set_status(CacheStatus::Stale);
            Some(value.stale_by(&Moment::default()))
        }
        Verdict::Gone | Verdict::Unknown => {
            context.set_status(CacheStatus::Miss);
            context.set_source(ResponseSource::Upstream);
            None
        }
    }
}
