//! What calls cost while loads are under way, and what else is done at the table of flights and at the fences.

use std::{
    collections::HashMap,
    future::{Future, pending},
    pin::pin,
    rc::Rc,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use hitbox::{Key, Loaded};
use hitbox_backend::{Backend, CacheBackend};
use hitbox_core::CacheKey;
use tokio::{runtime::Runtime, task::unconstrained};

use super::{LIFE, SIZE, Stage};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{Body, Text},
    keys::{self, Order},
    questions::arrangement::fill,
    runtime,
};

fn hot_keys() -> Vec<Key<Text>> {
    keys::keys(keys::HOT)
        .into_iter()
        .map(Key::untyped)
        .collect()
}

/// Reads by keys in a random order, each of which is to be answered.
fn reads(runtime: &Rc<Runtime>, stage: Stage) -> Runner {
    let (keys, mut order) = (hot_keys(), Order::even(keys::HOT));
    Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        let value = stage.cache.get_or_load(key, pending::<Text>).await?;
        std::hint::black_box(&value);
        Ok(())
    })
}

/// Of values that are stale, within the window, each with a refresh that does not end. The floor: hits.
fn stale() -> Case {
    let case = Case::contest("loads/stale hit, refresh under way, against a hit", || {
        let runtime = runtime()?;
        let fresh = Stage::new(|builder| builder)?;
        fill::<Text>(&runtime, &fresh.fenced, keys::HOT, SIZE)?;
        let stale = Stage::new(|builder| builder.stale_while_revalidate(LIFE))?;
        let moment = Duration::from_millis(1);
        runtime.block_on(async {
            for (id, key) in (0..).zip(hot_keys()) {
                let value = Loaded::new(Text::new(id, SIZE)).ttl(moment);
                stale.cache.insert(key, value).await?;
            }
            tokio::time::sleep(2 * moment).await;
            for key in &hot_keys() {
                stale.cache.get_or_load(key, pending::<Text>).await?;
            }
            tokio::task::yield_now().await;
            Ok::<_, Failure>(())
        })?;
        if stale.cache.loads().len() < keys::HOT {
            return Err("not every key is refreshed".into());
        }
        Ok(Contest::between(
            reads(&runtime, stale),
            reads(&runtime, fresh),
        ))
    });
    case.target(Target::at_most(1.1).allocations(0))
}

/// A call that joins a flight, is polled once, and goes. The floor: a look-up in a map behind a lock.
fn joining() -> Case {
    Case::contest(
        "loads/a call joins a flight and goes, against a look-up",
        || {
            let runtime = runtime()?;
            let stage = Stage::new(|builder| builder)?;
            runtime.block_on(async {
                for key in hot_keys() {
                    let cache = stage.cache.clone();
                    tokio::spawn(async move { cache.get_or_load(key, pending::<Text>).await });
                }
                while stage.cache.loads().len() < keys::HOT {
                    tokio::task::yield_now().await;
                }
            });
            let (keys, mut order) = (hot_keys(), Order::even(keys::HOT));
            let ours = Runner::repeating(&runtime, async move || {
                let key = &keys[order.advance()];
                let call = stage.cache.get_or_load(key, pending::<Text>);
                // Past what tokio allows a task in one go, it would do nothing.
                let mut call = pin!(unconstrained(call));
                match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => Ok(()),
                    Poll::Ready(_) => Err("it has not joined".into()),
                }
            });
            let keys = keys::keys(keys::HOT);
            let map: HashMap<CacheKey, u64> = keys.iter().cloned().zip(0..).collect();
            let map = Mutex::new(map);
            let mut order = Order::even(keys::HOT);
            let floor = Runner::repeating(&runtime, async move || {
                let map = map.lock().unwrap_or_else(PoisonError::into_inner);
                std::hint::black_box(map.get(&keys[order.advance()]).ok_or("a miss")?);
                Ok(())
            });
            Ok(Contest::between(ours, floor))
        },
    )
}

/// Of keys that nobody loads. The floor: a delete of the backend.
fn removing() -> Case {
    let case = Case::contest("loads/remove, no load under way, against delete", || {
        let runtime = runtime()?;
        let (ours, floor) = (
            Stage::new(|builder| builder)?,
            Stage::new(|builder| builder)?,
        );
        let (keys, mut order) = (hot_keys(), Order::even(keys::HOT));
        let removes = Runner::repeating(&runtime, async move || {
            ours.cache.remove(&keys[order.advance()]).await?;
            Ok(())
        });
        let (keys, mut order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
        let deletes = Runner::repeating(&runtime, async move || {
            floor.fenced.delete(&keys[order.advance()]).await?;
            Ok(())
        });
        Ok(Contest::between(removes, deletes))
    });
    case.target(Target::at_most(1.05))
}

/// A lease is taken and given back. The floor: an insert into a map behind a lock, and a remove.
fn leasing() -> Case {
    Case::contest("loads/a lease, against a map behind a lock", || {
        let runtime = runtime()?;
        let stage = Stage::new(|builder| builder)?;
        let (keys, mut order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
        let ours = Runner::repeating(&runtime, async move || {
            std::hint::black_box(&stage.fenced.begin_load(&keys[order.advance()]).await?);
            Ok(())
        });
        let (keys, mut order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
        let map: Mutex<HashMap<CacheKey, u64>> = Mutex::default();
        let floor = Runner::repeating(&runtime, async move || {
            let key = &keys[order.advance()];
            let map = || map.lock().unwrap_or_else(PoisonError::into_inner);
            map().insert(key.clone(), 1);
            std::hint::black_box(&map().remove(key));
            Ok(())
        });
        Ok(Contest::between(ours, floor))
    })
}

pub(super) fn cases() -> [Case; 4] {
    [stale(), joining(), removing(), leasing()]
}
