//! G9: what has been registered runs once, or is reported; and whoever waits for it is woken.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use exploration::{Extent, explore, thread, wait_for};
use hitbox_core::Offload;
use loom::sync::Mutex;

use crate::{CloseReport, OffloadManager};

const DEADLINE: Duration = Duration::from_secs(1);

/// What becomes of the work that a scenario registers.
#[derive(Clone)]
struct Work {
    begun: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
    /// Taken by all work, so that it does not pass in one step.
    lock: Arc<Mutex<()>>,
}

/// Counts the futures that are gone, by whatever way.
struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Work {
    fn new() -> Self {
        Self {
            begun: Arc::default(),
            done: Arc::default(),
            most_at_once: Arc::default(),
            gone: Arc::default(),
            lock: Arc::default(),
        }
    }

    /// One piece of work.
    fn one(&self) -> impl Future<Output = ()> + Send + 'static {
        let (gone, work) = (Gone(Arc::clone(&self.gone)), self.clone());
        async move {
            let _gone = gone;
            let begun = work.begun.fetch_add(1, SeqCst) + 1;
            let at_once = begun - work.done.load(SeqCst);
            work.most_at_once.fetch_max(at_once, SeqCst);
            drop(work.lock.lock().unwrap());
            work.done.fetch_add(1, SeqCst);
        }
    }

    /// One that never ends.
    fn endless(&self) -> impl Future<Output = ()> + Send + 'static {
        let gone = Gone(Arc::clone(&self.gone));
        async move {
            let _gone = gone;
            pending::<()>().await;
        }
    }

    /// When the manager has been closed, nothing is left of what was registered, and the books agree
    /// with what happened.
    fn check(&self, registered: usize, manager: &OffloadManager, report: &CloseReport) {
        let statistics = manager.statistics();
        let (done, gone) = (self.done.load(SeqCst), self.gone.load(SeqCst));
        assert_eq!(gone, registered, "{statistics:?}");
        assert_eq!(done, self.begun.load(SeqCst), "{statistics:?}");
        assert_eq!(statistics.completed, done as u64);
        let lost = statistics.abandoned + statistics.rejected_closed + statistics.rejected_full;
        assert_eq!(
            statistics.completed + lost,
            registered as u64,
            "{statistics:?}"
        );
        assert_eq!(
            statistics.pending + statistics.running + statistics.deferred,
            0
        );
        assert_eq!(report.unfinished.len() as u64, statistics.abandoned);
    }
}

fn manager(max_running: usize) -> OffloadManager {
    let builder = OffloadManager::builder().max_running(max_running);
    builder.build().unwrap()
}

#[test]
fn what_is_registered_while_the_manager_is_closed_runs_or_is_counted() {
    let name = "two registrations and a close";
    explore(name, Extent::Interruptions(3), |_| {
        let (manager, work) = (manager(1), Work::new());
        let beside = {
            let (manager, work) = (manager.clone(), work.clone());
            thread(move || manager.register("two", work.one()))
        };
        manager.register("one", work.one());
        let report = wait_for(manager.close(DEADLINE));
        beside.join().unwrap();
        work.check(2, &manager, &report);
        assert_eq!(manager.statistics().abandoned, 0);
    });
}

#[test]
fn what_does_not_end_in_time_is_dropped_and_reported() {
    let name = "endless work, pending work, and a close at its deadline";
    explore(name, Extent::Interruptions(2), |clock| {
        let (manager, work) = (manager(1), Work::new());
        manager.register("endless", work.endless());
        manager.register("one", work.one());
        let time = {
            let clock = clock.clone();
            thread(move || clock.advance(DEADLINE))
        };
        let closing = manager.clone();
        let report = wait_for(closing.close(DEADLINE));
        time.join().unwrap();
        work.check(2, &manager, &report);
        assert_eq!(manager.statistics().abandoned, 2);
    });
}

#[test]
fn deferred_work_runs_once_whoever_is_first() {
    let name = "work that is due, and a close";
    explore(name, Extent::Interruptions(3), |clock| {
        let (manager, work) = (manager(1), Work::new());
        manager.register_after(DEADLINE, "later", work.one());
        let time = {
            let clock = clock.clone();
            thread(move || clock.advance(DEADLINE))
        };
        let report = wait_for(manager.close(100 * DEADLINE));
        time.join().unwrap();
        work.check(1, &manager, &report);
        assert_eq!(manager.statistics().abandoned, 0);
    });
}

#[test]
fn a_drain_returns_when_all_has_ended() {
    explore(
        "two pieces of work and a drain",
        Extent::Interruptions(3),
        |_| {
            let (manager, work) = (manager(1), Work::new());
            manager.register("one", work.one());
            manager.register("two", work.one());
            wait_for(manager.drain());
            assert_eq!(work.gone.load(SeqCst), 2);
            assert_eq!(manager.statistics().completed, 2);
        },
    );
}

#[test]
fn a_key_is_not_doubled() {
    explore(
        "one key registered by two",
        Extent::Interruptions(3),
        |_| {
            let (manager, work) = (manager(2), Work::new());
            let key = super::cache::key();
            let beside = {
                let (manager, work, key) = (manager.clone(), work.clone(), key.clone());
                thread(move || manager.register((key, "kind"), work.one()))
            };
            manager.register((key, "kind"), work.one());
            beside.join().unwrap();
            wait_for(manager.drain());
            let statistics = manager.statistics();
            assert_eq!(statistics.completed + statistics.deduplicated, 2);
            assert_eq!(work.gone.load(SeqCst), 2);
            assert_eq!(work.done.load(SeqCst) as u64, statistics.completed);
            assert_eq!(work.most_at_once.load(SeqCst), 1);
        },
    );
}
