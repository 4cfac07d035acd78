//! A type that the backend cannot store is said aloud, once.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use hitbox::{Cache, Keyspace};
use hitbox_backend::conformance::MemoryBackend;
use serde::{Deserialize, Serialize, Serializer, ser::Error};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::source::until;

#[derive(Deserialize)]
struct Unwritable(u64);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("never"))
    }
}

const UNWRITABLE: Keyspace<u64, Unwritable> = Keyspace::new("unwritable", 1);

/// The messages of errors.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_type_that_cannot_be_stored_is_loaded_each_time_and_said_once() {
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
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
    let said = errors.0.lock().unwrap().clone();
    assert_eq!(
        said,
        ["what was loaded can never be stored: each call loads anew"]
    );
}
