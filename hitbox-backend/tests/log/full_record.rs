//! A layer that comes to be distrusted as a whole says so, and so does one that is trusted again.

use std::{convert::Infallible, num::NonZeroUsize, time::Duration};

use hitbox_backend::{
    Backend, Compose, CompositionLayer, CompositionPolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};
use test_servers::log::record_all;

#[tokio::test(start_paused = true)]
async fn a_record_that_is_full_is_one_warning() {
    const CAPACITY: usize = 4;
    let recorder = record_all();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(CAPACITY).unwrap());
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let told = |lines: &[String]| -> Vec<String> {
        let lines = lines
            .iter()
            .filter(|line| line.contains("more pending repairs than"));
        lines.cloned().collect()
    };

    faults.writes().always(Fault::FailBeforeEffect);
    for number in 0..=CAPACITY {
        assert_eq!(told(&recorder.take_of_this_thread()), [""; 0]);
        let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
        let key = CacheKey::from_pair("number", number.to_string());
        cache.write(&key, value).await.unwrap();
    }
    let lines = told(&recorder.take_of_this_thread());
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    for part in [
        "WARN",
        "a layer has more pending repairs than the record holds: nothing older than now of these keys in it is trusted",
        "layer=L1",
        "capacity=4",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }

    tokio::time::advance(Duration::from_secs(60)).await;
    let emptied = cache.clear_layer_fence(CompositionLayer::L1, async || Ok::<_, Infallible>(()));
    emptied.await.unwrap();
    let lines = recorder.take_of_this_thread();
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    for part in [
        "INFO",
        "a layer that was emptied is trusted again",
        "layer=L1",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
