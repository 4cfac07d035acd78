//! What does get-or-load cost beside the same by hand, where there is more to do than to hit?

pub mod herd;
mod keyed;
mod miss;
mod under_way;

use std::{sync::Arc, time::Duration};

use hitbox::{Cache, CacheBuilder};
use hitbox_backend::{Backend, BackendExt};
use hitbox_moka::MokaBackend;

use super::arrangement::moka;
use crate::{Case, Failure, bodies::Size};

const ENTRIES: u64 = 10_000;

const SIZE: Size = Size::ONE_KB;

/// Longer than any run.
const LIFE: Duration = Duration::from_secs(6 * 3_600);

/// A cache over moka in fences, and both of these: what the floor uses, and what can be emptied without a trace.
struct Stage {
    cache: Cache,
    fenced: Arc<dyn Backend>,
    moka: MokaBackend,
}

impl Stage {
    fn new(build: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Result<Self, Failure> {
        let moka = moka(ENTRIES)?;
        let fenced: Arc<dyn Backend> = Arc::new(moka.clone().fenced());
        let builder = Cache::builder(Arc::clone(&fenced));
        let builder = builder.ttl(LIFE).load_deadline(LIFE);
        Ok(Self {
            cache: build(builder).build()?,
            fenced,
            moka,
        })
    }

    /// As if nothing had been stored.
    fn empty(moka: &MokaBackend) -> Result<(), Failure> {
        moka.clear();
        moka.run_pending_tasks();
        Ok(())
    }
}

/// All of them are over moka in fences, and of bodies of 1 KB.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![keyed::case()];
    cases.extend(miss::cases());
    cases.extend(under_way::cases());
    cases.push(herd::case());
    cases.into_iter().map(Case::quick).collect()
}
