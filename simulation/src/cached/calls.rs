//! The calls of a history, as its tasks make them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use hitbox::{Batch, Cache, Entry, Key, Keyspace, LoadError, Loaded, Status};
use tokio::time::Instant;

use super::{
    ledger::{Asked, Begun, Ledger, Polled, Turns},
    plan::{Act, BRIEF, CacheRules, End, Loader},
    source::{LoadFailed, Source},
};
use crate::{step::keys_of, world::World};

/// A load of many keys.
type LoadingMany = BoxFuture<'static, Result<Batch<u64, String>, LoadFailed>>;

pub(crate) const SPACE: Keyspace<u64, String> = Keyspace::new("key", 1);

/// Where calls are made, and who judges their answers.
pub(super) struct Scene {
    pub(super) world: Arc<World>,
    pub(super) cache: Cache,
    pub(super) ids: Vec<u64>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) source: Arc<Source>,
}

/// One that is made.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) number: usize,
    /// It was not polled for a while.
    pub(super) was_held: Arc<AtomicBool>,
}

impl Call {
    fn polled(&self) -> Polled {
        match self.was_held.load(Ordering::Relaxed) {
            true => Polled::NotAlways,
            false => Polled::Always,
        }
    }
}

/// A cache as these say over the backend.
pub(super) fn cache(
    over: impl hitbox::Backend + 'static,
    rules: &CacheRules,
) -> hitbox::BackendResult<Cache> {
    let mut builder = Cache::builder(over)
        .ttl(rules.ttl)
        .absent_ttl(rules.absent_ttl)
        .stale_while_revalidate(rules.stale_while_revalidate)
        .stale_if_error(rules.stale_if_error)
        .retry_after(rules.retry_after)
        .load_deadline(rules.load_deadline)
        .max_loads(rules.max_loads)
        .max_fills(rules.max_fills)
        .fill_patience(rules.fill_patience);
    if rules.refreshes_ahead {
        builder = builder.refresh(hitbox::Refresh::After(0.5));
    }
    if let Some(limit) = rules.soft_timeout {
        builder = builder.soft_timeout(limit);
    }
    if let Some(limit) = rules.hard_timeout {
        builder = builder.hard_timeout(limit);
    }
    builder.build()
}

type Loading = BoxFuture<'static, Result<Loaded<String>, LoadFailed>>;

impl Scene {
    fn key(&self, key: usize) -> Key<String> {
        SPACE.key(self.ids[key])
    }

    /// Makes a call, and has its answer judged.
    pub(super) async fn perform(&self, call: Call, act: Act) {
        match act {
            Act::Get { key } => self.get(&call, key).await,
            Act::GetOrLoad { key, loader } => {
                let (begun, since) = (self.ledger.call_begins(key), Instant::now());
                let load = self.loader(key, loader);
                let answer = self
                    .cache
                    .get_or_try_load(self.key(key), load)
                    .entry()
                    .await;
                self.judge(&call, key, told(&answer), begun, since.elapsed());
            }
            Act::Refresh { key, loader } => {
                // Who comes from now on does not join what was loaded before.
                self.ledger.invalidation_begins(key);
                let (begun, since) = (self.ledger.call_begins(key), Instant::now());
                let load = self.loader(key, loader);
                let answer = self.cache.refresh(self.key(key), load).entry().await;
                self.judge(&call, key, told(&answer), begun, since.elapsed());
            }
            Act::GetManyOrLoad { keys, loader } => {
                let keys: Vec<_> = keys_of(keys, self.ids.len()).collect();
                self.get_many(&call, &keys, loader).await;
            }
            Act::Insert { key } => {
                let stamp = self.ledger.insert_begins(call.number, key);
                let value = format!("i{}k{key}", call.number);
                let outcome = self.cache.insert(self.key(key), value).await;
                self.ledger.has_replaced(key, stamp);
                self.tell(&call, key, || format!("{outcome:?}"));
            }
            Act::Remove { key } => {
                let stamp = self.ledger.invalidation_begins(key);
                let outcome = self.cache.remove(self.key(key)).await;
                self.ledger.has_replaced(key, stamp);
                self.tell(&call, key, || format!("{outcome:?}"));
            }
            Act::RemoveMany { keys } => {
                let keys: Vec<_> = keys_of(keys, self.ids.len()).collect();
                let stamps = keys.iter().map(|key| self.ledger.invalidation_begins(*key));
                let stamps: Vec<_> = stamps.collect();
                let removed = keys.iter().map(|key| self.key(*key));
                self.cache.remove_many(removed).await;
                for (key, stamp) in keys.iter().zip(stamps) {
                    self.ledger.has_replaced(*key, stamp);
                    self.tell(&call, *key, || String::from("removed"));
                }
            }
            Act::Expire { key } => {
                let stamp = self.ledger.expiry_begins(key);
                let outcome = self.cache.expire(self.key(key)).await;
                self.ledger.has_expired(key, stamp);
                self.tell(&call, key, || format!("{outcome:?}"));
            }
        }
    }

    async fn get(&self, call: &Call, key: usize) {
        let begun = self.ledger.call_begins(key);
        let found = self.cache.get(self.key(key)).await;
        if let Ok(Some(text)) = &found {
            let status = Some(Status::Hit);
            let judgement = self
                .ledger
                .check_value(key, text, status, begun, call.polled());
            self.note(judgement);
        }
        self.tell(call, key, || format!("{found:?}"));
    }

    async fn get_many(&self, call: &Call, keys: &[usize], loader: Loader) {
        let begun = keys.iter().map(|key| self.ledger.call_begins(*key));
        let (begun, since): (Vec<_>, _) = (begun.collect(), Instant::now());
        let ids = keys.iter().map(|key| self.ids[*key]);
        let load = self.loader_of_many(loader);
        let answers = self.cache.get_many_or_load(&SPACE, ids, load).await;
        if answers.len() != keys.len() {
            self.note(Err(format!("{} answers for keys {keys:?}", answers.len())));
        }
        for ((key, answer), begun) in keys.iter().zip(&answers).zip(begun) {
            let answer = answer.as_ref().map(|text| (text.as_str(), None));
            self.judge(call, *key, answer, begun, since.elapsed());
        }
    }

    fn loader(&self, key: usize, loader: Loader) -> impl FnOnce() -> Loading + Send + use<> {
        let (source, ledger) = (Arc::clone(&self.source), Arc::clone(&self.ledger));
        let asked = ledger.asks(key, Turns::Waits);
        move || {
            Box::pin(async move {
                let (load, end) = source.load(ledger, vec![asked], loader).await?;
                Ok(loaded(load, key, end))
            })
        }
    }

    fn loader_of_many(
        &self,
        loader: Loader,
    ) -> impl FnOnce(Batch<u64, String>) -> LoadingMany + Send + use<> {
        let (source, ledger) = (Arc::clone(&self.source), Arc::clone(&self.ledger));
        let asked = (0..self.ids.len()).map(|key| ledger.asks(key, Turns::Never));
        let ids: Vec<_> = self.ids.iter().copied().zip(asked).collect();
        move |mut missing| {
            Box::pin(async move {
                let missed = |(id, _): &&(u64, Asked)| missing.ids().contains(id);
                let all: Vec<_> = ids.iter().filter(missed).copied().collect();
                let asked = all.iter().map(|(_, asked)| *asked).collect();
                let (load, end) = source.load(ledger, asked, loader).await?;
                for (id, asked) in all {
                    missing.found(id, loaded(load, asked.key, end));
                }
                Ok(missing)
            })
        }
    }

    fn judge(
        &self,
        call: &Call,
        key: usize,
        answer: Result<(&str, Option<Status>), &LoadError>,
        begun: Begun,
        waited: Duration,
    ) {
        let judgement = match answer {
            Ok((text, status)) => self
                .ledger
                .check_value(key, text, status, begun, call.polled()),
            Err(error) => self.ledger.check_error(key, error, begun, waited),
        };
        self.note(judgement);
        self.tell(call, key, || format!("{answer:?}"));
    }

    fn note(&self, judgement: Result<(), String>) {
        if let Err(violation) = judgement {
            self.ledger.violation(violation);
        }
    }

    fn tell(&self, call: &Call, key: usize, answer: impl FnOnce() -> String) {
        let answer = answer();
        let distinct = answer.bytes().fold(call.number as u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        self.world.tell(distinct, || {
            format!("    call {} on k{key}: {answer}", call.number)
        });
    }
}

fn loaded(load: usize, key: usize, end: End) -> Loaded<String> {
    let value = format!("l{load}k{key}");
    match end {
        End::Brief => Loaded::new(value).ttl(BRIEF),
        End::Uncached => Loaded::uncached(value),
        End::Absent | End::Fails | End::Panics => Loaded::absent(),
        End::Value => Loaded::new(value),
    }
}

fn told(answer: &Result<Entry<String>, LoadError>) -> Result<(&str, Option<Status>), &LoadError> {
    let answer = answer.as_ref();
    answer.map(|entry| (entry.value().as_str(), Some(entry.status())))
}
