//! Hits by a key that is made for each.

use std::sync::Arc;

use hitbox::Keyspace;
use hitbox_backend::CacheBackend;
use hitbox_core::{CacheKey, KeyPart};

use super::{SIZE, Stage};
use crate::{
    Case, Contest, Runner, Target,
    bodies::{Body, Text},
    keys::{self, Order},
    runtime,
};

const USERS: Keyspace<u64, Text> = Keyspace::new("users", 1);

/// The floor makes the key and gets the value, with the backend alone.
pub(super) fn case() -> Case {
    let case = Case::contest("loads/hit, key of a keyspace made for each", || {
        let runtime = runtime()?;
        let Stage { cache, fenced, .. } = Stage::new(|builder| builder)?;
        runtime.block_on(async {
            for id in 0..keys::HOT as u64 {
                let body = Text::new(id, SIZE);
                cache.insert(USERS.key(id), body).await?;
            }
            Ok::<_, hitbox::BackendError>(())
        })?;
        let mut order = Order::even(keys::HOT);
        let mut floors_order = order.clone();
        let ours = Runner::repeating(&runtime, async move || {
            let key = USERS.key(order.advance() as u64);
            let load = || async { Err::<Text, _>("a miss") };
            let value: Arc<Text> = cache.get_or_try_load(key, load).await?;
            std::hint::black_box(&value);
            Ok(())
        });
        let floor = Runner::repeating(&runtime, async move || {
            let id = floors_order.advance().to_string();
            let key = CacheKey::new("users", 1, [KeyPart::new("id", Some(id))]);
            let found = fenced.get::<Text>(&key).await?;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        });
        Ok(Contest::between(ours, floor))
    });
    case.target(Target::at_most(1.05).allocations(2))
}
