//! A type that the backend cannot store is said aloud, once.

use std::time::Duration;

use hitbox::{Cache, Keyspace};
use hitbox_backend::conformance::MemoryBackend;
use serde::{Deserialize, Serialize, Serializer, ser::Error};
use test_servers::log::Recorder;
use tracing::Level;

use crate::source::until;

#[derive(Deserialize)]
struct Unwritable(u64);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("never"))
    }
}

const UNWRITABLE: Keyspace<u64, Unwritable> = Keyspace::new("unwritable", 1);

#[tokio::test(start_paused = true)]
async fn a_type_that_cannot_be_stored_is_loaded_each_time_and_said_once() {
    let (errors, _guard) = Recorder::on_this_thread(|metadata| *metadata.level() == Level::ERROR);
    let cache = Cache::builder(MemoryBackend::new().keeping_bytes())
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap();
    for loads in 1..=3 {
        let load = move || async move { Unwritable(loads) };
        let value = cache.get_or_load(UNWRITABLE.key(1), load).await;
        assert_eq!(value.unwrap().0, loads);
        until(|| cache.statistics().failed_fills == loads).await;
    }
    let said = errors.take();
    let told = "ERROR message=what was loaded can never be stored: each call loads anew";
    assert!(said.len() == 1 && said[0].starts_with(told), "{said:?}");
}
