//! Readers who take part in one read of L2.

use std::{pin::pin, sync::atomic::Ordering, task::Poll, time::Duration};

use futures::poll;
use hitbox_backend::{
    Backend, Compose, ParallelReadPolicy,
    coherence::Coherence,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::DisabledOffload;

use super::{BOUND, HEARD, Link, Stage, get, policy};

/// So late that nobody joins a read any more.
const APART: Duration = BOUND.saturating_sub(Duration::from_millis(70));

/// The one who is to see to L1 has an answer of his own, so he leaves L1 as it is.
#[tokio::test(start_paused = true)]
async fn who_has_joined_a_read_leaves_nothing_older_in_l1_than_he_is_handed() {
    let stage = Stage::new();
    let (link, is_cut) = Link::to(&stage.plane);
    let (l2, faults) = FaultyBackend::new(stage.processes[0].l2().get_ref().clone());
    let reader = MemoryBackend::new()
        .compose_with(
            l2,
            DisabledOffload,
            policy().read(ParallelReadPolicy::new()),
        )
        .coherent(link, Coherence::within(BOUND))
        .unwrap();
    stage.pass(HEARD).await;
    stage.set(1, 1).await;
    is_cut.store(true, Ordering::Relaxed);
    stage.pass(BOUND).await;
    faults.reads().next(1, Fault::HangAfterEffect);
    let mut late = pin!(get(&reader, &stage.key));
    assert!(poll!(&mut late).is_pending());
    stage.pass(APART).await;
    assert_eq!(get(&reader, &stage.key).await, Some(1));
    stage.pass(Duration::from_millis(1)).await;
    stage.set(1, 2).await;
    faults.reads().next(1, Fault::HangAfterEffect);
    let mut leader = pin!(get(&reader, &stage.key));
    assert!(poll!(&mut leader).is_pending());
    // Evicted.
    reader.l1().remove(&stage.key).await.unwrap();
    let mut joins = pin!(get(&reader, &stage.key));
    assert!(poll!(&mut joins).is_pending());
    assert_eq!(faults.reads().calls(), 3);
    faults.reads().heal();
    // It brings the older value back, whose news are not heard.
    assert_eq!(poll!(&mut late), Poll::Ready(Some(1)));
    assert_eq!(poll!(&mut leader), Poll::Ready(Some(1)));
    assert_eq!(poll!(&mut joins), Poll::Ready(Some(2)));
    assert_eq!(get(reader.l1(), &stage.key).await, None);
    assert_eq!(get(&reader, &stage.key).await, Some(2));
}
