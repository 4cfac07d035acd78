use std::sync::{Mutex, PoisonError};

use loom::thread::{self, ThreadId};

/// Tokio's `task_local`, where a task is one of loom's threads, which share one of the system's.
#[macro_export]
macro_rules! task_local {
    ($(#[$attribute:meta])* static $name:ident: $of:ty;) => {
        $(#[$attribute])*
        static $name: $crate::TaskLocal<$of> = $crate::TaskLocal::new();
    };
}

/// What [`task_local!`] makes.
#[derive(Debug)]
pub struct TaskLocal<T>(Mutex<Vec<(ThreadId, T)>>);

/// The task has none.
#[derive(Clone, Copy, Debug)]
pub struct NotSet;

impl<T> TaskLocal<T> {
    /// One that no task has.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Looks at this task's own.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn try_with<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R, NotSet> {
        let here = thread::current().id();
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.iter().rfind(|(of, _)| *of == here);
        own.map(|(_, own)| look(own)).ok_or(NotSet)
    }

    /// Gives it to this task, for as long as `work` takes.
    pub async fn scope<F: Future>(&self, value: T, work: F) -> F::Output {
        let here = thread::current().id();
        let _own = self.give(here, value);
        work.await
    }

    fn give(&self, to: ThreadId, value: T) -> Own<'_, T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((to, value));
        Own(self, to)
    }
}

impl<T> Default for TaskLocal<T> {
    fn default() -> Self {
        Self::new()
    }
}

struct Own<'l, T>(&'l TaskLocal<T>, ThreadId);

impl<T> Drop for Own<'_, T> {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.iter().rposition(|(of, _)| *of == self.1) {
            drop(all.remove(own));
        }
    }
}
