//! Layers that begin in place what they cannot end there, or take their time over it.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionPolicy,
    DeleteStatus, Operation, ParallelReadPolicy, ReadAttempt, ReadOutcome, RepairPolicy,
    WriteAttempt, conformance::MemoryBackend,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Raw, Stamp,
    clock::{Moment, VirtualTime},
};
use tokio::time::sleep;

fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}

fn value(text: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text.as_bytes())), Stamp::now())
}

/// As long as the answer of a layer that failed without one may still take effect.
const LATE_EFFECT: Duration = Duration::from_secs(60);

/// Loses the answer to its first write, and begins the second, which takes longer than that answer may
/// still take effect.
#[derive(Default)]
struct Slow {
    inner: MemoryBackend,
    writes: AtomicUsize,
}

#[async_trait]
impl Backend for Slow {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.inner.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        match self.writes.fetch_add(1, Ordering::Relaxed) {
            0 => Attempt::Ready(Err(BackendError::new(
                BackendErrorKind::Unavailable,
                Operation::Write,
                self.label(),
            ))),
            1 => Attempt::Pending(Box::pin(async move {
                self.inner.write(key, value).await?;
                sleep(LATE_EFFECT + Duration::from_secs(1)).await;
                Ok(())
            })),
            _ => Attempt::WouldBlock(value),
        }
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("slow")
    }
}

/// The write that lost its answer takes effect beneath the newer one, which confirms only when nothing
/// late is expected any more: what it says of the layer was true a minute ago.
#[tokio::test(start_paused = true)]
async fn a_write_that_takes_long_does_not_vouch_for_what_has_come_late_beneath_it() {
    let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
    let cache = Slow::default().compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let (key, old) = (key(), value("old"));
    let Attempt::Ready(Ok(())) = cache.try_write(&key, old.clone()) else {
        panic!("L2 has taken it");
    };

    let Attempt::Pending(rest) = cache.try_write(&key, value("new")) else {
        panic!("L1 has only begun");
    };
    let late = async {
        sleep(LATE_EFFECT / 2).await;
        cache.l1().inner.write(&key, old).await
    };
    let (written, late) = tokio::join!(rest, late);
    written.unwrap();
    late.unwrap();

    let found = cache.read(&key).await.unwrap().unwrap();
    assert_eq!(found.data().payload().unwrap(), "new");
}

thread_local! {
    /// For a backend, which may be on any thread, while the clock is this one's.
    static CLOCK: RefCell<Option<VirtualTime>> = const { RefCell::new(None) };
}

/// Answers in place, after two seconds.
struct TakesTime;

#[async_trait]
impl Backend for TakesTime {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(None)
    }

    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn try_read<'a>(
        &'a self,
        _key: &'a CacheKey,
        _context: &mut BoxContext,
        _moment: &Moment,
    ) -> ReadAttempt<'a> {
        CLOCK.with_borrow(|clock| clock.as_ref().unwrap().advance(TimeDelta::seconds(2)));
        Attempt::Ready(Ok(None))
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("takes time")
    }
}

/// A parallel read has found it in L1, and then asks L2.
#[tokio::test]
async fn what_expires_while_the_other_layer_is_looked_into_is_a_miss() {
    let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    CLOCK.set(Some(VirtualTime::start(start)));
    let expire = start + TimeDelta::seconds(1);
    let l1 = MemoryBackend::new();
    let value = value("short-lived").expire_no_later_than(expire);
    l1.write(&key(), value).await.unwrap();
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    let cache = l1.compose_with(TakesTime, DisabledOffload, policy);

    let (key, mut context) = (key(), BoxContext::default());
    let outcome = match cache.try_read(&key, &mut context, &Moment::default()) {
        Attempt::Ready(outcome) => outcome,
        Attempt::Pending(_) | Attempt::WouldBlock(()) => panic!("waits"),
    };
    assert_eq!(outcome.unwrap(), None);
    assert_eq!(context.status(), CacheStatus::Miss);
    CLOCK.set(None);
}
