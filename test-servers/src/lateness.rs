//! How late the machine itself is, for tests that hold a real time against a limit.
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use test_servers::lateness::Control;
//!
//! # async fn call() {}
//! let control = Control::new();
//! control.beside(async {
//!     let started = Instant::now();
//!     call().await;
//!     let took = started.elapsed();
//!     assert!(took < Duration::from_secs(1) + control.since(started));
//! }).await;
//! # });
//! ```

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// How long the processor has worked for this thread: what a call costs, however busy the machine is.
///
/// ```
/// use test_servers::lateness::processor_time;
///
/// let began = processor_time();
/// assert!(processor_time() >= began);
/// ```
#[must_use]
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // No processor has worked for a negative time.
    Duration::try_from(time).unwrap_or_default()
}

/// Between two looks at the clock.
const STEP: Duration = Duration::from_millis(10);
/// A timer of tokio's is up to so much late by design: that is no lateness of the machine.
const GRAIN: Duration = Duration::from_millis(2);
/// So many delays are remembered: more than a test of some minutes meets.
const MOST_DELAYS: usize = 1 << 16;

/// A timer that runs in the task of the calls whose time is measured, and so waits for the processor
/// whenever they do.
///
/// On an idle machine it is not late at all, and the limit of a test is its limit. It cannot tell a
/// machine that is busy from a call that keeps its whole task from running.
#[derive(Clone, Debug, Default)]
pub struct Control {
    delays: Arc<Mutex<Delays>>,
}

#[derive(Debug, Default)]
struct Delays {
    /// When each ended and how long it was.
    ended: VecDeque<(Instant, Duration)>,
    /// When the step that is under way should have ended.
    due: Option<Instant>,
}

impl Control {
    /// A control that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Does this work with the timer beside it, in the same task. One such work at a time.
    pub async fn beside<W: Future>(&self, work: W) -> W::Output {
        let mut work = pin!(work);
        loop {
            let due = Instant::now() + STEP;
            self.lock().due = Some(due);
            let step = tokio::time::sleep_until(due.into());
            tokio::select! {
                // Late work must not keep the timer from being looked at.
                biased;
                () = step => self.note(due),
                done = &mut work => {
                    self.note(due);
                    self.lock().due = None;
                    return done;
                }
            }
        }
    }

    /// How late the machine has been, all in all, since then.
    #[must_use]
    pub fn since(&self, then: Instant) -> Duration {
        let delays = self.lock();
        let ended: Duration = delays
            .ended
            .iter()
            .rev()
            .take_while(|(ended, _)| *ended >= then)
            .map(|(_, delay)| *delay)
            .sum();
        ended + delays.due.map_or(Duration::ZERO, delay)
    }

    fn note(&self, due: Instant) {
        let delay = delay(due);
        if delay.is_zero() {
            return;
        }
        let mut delays = self.lock();
        if delays.ended.len() == MOST_DELAYS {
            delays.ended.pop_front();
        }
        delays.ended.push_back((Instant::now(), delay));
    }

    fn lock(&self) -> MutexGuard<'_, Delays> {
        // Nothing is left half done in it.
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delay(due: Instant) -> Duration {
    due.elapsed().saturating_sub(GRAIN)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// What holds up the task stands for a machine that has no time for it.
    const HELD_UP: Duration = Duration::from_millis(60);

    #[tokio::test]
    async fn what_holds_up_the_task_is_lateness() {
        let control = Control::new();
        let (ended, under_way, later) = control
            .beside(async {
                let started = Instant::now();
                thread::sleep(HELD_UP);
                let under_way = control.since(started);
                // The timer is looked at.
                tokio::time::sleep(STEP).await;
                let ended = control.since(started);
                tokio::time::sleep(STEP).await;
                (ended, under_way, control.since(Instant::now() + STEP))
            })
            .await;
        let least = HELD_UP - STEP - GRAIN;
        assert!(
            ended >= least && under_way >= least,
            "{ended:?}, {under_way:?}"
        );
        assert!(later < least, "what was before does not count: {later:?}");
    }

    #[tokio::test]
    async fn waiting_is_not_lateness() {
        let waited = Duration::from_millis(100);
        // A machine that is busy is late in the middle of a wait that it ends in time. Not each time; a wait
        // that is counted is.
        for _ in 0..100 {
            let control = Control::new();
            let started = Instant::now();
            control.beside(tokio::time::sleep(waited)).await;
            let (took, late) = (started.elapsed(), control.since(started));
            if late <= took - waited + GRAIN {
                return;
            }
        }
        panic!("each wait was counted");
    }
}
