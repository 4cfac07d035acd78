//! The suite can fail: for each way to break the contract there is a check that finds it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod backend;
mod byte_store;
mod defect;

use std::sync::Arc;

use byte_store::ByteStore;
use defect::Defect;
use hitbox_backend::{
    Backend,
    conformance::{self, Subject},
};

fn subject(defect: Option<Defect>) -> Subject {
    let store = ByteStore::new(defect);
    let (injected, reopened) = (store.clone(), ByteStore::new(defect));
    Subject::new(Arc::new(store))
        .corrupt_with(move |key, bytes| {
            injected.put(&key, bytes);
            async {}
        })
        .reopen_with(move || {
            let backend: Arc<dyn Backend> = Arc::new(reopened.reopen());
            async { backend }
        })
}

#[tokio::test]
async fn a_sound_store_passes_every_check() {
    let report = subject(None).run().await;
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
