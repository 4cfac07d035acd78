//! What does a hit of get-or-load cost over one of the backend beneath it?

use std::{rc::Rc, sync::Arc, time::Duration};

use hitbox::{Cache, Key};
use hitbox_backend::{Backend, BackendExt, Compose};
use hitbox_core::DisabledOffload;
use tokio::runtime::Runtime;

use super::arrangement::{fill, moka, quick_cache, typed_hits};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{Body, Size, Text},
    keys::{self, Order},
    runtime,
};

const ENTRIES: u64 = 10_000;

/// Calls of get-or-load for hot keys, which are there.
fn hits<T: Body>(
    runtime: &Rc<Runtime>,
    over: Arc<dyn Backend>,
    size: Size,
) -> Result<Runner, Failure> {
    fill::<T>(runtime, &over, keys::HOT, size)?;
    let cache = Cache::builder(over)
        .ttl(Duration::from_secs(3_600))
        .build()?;
    let keys: Vec<Key<T>> = keys::keys(keys::HOT)
        .into_iter()
        .map(Key::untyped)
        .collect();
    let mut order = Order::even(keys::HOT);
    Ok(Runner::repeating(runtime, async move || {
        let load = || async { Err::<T, _>("a miss") };
        let value = cache.get_or_try_load(&keys[order.advance()], load).await?;
        std::hint::black_box(&value);
        Ok(())
    }))
}

fn case<T: Body>(
    name: &str,
    size: Size,
    over: impl Fn() -> Result<Arc<dyn Backend>, Failure> + 'static,
) -> Case {
    let name = format!(
        "hit/get-or-load, {name}/{size} {}/{} keys",
        T::NAME,
        keys::HOT
    );
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let ours = hits::<T>(&runtime, over()?, size)?;
        Ok(Contest::between(
            ours,
            typed_hits::<T>(&runtime, over()?, size)?,
        ))
    });
    case.target(Target::at_most(1.08).allocations(0)).quick()
}

/// The floor is a typed `get` of the same backend behind `dyn`.
pub(super) fn cases() -> [Case; 3] {
    let size = Size::ONE_KB;
    [
        case::<Text>("moka fenced", size, || {
            Ok(Arc::new(moka(ENTRIES)?.fenced()))
        }),
        case::<Text>("moka+moka", size, || {
            Ok(Arc::new(
                moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload),
            ))
        }),
        case::<Text>("quick_cache+moka", size, || {
            Ok(Arc::new(
                quick_cache(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload),
            ))
        }),
    ]
}
