//! Each fault is traced.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use hitbox_backend::{
    Backend,
    chaos::{ChaosBackend, Fault, Script},
    conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes events down.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(Level, String)>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hitbox_backend::chaos")
    }
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let level = *event.metadata().level();
        self.0.lock().unwrap().push((level, fields.0));
    }
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

#[tokio::test]
async fn a_fault_is_one_event_at_debug() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let subject = ChaosBackend::builder(MemoryBackend::new())
        .script(Script::writes([Some(Fault::LoseAnswer)]))
        .build()
        .unwrap();
    let key = CacheKey::from_pair("id", "42");
    let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
    assert!(subject.write(&key, value.clone()).await.is_err());
    subject.write(&key, value).await.unwrap();
    let events = recorder.0.lock().unwrap().clone();
    let [(level, fields)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*level, Level::DEBUG);
    for part in [
        "message=fault injected",
        "backend=memory",
        "key=:v0:id=42",
        "operation=Write",
        "call=1",
        "fault=LoseAnswer",
    ] {
        assert!(fields.contains(part), "{part} in {fields}");
    }
}
