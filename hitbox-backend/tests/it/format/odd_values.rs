//! Values and settings that make little sense get what is documented at `CacheBackend::set` and
//! `CompositionPolicy::l1_ttl`. Lives that are over are in the conformance suite.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BoxContext, CacheBackend, CacheKey, CacheValue, Compose,
    CompositionPolicy, DisabledOffload, Stamp, conformance::MemoryBackend,
};

fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("key", name)
}

fn with_stamp(created: Stamp) -> CacheValue<Arc<u8>> {
    CacheValue::loaded(Arc::new(1), created)
}

#[tokio::test]
async fn a_stamp_that_cannot_be_believed_is_made_anew() {
    let composed = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
    let caches: [Arc<dyn Backend>; 2] = [Arc::new(MemoryBackend::new()), Arc::new(composed)];
    let hour = 3_600_000_000;
    let absurd = [
        Stamp::ZERO,
        Stamp::from_micros(u64::MAX),
        Stamp::from_micros(Stamp::now().as_micros() + hour),
    ];
    for cache in caches {
        for created in absurd {
            let (single, bulk) = (key("single"), key("bulk"));
            let before = Stamp::now();
            cache.set(&single, with_stamp(created)).await.unwrap();
            let entries = vec![(bulk.clone(), with_stamp(created))];
            cache.set_many(entries).await.swap_remove(0).unwrap();
            for key in [&single, &bulk] {
                let found = cache.get::<u8>(key).await.unwrap().unwrap();
                assert!(found.created() > before, "{:?}", found.created());
                assert!(found.created() < Stamp::now());
            }
            // So a later value takes its place.
            let later = CacheValue::loaded(Arc::new(2_u8), Stamp::now());
            cache.set(&single, later.clone()).await.unwrap();
            assert_eq!(cache.get::<u8>(&single).await.unwrap(), Some(later));
        }
        // One of the past stands.
        let past = Stamp::from_micros(Stamp::now().as_micros() - hour);
        cache.set(&key("past"), with_stamp(past)).await.unwrap();
        let found = cache.get::<u8>(&key("past")).await.unwrap().unwrap();
        assert_eq!(found.created(), past);
    }
}

#[tokio::test]
async fn with_a_cap_of_zero_l1_keeps_nothing() {
    let policy = CompositionPolicy::new().l1_ttl(Duration::ZERO);
    let l1 = Arc::new(MemoryBackend::new());
    let cache = Arc::clone(&l1).compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let value = with_stamp(Stamp::now());
    cache.set(&key("k"), value.clone()).await.unwrap();
    for _ in 0..2 {
        let mut context = BoxContext::default();
        let found = cache.get_with::<u8>(&key("k"), &mut context).await;
        assert_eq!(found.unwrap(), Some(value.clone()));
        assert_eq!(l1.read(&key("k")).await.unwrap(), None);
    }
}

/// It is for a person to read who did not choose the format.
#[tokio::test]
async fn a_value_that_cannot_be_stored_is_refused_with_its_type_and_the_way_out() {
    #[derive(serde::Deserialize)]
    struct Unwritten;
    impl serde::Serialize for Unwritten {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("it does not want to"))
        }
    }
    let value = CacheValue::loaded(Arc::new(Unwritten), Stamp::now());
    let cache = MemoryBackend::new().keeping_bytes();
    let error = cache.set(&key("k"), value).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotStorable);
    let shown = error.to_string();
    for part in ["Unwritten", "`value_format`"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}
