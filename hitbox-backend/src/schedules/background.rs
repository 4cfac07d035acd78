use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use exploration::wait_for;
use futures::future::BoxFuture;
use hitbox_core::{Offload, OffloadKey};

/// A background that runs its work when a thread of the scenario asks for it, in the order in which
/// it was registered: what is due later, too.
#[derive(Clone, Default)]
pub(super) struct Background(Arc<Mutex<VecDeque<BoxFuture<'static, ()>>>>);

impl Background {
    /// Runs all work that is there, and what that registers.
    pub(super) fn run(&self) {
        while let Some(work) = self.take() {
            wait_for(work);
        }
    }

    fn take(&self) -> Option<BoxFuture<'static, ()>> {
        self.0.lock().unwrap().pop_front()
    }
}

impl Offload<'static> for Background {
    fn register<K, F>(&self, _: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.lock().unwrap().push_back(Box::pin(future));
    }

    fn register_after<K, F>(&self, _: Duration, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        self.register(key, future);
    }

    fn has_clock(&self) -> bool {
        true
    }
}
