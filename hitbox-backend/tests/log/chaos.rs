//! Each fault is traced.

use hitbox_backend::{
    Backend,
    chaos::{ChaosBackend, Fault, Script},
    conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use test_servers::log::Recorder;

#[tokio::test]
async fn a_fault_is_one_event_at_debug() {
    let (recorder, _guard) = Recorder::on_this_thread(|metadata| {
        metadata.is_event() && metadata.target().starts_with("hitbox_backend::chaos")
    });
    let subject = ChaosBackend::builder(MemoryBackend::new())
        .script(Script::writes([Some(Fault::LoseAnswer)]))
        .build()
        .unwrap();
    let key = CacheKey::from_pair("id", "42");
    let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
    assert!(subject.write(&key, value.clone()).await.is_err());
    subject.write(&key, value).await.unwrap();
    let events = recorder.take();
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(event.starts_with("DEBUG "), "{event}");
    for part in [
        "message=fault injected",
        "backend=memory",
        "key=:v0:id=42",
        "operation=Write",
        "call=1",
        "fault=LoseAnswer",
    ] {
        assert!(event.contains(part), "{part} in {event}");
    }
}
