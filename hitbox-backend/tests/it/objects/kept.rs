//! What a layer in process holds after a read.

use std::sync::Arc;

use hitbox_backend::{Backend, BoxContext, CacheBackend};

use super::arrangement::{Counted, byte_store, encodes, has_object_alone, memory, value};
use crate::composition::wants::arrangement::{Policy, each, key};

#[tokio::test]
async fn a_typed_read_of_l2_fills_l1_with_the_object_alone() {
    for (policy, way) in each() {
        let (l1, l2) = (memory(), byte_store());
        l2.set(&key(), value(Counted { id: 7 })).await.unwrap();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let read = async {
            let mut context = BoxContext::default();
            let found = way.get::<Counted>(&cache, &key(), &mut context).await;
            found.unwrap().into_inner()
        };
        let (object, encoded) = encodes(read).await;
        assert_eq!(*object, Counted { id: 7 });
        assert_eq!(encoded, 0, "{policy:?} {way:?}");
        assert!(
            has_object_alone(&l1, &key(), &object).await,
            "{policy:?} {way:?}"
        );
        let mut context = BoxContext::default();
        let again = way.get::<Counted>(&cache, &key(), &mut context).await;
        let again = again.unwrap().into_inner();
        assert_eq!(
            Arc::ptr_eq(&again, &object),
            policy != Policy::OneFutureL2First,
            "{policy:?} {way:?}"
        );
    }
}

#[tokio::test]
async fn a_typed_read_of_l2_fills_an_l1_that_keeps_bytes_with_those_of_l2() {
    for (policy, way) in each() {
        let (l1, l2) = (byte_store(), byte_store());
        l2.set(&key(), value(Counted { id: 7 })).await.unwrap();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::default();
        let found = way.get::<Counted>(&cache, &key(), &mut context).await;
        assert!(found.is_some());
        assert_eq!(l1.stored(), l2.stored(), "{policy:?} {way:?}");
    }
}

#[tokio::test]
async fn who_reads_bytes_fills_l1_with_bytes() {
    for policy in Policy::ALL {
        let (l1, l2) = (memory(), byte_store());
        l2.set(&key(), value(Counted { id: 7 })).await.unwrap();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let found = cache.read(&key()).await.unwrap();
        let kept = l1.read(&key()).await.unwrap();
        assert_eq!(kept, found, "{policy:?}");
        assert!(kept.unwrap().data().encoded().is_some(), "{policy:?}");
    }
}
