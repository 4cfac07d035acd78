//! Work that is due later: when it runs, who waits for it, and what becomes of it when the manager or
//! its runtime ends first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hitbox_backend::{Offload, OffloadManager};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

fn alive(held: &Arc<()>) -> usize {
    Arc::strong_count(held) - 1
}

fn defer_holding(offload: &OffloadManager, held: &Arc<()>) {
    let held = held.clone();
    offload.register_after(MINUTE, "deferred", async move { drop(held) });
}

#[tokio::test(start_paused = true)]
async fn deferred_work_runs_when_it_is_due_and_nobody_waits_for_it_before() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let (began, ran) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let note = ran.clone();
    offload.register_after(MINUTE, "deferred", async move {
        note.fetch_add(began.elapsed().as_secs() as usize, Ordering::SeqCst);
    });
    offload.register("other", async {});
    offload.drain().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    let now = offload.statistics();
    assert_eq!((now.deferred, now.running, now.completed), (1, 0, 1));

    tokio::time::sleep(MINUTE + Duration::from_secs(1)).await;
    assert_eq!(ran.load(Ordering::SeqCst), 60);
    let now = offload.statistics();
    assert_eq!((now.deferred, now.running, now.completed), (0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn close_runs_deferred_work_at_once() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let (began, held) = (Instant::now(), Arc::new(()));
    for _ in 0..3 {
        defer_holding(&offload, &held);
    }
    let report = offload.close(Duration::from_secs(1)).await;
    assert_eq!((report.completed, report.unfinished), (3, Vec::new()));
    assert_eq!((began.elapsed(), alive(&held)), (Duration::ZERO, 0));

    defer_holding(&offload, &held);
    assert_eq!(alive(&held), 0);
    assert_eq!(offload.statistics().rejected_closed, 1);
}

#[tokio::test(start_paused = true)]
async fn close_names_deferred_work_that_it_could_not_finish() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let held = Arc::new(());
    offload.register("hangs", std::future::pending());
    defer_holding(&offload, &held);
    let report = offload.close(Duration::from_secs(1)).await;
    let mut unfinished: Vec<_> = report.unfinished.iter().map(ToString::to_string).collect();
    unfinished.sort();
    assert_eq!(unfinished, ["deferred", "hangs"]);
    assert_eq!((alive(&held), offload.statistics().abandoned), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn deferred_work_is_bounded() {
    let offload = OffloadManager::builder().max_pending(2).build().unwrap();
    let held = Arc::new(());
    for _ in 0..3 {
        defer_holding(&offload, &held);
    }
    assert_eq!(alive(&held), 2);
    let now = offload.statistics();
    assert_eq!((now.deferred, now.rejected_full), (2, 1));
}

#[test]
fn deferred_work_ends_with_its_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let offload = OffloadManager::builder().runtime(handle).build().unwrap();
    let held = Arc::new(());
    defer_holding(&offload, &held);
    drop(runtime);
    assert_eq!((alive(&held), offload.statistics().abandoned), (0, 1));
    // There is no runtime left to wait for its time in, and who asks is told so.
    assert!(!offload.is_enabled());
    defer_holding(&offload, &held);
    let now = offload.statistics();
    assert_eq!((alive(&held), now.abandoned), (0, 1));
    assert_eq!(now.rejected_closed, 1);
}

/// Five managers that are closed with a thousand pieces of work each that are due in an hour.
#[tokio::test(start_paused = true)]
async fn no_timer_is_left_when_a_manager_is_closed() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    for _ in 0..5 {
        let offload = OffloadManager::builder().build().unwrap();
        let held = Arc::new(());
        for _ in 0..1_000 {
            let held = held.clone();
            offload.register_after(60 * MINUTE, "deferred", async move { drop(held) });
        }
        let report = offload.close(MINUTE).await;
        assert_eq!((report.completed, alive(&held)), (1_000, 0));
    }
    // Those that have just ended may be dropped a moment later.
    for _ in 0..1_000 {
        if tasks() == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks(), 0);
}
