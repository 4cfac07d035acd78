//! The suite can fail: for each way to break the contract there is a check that finds it.

mod backend;
mod byte_store;
mod defect;

use std::{sync::Arc, time::Duration};

use byte_store::ByteStore;
use defect::Defect;
use hitbox_backend::{
    Backend, BackendExt, CircuitBreakerConfig, RetryConfig,
    conformance::{self, Subject},
};

fn subject(defect: Option<Defect>) -> Subject {
    within(defect, |store| Arc::new(store))
}

/// The store as `wrap` puts it to the suite.
fn within(
    defect: Option<Defect>,
    wrap: impl Fn(ByteStore) -> Arc<dyn Backend> + Send + Sync + 'static,
) -> Subject {
    let store = ByteStore::new(defect);
    let (injected, reopened) = (store.clone(), ByteStore::new(defect));
    Subject::new(wrap(store))
        .corrupt_with(move |key, bytes| {
            injected.put(&key, bytes);
            async {}
        })
        .reopen_with(move || {
            let backend = wrap(reopened.reopen());
            async { backend }
        })
}

#[tokio::test]
async fn a_sound_store_passes_every_check() {
    let report = subject(None).run().await;
    assert!(report.conforms(), "{report}");
    assert_eq!(report.passed(), conformance::checks().count(), "{report}");
}

/// Wrappers hide nothing of a store that corruption and restarts could show.
#[tokio::test]
async fn a_sound_store_passes_every_check_through_all_wrappers() {
    const LONG: Duration = Duration::from_secs(60);
    let wrapped = within(None, |store| {
        let store = store.deadline(LONG).unwrap();
        let store = store.circuit_breaker(CircuitBreakerConfig::new()).unwrap();
        let store = store.retry(RetryConfig::new().within(LONG)).unwrap();
        Arc::new(store.deadline(LONG).unwrap())
    });
    let report = wrapped.run().await;
    assert!(report.conforms(), "{report}");
    assert_eq!(report.passed(), conformance::checks().count(), "{report}");
}

#[tokio::test]
async fn every_defect_is_found_by_its_check() {
    let mut missed = Vec::new();
    for (defect, check) in Defect::ALL.iter().copied() {
        let report = subject(Some(defect)).only(check).run().await;
        let found = report.failures().any(|(name, _)| name == check);
        println!("{defect:?}: {report}");
        if !found {
            missed.push(format!("{defect:?} passed {check}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_check_finds_a_defect() {
    let idle: Vec<_> = conformance::checks()
        .filter(|check| Defect::ALL.iter().all(|(_, finder)| finder != check))
        .collect();
    assert!(idle.is_empty(), "{idle:?}");
}
