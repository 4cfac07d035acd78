//! An object of another type than the one that is asked for.

use std::sync::Arc;

use hitbox_backend::{
    BincodeFormat, BoxContext, CacheBackend, CacheStatus, Freshness, ResponseSource,
};
use serde::{Deserialize, Serialize};

use super::arrangement::{Counted, NotStorable, byte_store, encodes, get, memory, value};
use crate::{
    byte_store::ByteStore,
    composition::wants::arrangement::{Policy, each, key},
};

/// What [`Counted`] looks like to somebody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Same {
    id: u64,
}

#[tokio::test]
async fn in_l1_is_a_miss_of_it_and_l2_is_asked() {
    for (policy, way) in each() {
        let (l1, l2) = (memory(), byte_store());
        l1.set(&key(), value(Counted { id: 7 })).await.unwrap();
        l2.set(&key(), value(Same { id: 8 })).await.unwrap();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::default();
        let (found, encoded) = encodes(way.get::<Same>(&cache, &key(), &mut context)).await;
        let found = found.unwrap().into_inner();
        let case = format!("{policy:?} {way:?}");
        assert_eq!((&*found, encoded), (&Same { id: 8 }, 0), "{case}");
        assert_eq!(l2.rejected_in_all(), 0, "{case}");
        // In place of the one that was there.
        let kept = get::<Same>(&l1).await.unwrap();
        assert!(Arc::ptr_eq(&kept, &found), "{case}");
    }
}

#[tokio::test]
async fn that_no_other_layer_has_is_encoded_and_decoded() {
    for (policy, way) in each() {
        for (nested, in_l1) in [(false, true), (false, false), (true, true), (true, false)] {
            let (holder, other) = (memory(), byte_store());
            holder.set(&key(), value(Counted { id: 7 })).await.unwrap();
            let of_holder = Arc::clone(&holder);
            let cache = match (nested, in_l1) {
                (false, true) => policy.compose(of_holder, other),
                (false, false) => policy.compose(other, of_holder),
                (true, true) => policy.compose(policy.compose(of_holder, memory()), other),
                (true, false) => policy.compose(memory(), policy.compose(of_holder, other)),
            };
            let mut context = BoxContext::default();
            let (found, encoded) = encodes(way.get::<Same>(&cache, &key(), &mut context)).await;
            let case = format!("{policy:?} {way:?} {nested} {in_l1}");
            assert_eq!(**found.unwrap().data(), Same { id: 7 }, "{case}");
            assert_eq!(encoded, 1, "{case}");
            // It stays what it was.
            assert!(get::<Counted>(&holder).await.is_some(), "{case}");
        }
    }
}

#[tokio::test]
async fn that_the_outer_l2_has_is_a_miss_of_the_inner_composition() {
    for (policy, way) in each() {
        let (l1, l3) = (memory(), byte_store());
        l1.set(&key(), value(Counted { id: 7 })).await.unwrap();
        l3.set(&key(), value(Same { id: 8 })).await.unwrap();
        let cache = policy.compose(policy.compose(l1, memory()), l3);
        let mut context = BoxContext::default();
        let (found, encoded) = encodes(way.get::<Same>(&cache, &key(), &mut context)).await;
        let case = format!("{policy:?} {way:?}");
        assert_eq!(**found.unwrap().data(), Same { id: 8 }, "{case}");
        assert_eq!(encoded, 0, "{case}");
    }
}

#[tokio::test]
async fn that_is_none_of_the_wanted_one_is_a_miss() {
    for (policy, way) in each() {
        let (l1, l2) = (memory(), byte_store());
        let cache = policy.compose(Arc::clone(&l1), l2);
        for (what, set) in [
            (
                "bytes of another type",
                l1.set(&key(), value("seven".to_owned())).await,
            ),
            ("no bytes", l1.set(&key(), value(NotStorable(7))).await),
        ] {
            set.unwrap();
            let mut context = BoxContext::default();
            let found = way.get::<Same>(&cache, &key(), &mut context).await;
            let case = format!("{policy:?} {way:?} {what}");
            assert!(found.is_none(), "{case}");
            assert_eq!(context.status(), CacheStatus::Miss, "{case}");
            assert_eq!(context.source(), &ResponseSource::Upstream, "{case}");
        }
    }
}

#[tokio::test]
async fn alone_is_encoded_and_decoded_in_the_backends_own_format() {
    let cache = memory();
    cache.set(&key(), value(Counted { id: 7 })).await.unwrap();
    let (found, encoded) = encodes(get::<Same>(&cache)).await;
    assert_eq!((found.as_deref(), encoded), (Some(&Same { id: 7 }), 1));
}

#[tokio::test]
async fn that_is_stale_gives_way_to_a_stale_value_of_the_wanted_one() {
    for policy in Policy::ALL {
        let (l1, l2) = (memory(), ByteStore::new(&BincodeFormat));
        let stale = std::time::Duration::ZERO;
        l2.set(&key(), value(Same { id: 8 }).stale_after(stale))
            .await
            .unwrap();
        l1.set(&key(), value(Counted { id: 7 }).stale_after(stale))
            .await
            .unwrap();
        let cache = policy.compose(l1, l2);
        let mut context = BoxContext::default();
        context.set_freshness(Freshness::FreshOnly);
        let found = cache.get_with::<Same>(&key(), &mut context).await.unwrap();
        assert_eq!(**found.unwrap().data(), Same { id: 8 }, "{policy:?}");
        assert_eq!(context.status(), CacheStatus::Stale, "{policy:?}");
    }
}
