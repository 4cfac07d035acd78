//! How an offload manager ends: by `close`, or with its runtime; and that every future it was ever
//! given is accounted for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hitbox_backend::OffloadManager;
use hitbox_core::{CacheKey, Offload, OffloadKey};
use tokio::{
    sync::{Barrier, oneshot},
    time::Instant,
};

/// How many futures that hold a clone have not been dropped.
fn alive(held: &Arc<()>) -> usize {
    Arc::strong_count(held) - 1
}

/// Unlike a bare sleep, counts from when it is first polled.
async fn lasting(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn repair(id: &str) -> OffloadKey {
    (CacheKey::from_pair("id", id), "repair").into()
}

fn register_hanging(offload: &OffloadManager, key: OffloadKey, held: &Arc<()>) {
    let held = held.clone();
    offload.register(key, async move {
        std::future::pending::<()>().await;
        drop(held);
    });
}

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn close_waits_for_pending_and_running_work() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        offload.register("work", lasting(1));
    }
    assert!(offload.is_enabled());
    let report = offload.close(DEADLINE).await;
    assert!(!offload.is_enabled());
    assert!(report.is_complete());
    assert_eq!(report.completed, 3);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn close_drops_what_is_left_at_the_deadline_and_names_it() {
    let offload = OffloadManager::builder().max_running(3).build().unwrap();
    let (began, held) = (Instant::now(), Arc::new(()));
    offload.register("quick", lasting(1));
    offload.register("panics", async { panic!("on purpose") });
    for id in ["1", "2", "3", "4", "5"] {
        register_hanging(&offload, repair(id), &held);
    }
    let report = offload.close(DEADLINE).await;
    assert!((DEADLINE..2 * DEADLINE).contains(&began.elapsed()));
    assert_eq!(alive(&held), 0);
    assert_eq!(report.completed, 1);
    let mut unfinished: Vec<_> = report.unfinished.iter().map(ToString::to_string).collect();
    unfinished.sort();
    let repairs = (1..=5).map(|id| format!("repair :v0:id={id}"));
    let expected: Vec<_> = [String::from("panics")]
        .into_iter()
        .chain(repairs)
        .collect();
    assert_eq!(unfinished, expected);
    assert_eq!(offload.statistics().abandoned, 5);

    register_hanging(&offload, "late".into(), &held);
    assert_eq!(alive(&held), 0);
    assert_eq!(offload.statistics().rejected_closed, 1);
    let again = Instant::now();
    assert_eq!(offload.close(DEADLINE).await, report);
    assert_eq!(again.elapsed(), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_blocks_holds_close_up_but_not_what_is_pending() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    offload.register("blocks", async move { blocked.recv().unwrap() });
    let (held, pending_dropped) = oneshot::channel::<()>();
    offload.register("pending", async move { drop(held) });
    let closing = tokio::spawn({
        let offload = offload.clone();
        async move { offload.close(Duration::ZERO).await }
    });
    pending_dropped.await.unwrap_err();
    assert!(!closing.is_finished());
    unblock.send(()).unwrap();
    assert_eq!(closing.await.unwrap().unfinished, ["pending".into()]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_was_dropped_is_finished_by_another() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let held = Arc::new(());
    offload.register("first", lasting(2));
    register_hanging(&offload, repair("1"), &held);
    let dropped = tokio::time::timeout(Duration::from_secs(1), offload.close(DEADLINE)).await;
    assert!(dropped.is_err());
    offload.register("late", async {});
    assert_eq!(offload.statistics().rejected_closed, 1);
    assert_eq!(alive(&held), 1);

    let both = [offload.close(DEADLINE), offload.close(2 * DEADLINE)];
    for report in futures::future::join_all(both).await {
        assert_eq!(report.completed, 1);
        assert_eq!(report.unfinished, [repair("1")]);
    }
    assert_eq!(alive(&held), 0);
}

#[tokio::test(start_paused = true)]
async fn work_that_closes_its_own_manager_is_dropped_at_the_deadline() {
    let offload = OffloadManager::builder().build().unwrap();
    let inner = offload.clone();
    offload.register("closes", async move {
        inner.close(DEADLINE).await;
    });
    offload.drain().await;
    assert_eq!(offload.statistics().abandoned, 1);
    let report = offload.close(DEADLINE).await;
    assert_eq!(report.unfinished, ["closes".into()]);
}

#[test]
fn dropping_the_runtime_drops_all_work() {
    // Far more than the stack could hold if the end of one started the next.
    const PENDING: u64 = 100_000;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let offload = OffloadManager::builder()
        .runtime(runtime.handle().clone())
        .max_running(2)
        .max_pending(PENDING as usize)
        .build()
        .unwrap();
    let held = Arc::new(());
    for _ in 0..PENDING + 2 {
        register_hanging(&offload, "hangs".into(), &held);
    }
    drop(runtime);
    assert_eq!(alive(&held), 0);
    assert_eq!(offload.statistics().abandoned, PENDING + 2);
    register_hanging(&offload, "late".into(), &held);
    assert_eq!(alive(&held), 0);
    assert_eq!(offload.statistics().rejected_closed, 1);
}

#[test]
fn a_runtime_that_ended_while_nothing_ran_is_noticed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let offload = OffloadManager::builder()
        .runtime(runtime.handle().clone())
        .build()
        .unwrap();
    drop(runtime);
    for _ in 0..2 {
        offload.register("late", async {});
    }
    let now = offload.statistics();
    assert_eq!((now.abandoned, now.rejected_closed), (1, 1));
}

/// How many futures were dropped, and how many of them had run to their end.
#[derive(Default)]
struct Tally {
    ended: AtomicU64,
    dropped: AtomicU64,
}

struct Guard(Arc<Tally>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_future_is_accounted_for() {
    const PRODUCERS: u64 = 8;
    const EACH: u64 = 5_000;
    let offload = OffloadManager::builder()
        .max_running(16)
        .max_pending(64)
        .task_timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    let tally = Arc::new(Tally::default());
    let start = Arc::new(Barrier::new(PRODUCERS as usize));
    let producers = (0..PRODUCERS).map(|producer| {
        let (offload, tally, start) = (offload.clone(), tally.clone(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            for number in 0..EACH {
                register_numbered(&offload, &tally, producer * EACH + number);
                if number % 64 == 0 {
                    tokio::task::yield_now().await;
                }
                // In the midst of the registrations of the others.
                if producer == 0 && number == EACH - 500 {
                    offload.close(Duration::from_millis(5)).await;
                }
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    offload.close(Duration::ZERO).await;

    let now = offload.statistics();
    let accounted = now.completed
        + now.deduplicated
        + now.rejected_full
        + now.rejected_closed
        + now.timed_out
        + now.panicked
        + now.abandoned;
    assert_eq!((now.pending, now.running), (0, 0), "{now:?}");
    assert_eq!(accounted, PRODUCERS * EACH, "{now:?}");
    assert_eq!(tally.dropped.load(Ordering::Relaxed), accounted, "{now:?}");
    assert_eq!(
        tally.ended.load(Ordering::Relaxed),
        now.completed,
        "{now:?}"
    );
    assert!(now.completed > 0 && now.deduplicated > 0, "{now:?}");
    assert!(now.rejected_full > 0 && now.rejected_closed > 0, "{now:?}");
}

/// Some work ends at once, some after a yield, some hangs, some panics.
fn register_numbered(offload: &OffloadManager, tally: &Arc<Tally>, number: u64) {
    let guard = Guard(tally.clone());
    offload.register(("numbered", number % 1_009), async move {
        match number % 101 {
            0 => std::future::pending().await,
            // Past the panic hook, which would fill the output.
            1 => std::panic::resume_unwind(Box::new("on purpose")),
            2..=50 => tokio::task::yield_now().await,
            _ => {}
        }
        guard.0.ended.fetch_add(1, Ordering::Relaxed);
    });
}
