//! Writes down what is logged, by whichever test of the program.

use std::{
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

use test_servers::log::{Recorder, record_all};

/// The turn of one test: what others log would be in its way.
pub(crate) struct Recording {
    recorder: &'static Recorder,
    _turn: MutexGuard<'static, ()>,
}

/// From here on everything is written down, at every level and from every crate, and nothing of before. Waits
/// until no other test records.
pub(crate) fn record() -> Recording {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = record_all();
    recorder.take();
    Recording {
        recorder,
        _turn: turn,
    }
}

impl Deref for Recording {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        self.recorder
    }
}
