//! What does a write in process cost?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, Compose};
use hitbox_core::DisabledOffload;
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use super::arrangement::moka;
use crate::{
    Case, Contest, Runner, Target,
    bodies::{self, Binary, Body, Size, Text},
    floor::{TypedMoka, raw_moka},
    keys::{self, Order},
    runtime,
};

const ENTRIES: u64 = 10_000;

/// Typed writes over hot keys.
fn typed<T: Body>(runtime: &Rc<Runtime>, cache: impl Backend + 'static, size: Size) -> Runner {
    let keys = keys::keys(keys::HOT);
    let mut order = Order::even(keys::HOT);
    let body = Arc::new(T::new(0, size));
    let expiry = bodies::expiry();
    Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        cache.set(key, bodies::value(&body, expiry)).await?;
        Ok(())
    })
}

/// Encodes once and inserts into this many caches.
fn raw<T: Body>(runtime: &Rc<Runtime>, caches: usize, size: Size) -> Runner {
    let caches: Vec<_> = (0..caches).map(|_| raw_moka(ENTRIES)).collect();
    let keys = keys::texts(keys::HOT);
    let mut order = Order::even(keys::HOT);
    let body = T::new(0, size);
    Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        let encoded = bodies::encoded(&body)?;
        for cache in &caches {
            cache.insert(Arc::clone(key), encoded.clone()).await;
        }
        Ok(())
    })
}

fn composed<T: Body>(size: Size) -> Case {
    let name = format!("write/composed, default policy/{size} {}", T::NAME);
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
        let ours = typed::<T>(&runtime, cache, size);
        Ok(Contest::between(ours, raw::<T>(&runtime, 2, size)))
    });
    case.target(Target::at_most(1.2))
}

/// Without a target: what of the above is moka's adapter.
fn alone<T: Body>(size: Size) -> Case {
    let name = format!("write/moka alone/{size} {}", T::NAME);
    Case::contest(name, move || {
        let runtime = runtime()?;
        let ours = typed::<T>(&runtime, moka(ENTRIES)?, size);
        Ok(Contest::between(ours, raw::<T>(&runtime, 1, size)))
    })
}

/// Inserts the object into a moka that keeps such objects, under a key of its own.
fn into_typed_moka<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Runner {
    let cache = TypedMoka::<T>::new(ENTRIES);
    let texts: Vec<_> = (0..keys::HOT).map(keys::joined).collect();
    let mut order = Order::even(keys::HOT);
    let body = Arc::new(T::new(0, size));
    Runner::repeating(runtime, async move || {
        cache.insert(texts[order.advance()].clone(), Arc::clone(&body));
        Ok(())
    })
}

/// Objects go in, and nothing is encoded on either side.
fn against_typed_moka<T: Body>(size: Size) -> [Case; 2] {
    let name = |bound| {
        let body = T::NAME;
        format!("write/moka alone, {bound}, against typed moka/{size} {body}")
    };
    let by_entries = Case::contest(name("bounded by entries"), move || {
        let runtime = runtime()?;
        let ours = typed::<T>(&runtime, moka(ENTRIES)?, size);
        Ok(Contest::between(ours, into_typed_moka::<T>(&runtime, size)))
    });
    let by_bytes = Case::contest(name("bounded by bytes"), move || {
        let runtime = runtime()?;
        let cache = MokaBackend::builder().max_bytes(1 << 30).build()?;
        let ours = typed::<T>(&runtime, cache, size);
        Ok(Contest::between(ours, into_typed_moka::<T>(&runtime, size)))
    });
    [by_entries.target(Target::at_most(1.25)), by_bytes]
}

/// Every size and type of body.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        let texts = [composed::<Text>(size), alone::<Text>(size)];
        cases.extend(texts.map(|case| case.quick_at(size)));
        cases.extend([composed::<Binary>(size), alone::<Binary>(size)]);
        cases.extend(against_typed_moka::<Text>(size).map(|case| case.quick_at(size)));
    }
    cases
}
