//! foyer's cache in memory. A hit returns a handle to the entry, which holds the object.

use std::{rc::Rc, sync::Arc};

use foyer::{Cache, CacheBuilder};
use hitbox_benches::{
    Failure, Runner,
    bodies::{Size, Text},
    keys,
};
use tokio::runtime::Runtime;

use super::{ENTRIES, body, over_hot};

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache: Cache<Arc<str>, Text> = CacheBuilder::new(usize::try_from(ENTRIES)?).build();
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        cache.insert(Arc::clone(key), body(index, size));
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        let entry = cache.get(key).ok_or("a miss")?;
        std::hint::black_box(entry.value());
        Ok(())
    }))
}
