use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nothing that holds a lock can leave what it guards half changed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
