use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How the sweep thread is told what to do.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    asked_for_room: bool,
}

/// Why the thread goes on.
pub(crate) enum Wake {
    Stopped,
    AskedForRoom,
    TimeToSweep,
}

impl Signal {
    pub(crate) fn ask_for_room(&self) {
        self.change(|state| state.asked_for_room = true);
    }

    pub(crate) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait(&self, timeout: Duration) -> Wake {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| {
                !state.stopped && !state.asked_for_room
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            Wake::Stopped
        } else if std::mem::take(&mut state.asked_for_room) {
            Wake::AskedForRoom
        } else {
            Wake::TimeToSweep
        }
    }
}
