//! What the offload manager does with work while it is open: bounds, duplicates, time limits,
//! panics.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hitbox_backend::{BackendErrorKind, OffloadManager, OffloadManagerBuilder};
use hitbox_core::{CacheKey, Offload, OffloadKey};
use tokio::{sync::Semaphore, time::Instant};

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

#[tokio::test(start_paused = true)]
async fn what_exceeds_the_bounds_waits_and_then_is_dropped() {
    let offload = OffloadManager::builder()
        .max_running(2)
        .max_pending(3)
        .build()
        .unwrap();
    let (gate, held) = (Arc::new(Semaphore::new(0)), Arc::new(()));
    let started = Arc::new(Mutex::new(Vec::new()));
    for number in 0..7 {
        let (gate, held, started) = (gate.clone(), held.clone(), started.clone());
        offload.register("bounded", async move {
            started.lock().unwrap().push(number);
            gate.acquire().await.unwrap().forget();
            drop(held);
        });
    }
    let now = offload.statistics();
    assert_eq!((now.running, now.pending, now.rejected_full), (2, 3, 2));
    assert_eq!(alive(&held), 5);

    gate.add_permits(1);
    // Paused time advances when nothing else can happen.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let now = offload.statistics();
    assert_eq!((now.running, now.pending, now.completed), (2, 2, 1));

    gate.add_permits(4);
    offload.drain().await;
    let now = offload.statistics();
    assert_eq!((now.running, now.pending, now.completed), (0, 0, 5));
    assert_eq!(*started.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_pending_or_running_is_not_taken_twice() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let register = |key: OffloadKey| {
        let runs = runs.clone();
        offload.register(key, async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            runs.fetch_add(1, Ordering::Relaxed);
        });
    };
    // The first of all runs, the others are pending; both must be recognised.
    for _ in 0..2 {
        register(repair("1"));
        register(repair("2"));
        register(("rebuild", 1).into());
        register(("rebuild", 2).into());
        register((CacheKey::from_pair("id", "1"), "refill").into());
    }
    assert_eq!(offload.statistics().deduplicated, 5);
    register("auto".into());
    register("auto".into());
    offload.drain().await;
    assert_eq!(runs.load(Ordering::Relaxed), 7);

    register(repair("1"));
    offload.drain().await;
    assert_eq!(runs.load(Ordering::Relaxed), 8);
    assert_eq!(offload.statistics().deduplicated, 5);
}

#[tokio::test(start_paused = true)]
async fn work_past_its_time_is_dropped_and_makes_room() {
    let offload = OffloadManager::builder()
        .max_running(1)
        .task_timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let (began, held) = (Instant::now(), Arc::new(()));
    for _ in 0..2 {
        let held = held.clone();
        offload.register(repair("1"), async move {
            std::future::pending::<()>().await;
            drop(held);
        });
    }
    // Waits three seconds for its turn, which must not count as its own time.
    offload.register("next", lasting(2));
    offload.drain().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(alive(&held), 0);
    let now = offload.statistics();
    assert_eq!((now.timed_out, now.deduplicated, now.completed), (1, 1, 1));

    offload.register(repair("1"), async {});
    offload.drain().await;
    assert_eq!(offload.statistics().completed, 2);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("destructor, on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_only_the_work_it_happens_in() {
    let offload = OffloadManager::builder()
        .max_running(1)
        .max_pending(3)
        .build()
        .unwrap();
    offload.register(repair("1"), async { panic!("work, on purpose") });
    offload.register(repair("2"), async {
        let _held = PanicsWhenDropped;
        std::future::pending::<()>().await;
    });
    offload.register(repair("3"), async {});
    offload.register("last place", async {});
    let held = PanicsWhenDropped;
    offload.register("refused", async move { drop(held) });
    offload.drain().await;
    let now = offload.statistics();
    assert_eq!((now.panicked, now.completed, now.rejected_full), (2, 2, 1));

    offload.register(repair("1"), async {});
    offload.register(repair("2"), async {});
    offload.drain().await;
    assert_eq!(offload.statistics().completed, 4);
}

/// Registers more work when it is dropped.
struct RegistersWhenDropped(OffloadManager);

impl Drop for RegistersWhenDropped {
    fn drop(&mut self) {
        self.0.register("from a destructor", async {});
    }
}

#[tokio::test(start_paused = true)]
async fn work_may_register_work() {
    let offload = OffloadManager::builder()
        .max_running(1)
        .max_pending(1)
        .build()
        .unwrap();
    let inner = offload.clone();
    offload.register("outer", async move {
        inner.register("inner", async {});
        // Refused, and registers again from the destructor, while `register` is on the stack.
        let held = RegistersWhenDropped(inner.clone());
        inner.register("too much", async move { drop(held) });
    });
    offload.drain().await;
    offload.drain().await;
    let now = offload.statistics();
    assert_eq!((now.completed, now.rejected_full), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_what_came_before_it_only() {
    let offload = OffloadManager::builder().build().unwrap();
    let began = Instant::now();
    offload.register("before", lasting(1));
    let mut drained = pin!(offload.drain());
    assert!(futures::poll!(drained.as_mut()).is_pending());
    offload.register("after", lasting(9));
    drained.await;
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(offload.statistics().running, 1);
}

#[test]
fn work_may_come_from_outside_the_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let offload = OffloadManager::builder()
        .runtime(runtime.handle().clone())
        .build()
        .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    offload.register("outside", async move { sender.send(()).unwrap() });
    receiver.recv().unwrap();
    runtime.block_on(offload.drain());
    assert_eq!(offload.statistics().completed, 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_manager_lets_its_work_finish() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let done = Arc::new(Semaphore::new(0));
    for _ in 0..3 {
        let done = done.clone();
        offload.register("left behind", async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            done.add_permits(1);
        });
    }
    drop(offload);
    done.acquire_many(3).await.unwrap().forget();
}

#[test]
fn a_builder_refuses_what_cannot_work() {
    let refusal = |builder: OffloadManagerBuilder| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        error.to_string()
    };
    let outside = refusal(OffloadManager::builder());
    assert!(outside.contains("runtime(handle)"), "{outside}");
    let nothing = refusal(OffloadManager::builder().max_running(0));
    assert!(nothing.contains("max_running"), "{nothing}");
    let no_time = refusal(OffloadManager::builder().task_timeout(Duration::ZERO));
    assert!(no_time.contains("task_timeout"), "{no_time}");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let no_driver = refusal(OffloadManager::builder().runtime(handle));
    assert!(no_driver.contains("enable_time"), "{no_driver}");
}
