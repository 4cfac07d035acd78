//! Damaged bytes: a miss that is reported, or (distorted) what no checksum sees.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendResult, CacheBackend, DeleteStatus, ReadOutcome, Rejection,
    chaos::{ChaosBackend, Fault, Script},
    conformance::MemoryBackend,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, Raw, ResponseSource, Stamp,
};

use crate::chaos::{found, key, once, scripted, value, within};

/// Keeps what is reported to it.
#[derive(Default)]
struct Reporting {
    memory: MemoryBackend,
    rejected: Mutex<Vec<(CacheKey, Rejection)>>,
}

#[async_trait]
impl Backend for Reporting {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.memory.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.memory.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.memory.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        self.memory.label()
    }
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.rejected.lock().unwrap().push((key.clone(), rejection));
    }
}

#[tokio::test]
async fn damage_to_a_read_is_a_reported_miss_once() {
    for fault in [Fault::Tear, Fault::Corrupt] {
        let inner = Reporting::default();
        let builder = ChaosBackend::builder(&inner).script(Script::reads(once(fault)));
        let subject = builder.build().unwrap();
        subject.write(&key(), value(1)).await.unwrap();
        let mut context = BoxContext::default();
        assert_eq!(subject.read_with(&key(), &mut context).await.unwrap(), None);
        assert_eq!(context.status(), CacheStatus::Miss);
        assert_eq!(*context.source(), ResponseSource::Upstream);
        let rejected = inner.rejected.lock().unwrap().clone();
        assert!(
            matches!(&rejected[..], [(rejected, _)] if *rejected == key()),
            "{rejected:?}"
        );
        assert!(subject.read(&key()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn damage_to_a_write_lasts_until_the_key_is_written_or_removed() {
    for fault in [Fault::Tear, Fault::Corrupt] {
        let (subject, _handle) = scripted(Script::writes([Some(fault), None, Some(fault)]));
        subject.write(&key(), value(1)).await.unwrap();
        assert_eq!(found(&subject, &key()).await, None);
        let mut contexts = [BoxContext::default()];
        let outcomes = subject.read_many_with(&[key()], &mut contexts).await;
        assert!(matches!(outcomes[..], [Ok(None)]));
        assert_eq!(contexts[0].status(), CacheStatus::Miss);

        subject.write(&key(), value(2)).await.unwrap();
        assert_eq!(found(&subject, &key()).await, Some(2));

        subject.write(&key(), value(3)).await.unwrap();
        assert_eq!(found(&subject, &key()).await, None);
        assert_eq!(
            subject.remove(&key()).await.unwrap(),
            DeleteStatus::Deleted(1)
        );
        subject.get_ref().write(&key(), value(4)).await.unwrap();
        assert_eq!(found(&subject, &key()).await, Some(4));
    }
}

#[tokio::test]
async fn bulk_writes_and_removes_heal_too() {
    let (subject, _handle) = scripted(Script::writes(once(Fault::Tear)));
    subject.write(&key(), value(1)).await.unwrap();
    let outcomes = subject.write_many(vec![(key(), value(2))]).await;
    assert!(outcomes[0].is_ok());
    assert_eq!(found(&subject, &key()).await, Some(2));

    let (subject, _handle) = scripted(Script::writes(once(Fault::Tear)));
    subject.write(&key(), value(1)).await.unwrap();
    assert!(subject.remove_many(&[key()]).await[0].is_ok());
    subject.get_ref().write(&key(), value(3)).await.unwrap();
    assert_eq!(found(&subject, &key()).await, Some(3));
}

#[tokio::test]
async fn distortion_is_served_and_leaves_the_undamaged_object_behind() {
    let (subject, _handle) = scripted(Script::reads(once(Fault::Distort)));
    let text = Arc::new(String::from("a text"));
    let cached = CacheValue::loaded(Arc::clone(&text), Stamp::now());
    subject.set(&key(), cached).await.unwrap();
    let mut context = BoxContext::default();
    let read = subject
        .get_with::<String>(&key(), &mut context)
        .await
        .unwrap();
    // Either its format notices, or the application gets another text; never the slot's object.
    assert!(read.is_none_or(|read| **read.data() != *text));
    let read = subject
        .get_with::<String>(&key(), &mut context)
        .await
        .unwrap();
    assert_eq!(read.map(CacheValue::into_inner), Some(text));

    let (subject, _handle) = scripted(Script::writes(once(Fault::Distort)));
    subject.write(&key(), value(0)).await.unwrap();
    let stored = within(&subject, &key()).await.unwrap();
    assert_eq!(stored.count_ones(), 1);
    assert_eq!(found(&subject, &key()).await, Some(stored));
}
