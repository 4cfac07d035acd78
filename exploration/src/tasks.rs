//! Futures on loom's threads.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    sync::Notify,
    thread::{Builder, JoinHandle},
};
use tokio::runtime::Handle;

/// In place of the runtime: a thread for each task.
pub fn spawn(_: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    let _joined_by_nobody = thread(move || wait_for(task));
}

/// In words. Loom's own are too small for the futures of a composition that is not optimised.
const STACK: usize = 256 * 1024 / size_of::<usize>();

/// One of loom's threads.
pub fn thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().stack_size(STACK).spawn(work).unwrap()
}

/// Not loom's `unpark`: it is lost on a thread that waits for a lock.
struct Awake(Notify);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Drives a future on this thread until it is done.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let awake = Arc::new(Awake(Notify::new()));
    let waker = Waker::from(Arc::clone(&awake));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => awake.0.wait(),
        }
    }
}
