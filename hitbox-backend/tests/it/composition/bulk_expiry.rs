//! A bulk read returns when its last key is answered. What has expired by then is not returned.

use chrono::{TimeDelta, Utc};
use futures::join;
use hitbox_backend::{
    Backend, Compose,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Raw, Stamp, clock::VirtualTime,
};

#[tokio::test]
async fn a_value_that_expires_while_other_keys_are_waited_for_is_a_miss() {
    let clock = VirtualTime::start(Utc::now());
    let (l2, faults) = FaultyBackend::new(MemoryBackend::new());
    let cache = MemoryBackend::new().compose(l2, DisabledOffload);
    let keys = ["first", "second"].map(|name| CacheKey::from_pair("key", name));
    let expire = clock.now() + TimeDelta::seconds(1);
    let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now()).expires_at(expire);
    cache.write(&keys[0], value).await.unwrap();

    // The second key is asked for in L2, while L1 has answered for the first.
    faults.reads().always(Fault::HangAfterEffect);
    let mut contexts = vec![BoxContext::default(); 2];
    let (outcomes, ()) = join!(cache.read_many_with(&keys, &mut contexts), async {
        faults.reads().wait_until_hanging(1).await;
        clock.advance(TimeDelta::seconds(1));
        faults.heal();
    });
    assert!(outcomes[0].as_ref().unwrap().is_none());
    assert_eq!(contexts[0].status(), CacheStatus::Miss);
}
