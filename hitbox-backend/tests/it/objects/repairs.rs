//! A layer that keeps bytes gets those of an object that another one has alone.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BoxContext, CacheBackend, Compose, CompositionPolicy, DisabledOffload, OffloadManager,
    RefillPolicy, RepairPolicy, SequentialReadPolicy,
    conformance::{Fault, FaultyBackend},
};

use super::arrangement::{Counted, NotStorable, Setting, byte_store, encodes, get, memory, value};
use crate::composition::wants::arrangement::{Policy, each, key};

#[tokio::test]
async fn a_repair_of_l2_encodes_once() {
    for setting in Setting::BOTH {
        let (l1, store) = (memory(), byte_store());
        let (l2, faults) = FaultyBackend::new(Arc::clone(&store));
        let policy = CompositionPolicy::new()
            .read(SequentialReadPolicy::new())
            .repair(RepairPolicy::OnNextOperation);
        let cache = Arc::clone(&l1).compose_with(l2, DisabledOffload, policy);
        faults.writes().always(Fault::FailBeforeEffect);
        setting.set(&cache, value(Counted { id: 7 })).await.unwrap();
        assert!(store.stored().is_none());
        assert_eq!(cache.pending_repair_count(), 1);
        faults.heal();
        let (found, encoded) = encodes(get::<Counted>(&cache)).await;
        assert_eq!(found.as_deref(), Some(&Counted { id: 7 }));
        assert_eq!(encoded, 1, "{setting:?}");
        let stored = get::<Counted>(&store).await;
        assert_eq!(stored.as_deref(), Some(&Counted { id: 7 }), "{setting:?}");
    }
}

#[tokio::test]
async fn a_read_that_repairs_gives_l2_the_bytes_of_the_object_in_l1() {
    for (policy, way) in each().filter(|(policy, _)| *policy == Policy::Parallel) {
        let (l1, l2) = (memory(), byte_store());
        l1.set(&key(), value(Counted { id: 7 })).await.unwrap();
        let offload = OffloadManager::builder().build().unwrap();
        let (first, second) = (Arc::clone(&l1), Arc::clone(&l2));
        let cache = policy.compose_with(first, second, RefillPolicy::Repair, offload.clone());
        let read = async {
            let mut context = BoxContext::default();
            let found = way.get::<Counted>(&cache, &key(), &mut context).await;
            let _report = offload.close(Duration::from_secs(5)).await;
            found
        };
        let (found, encoded) = encodes(read).await;
        let repaired = get::<Counted>(&l2).await;
        assert_eq!(repaired.as_deref(), Some(&Counted { id: 7 }), "{way:?}");
        assert_eq!(encoded, 1, "{way:?}");
        assert_eq!(**found.unwrap().data(), Counted { id: 7 });
    }
}

#[tokio::test]
async fn a_repair_of_what_has_no_bytes_leaves_the_key_absent_in_l2() {
    let (l1, store) = (memory(), byte_store());
    let (l2, faults) = FaultyBackend::new(Arc::clone(&store));
    let policy = CompositionPolicy::new().repair(RepairPolicy::OnNextOperation);
    let cache = Arc::clone(&l1).compose_with(l2, DisabledOffload, policy);
    cache.set(&key(), value(Counted { id: 6 })).await.unwrap();
    faults.writes().always(Fault::FailBeforeEffect);
    cache.set(&key(), value(Counted { id: 7 })).await.unwrap();
    faults.heal();
    // By somebody who writes around the composition.
    l1.set(&key(), value(NotStorable(8))).await.unwrap();
    let found = get::<NotStorable>(&cache).await;
    assert_eq!(found.as_deref(), Some(&NotStorable(8)));
    assert!(store.read(&key()).await.unwrap().is_none());
}
