//! The chaos does what it was told to, and nothing else.

mod bulk;
mod damage;
mod faults;
mod handle;
mod layers;
mod replay;
mod script;
mod settings;

use std::sync::Arc;

use hitbox_backend::{
    Backend,
    chaos::{ChaosBackend, ChaosBuilder, ChaosHandle, Fault, Script},
    conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

type Subject = Arc<ChaosBackend<MemoryBackend>>;

fn builder() -> ChaosBuilder<MemoryBackend> {
    ChaosBackend::builder(MemoryBackend::new())
}

fn build(builder: ChaosBuilder<MemoryBackend>) -> (Subject, ChaosHandle) {
    let backend = builder.build().unwrap();
    let handle = backend.handle();
    (Arc::new(backend), handle)
}

/// A backend whose next calls meet what this script says.
fn scripted(script: Script) -> (Subject, ChaosHandle) {
    build(builder().script(script))
}

fn once(fault: Fault) -> [Option<Fault>; 1] {
    [Some(fault)]
}

fn key() -> CacheKey {
    CacheKey::from_pair("id", "42")
}

fn keys<const N: usize>() -> [CacheKey; N] {
    std::array::from_fn(|index| CacheKey::from_pair("id", index.to_string()))
}

fn value(payload: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![payload]), Stamp::now())
}

fn payload(value: &CacheValue<Raw>) -> u8 {
    value.data().payload().unwrap()[0]
}

/// What the backend beneath the chaos holds.
async fn within(subject: &Subject, key: &CacheKey) -> Option<u8> {
    let found = subject.get_ref().read(key).await.unwrap();
    found.as_ref().map(payload)
}

/// What a read through the chaos finds.
async fn found(subject: &Subject, key: &CacheKey) -> Option<u8> {
    subject.read(key).await.unwrap().as_ref().map(payload)
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}
