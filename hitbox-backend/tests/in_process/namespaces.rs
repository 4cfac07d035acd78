//! Handles in namespaces of one cache.

use hitbox_backend::{Backend, CacheKey, CacheValue, Compose, DisabledOffload, Raw, Stamp};

use crate::Tested;

fn value(byte: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![byte]), Stamp::now())
}

async fn byte(cache: &impl Backend, key: &CacheKey) -> Option<u8> {
    Some(cache.read(key).await.unwrap()?.data().payload().unwrap()[0])
}

/// Whatever the namespace of the builder, and also where a composition hands over keys that are in one.
#[tokio::test]
async fn handles_are_apart() {
    let key = CacheKey::from_pair("id", "42");
    for home in ["", "home", "a"] {
        let cache = Tested::builder()
            .max_entries(1_000)
            .namespace(home)
            .build()
            .unwrap();
        let names = [home, "a", "b", "a::b", ":", "home"];
        let mut handles: Vec<_> = names
            .into_iter()
            .map(|name| (name, cache.in_namespace(name)))
            .collect();
        handles.sort_by_key(|(name, _)| *name);
        handles.dedup_by_key(|(name, _)| *name);
        // Those that are handed keys in a namespace.
        let nested = |name| {
            let over = Tested::builder()
                .max_entries(1_000)
                .namespace(name)
                .build()
                .unwrap();
            cache.clone().compose(over, DisabledOffload)
        };
        let nested = [nested("c"), nested("d")];

        for (number, (_, handle)) in (0_u8..).zip(&handles) {
            handle.write(&key, value(number)).await.unwrap();
        }
        for (number, handle) in (100_u8..).zip(&nested) {
            handle.write(&key, value(number)).await.unwrap();
        }
        for (number, (name, handle)) in (0_u8..).zip(&handles) {
            assert_eq!(
                byte(handle, &key).await,
                Some(number),
                "{name:?} in {home:?}"
            );
        }
        for (number, handle) in (100_u8..).zip(&nested) {
            assert_eq!(
                byte(
                    handle.l1(),
                    &handle.key_in(hitbox_backend::CompositionLayer::L1, &key)
                )
                .await,
                Some(number)
            );
        }
        for (name, handle) in &handles {
            handle.remove(&key).await.unwrap();
            assert_eq!(byte(handle, &key).await, None, "{name:?} in {home:?}");
        }
        assert_eq!(byte(&nested[0], &key).await, Some(100));
    }
}
