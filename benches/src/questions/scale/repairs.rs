//! What does a hit cost while a layer owes writes of other keys?

use std::{num::NonZeroUsize, rc::Rc, sync::Arc};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, CacheBackend, Compose,
    CompositionPolicy, DeleteStatus, Operation, ReadOutcome, RepairPolicy,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Raw};
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{self, Body, Size, Text},
    keys,
    questions::arrangement::{moka, typed_hits},
    runtime,
};

/// How many keys a layer may owe.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1 << 21).expect("not zero");

/// A layer that takes no writes.
struct Down;

impl Down {
    fn refusal(operation: Operation) -> BackendError {
        let label = BackendLabel::new_static("down");
        BackendError::new(BackendErrorKind::Unavailable, operation, label)
    }
}

#[async_trait]
impl Backend for Down {
    async fn read(&self, _: &CacheKey) -> ReadOutcome {
        Err(Self::refusal(Operation::Read))
    }

    async fn write(&self, _: &CacheKey, _: CacheValue<Raw>) -> BackendResult<()> {
        Err(Self::refusal(Operation::Write))
    }

    async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
        Err(Self::refusal(Operation::Remove))
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("down")
    }
}

/// Hits of hot keys in L1, with so many others that L2 owes. It owes the hot ones, too, in any case:
/// they are not asked of it.
fn hits(runtime: &Rc<Runtime>, owed: usize) -> Result<Runner, Failure> {
    let policy = CompositionPolicy::new()
        .repair(RepairPolicy::Never)
        .record_capacity(CAPACITY);
    let cache = moka(4 << 20)?.compose_with(Down, DisabledOffload, policy);
    let body = Arc::new(Text::new(0, Size(64)));
    runtime.block_on(async {
        for index in 0..owed {
            let key = keys::key(keys::HOT + index);
            cache
                .set(&key, bodies::value(&body, bodies::expiry()))
                .await?;
        }
        Ok::<_, Failure>(())
    })?;
    if cache.owed_len() != owed {
        return Err(format!("L2 owes {} keys, not {owed}", cache.owed_len()).into());
    }
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

/// Hits in a composition whose layers owe nothing.
fn healthy_hits(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let cache = moka(10_000)?.compose(moka(10_000)?, DisabledOffload);
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

/// Beside one that owes only the hot keys; and that beside one that owes nothing.
#[must_use]
pub fn cases() -> Vec<Case> {
    let name = "scale_repairs/sequential hit of keys owed by L2, against nothing owed";
    let owed = Case::contest(name, || {
        let runtime = runtime()?;
        let floor = healthy_hits(&runtime)?;
        Ok(Contest::between(hits(&runtime, 0)?, floor))
    });
    let others = |others: usize| {
        let name = format!("scale_repairs/the same, {others} other keys owed, against none");
        let case = Case::contest(name, move || {
            let runtime = runtime()?;
            let floor = hits(&runtime, 0)?;
            Ok(Contest::between(hits(&runtime, others)?, floor))
        });
        if others <= 10_000 { case.quick() } else { case }
    };
    let mut cases = vec![owed.quick()];
    cases.extend([100, 1_000, 10_000, 100_000, 1_000_000].map(others));
    let uncounted = cases.into_iter().map(|case| case.counts(Counts::Nothing));
    uncounted.collect()
}
