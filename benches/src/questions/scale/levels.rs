//! What does another level cost?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, Compose, CompositionPolicy, RefillPolicy};
use hitbox_core::{CacheContext, DisabledOffload};
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{Size, Text},
    keys::{self, Order},
    questions::arrangement::{fill, hits, moka, raw_hits, typed_hits},
    runtime,
};

const MOST: usize = 4;

/// So many levels, the fastest in front of the rest, and the last of them. L1 is not filled from behind.
fn levels(count: usize) -> Result<(Arc<dyn Backend>, MokaBackend), Failure> {
    let last = moka(10_000)?;
    let mut whole: Arc<dyn Backend> = Arc::new(last.clone());
    for _ in 1..count {
        let never = CompositionPolicy::new().refill(RefillPolicy::Never);
        whole = Arc::new(moka(10_000)?.compose_with(whole, DisabledOffload, never));
    }
    Ok((whole, last))
}

fn in_first(runtime: &Rc<Runtime>, count: usize) -> Result<Runner, Failure> {
    typed_hits::<Text>(runtime, levels(count)?.0, Size::ONE_KB)
}

fn in_last(runtime: &Rc<Runtime>, count: usize) -> Result<Runner, Failure> {
    let (cache, last) = levels(count)?;
    fill::<Text>(runtime, &last, keys::HOT, Size::ONE_KB)?;
    let (keys, order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
    Ok(hits::<Text>(runtime, cache, keys, order))
}

fn nowhere(runtime: &Rc<Runtime>, count: usize) -> Result<Runner, Failure> {
    let (cache, _) = levels(count)?;
    let keys = keys::keys(keys::HOT);
    let mut order = Order::even(keys::HOT);
    Ok(Runner::repeating(runtime, async move || {
        let mut context = CacheContext::default().boxed();
        let found = cache
            .get_with::<Text>(&keys[order.advance()], &mut context)
            .await?;
        match std::hint::black_box(found) {
            Some(_) => Err("a hit".into()),
            None => Ok(()),
        }
    }))
}

type Reads = fn(&Rc<Runtime>, usize) -> Result<Runner, Failure>;

/// Levels, by where the value is.
#[must_use]
pub fn cases() -> Vec<Case> {
    let places: [(&str, Reads); 3] = [
        ("hit in the first", in_first),
        ("hit in the last", in_last),
        ("miss", nowhere),
    ];
    let mut cases = Vec::new();
    for (place, reads) in places {
        for count in 1..=MOST {
            let name = format!("scale_levels/{place}/{count} levels, each Arc<dyn Backend>");
            let case = Case::contest(name, move || {
                let runtime = runtime()?;
                let floor = raw_hits::<Text>(&runtime, Size::ONE_KB)?;
                Ok(Contest::between(reads(&runtime, count)?, floor))
            });
            cases.push(case.counts(Counts::Nothing).quick());
        }
    }
    cases
}
