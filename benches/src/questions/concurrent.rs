//! Tasks that work at a time.

use std::{
    future::Future,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Runtime, task::JoinSet};

use crate::{Failure, Runner};

/// Long enough for many tasks to be started and ended in.
pub const LAP: Duration = Duration::from_millis(15);

/// Carries out an operation on this many tasks at a time, all on one thread. It is given numbers, one
/// after another.
pub fn in_tasks<Done>(
    runtime: &Rc<Runtime>,
    tasks: usize,
    operation: impl Fn(usize) -> Done + Clone + Send + 'static,
) -> Runner
where
    Done: Future<Output = Result<(), Failure>> + Send,
{
    let runtime = Rc::clone(runtime);
    let next = Arc::new(AtomicUsize::new(0));
    Runner::new(move |times| {
        let times = usize::try_from(times)?;
        let end = next.load(Ordering::Relaxed) + times;
        let turns = |next: Arc<AtomicUsize>| {
            let operation = operation.clone();
            async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= end {
                        return Ok::<_, Failure>(());
                    }
                    operation(index).await?;
                }
            }
        };
        let outcome = runtime.block_on(async {
            if tasks == 1 {
                return turns(Arc::clone(&next)).await;
            }
            let mut set = JoinSet::new();
            for _ in 0..tasks.min(times) {
                set.spawn(turns(Arc::clone(&next)));
            }
            while let Some(ended) = set.join_next().await {
                ended??;
            }
            Ok(())
        });
        // Each task has drawn one number too many.
        next.store(end, Ordering::Relaxed);
        outcome
    })
}
