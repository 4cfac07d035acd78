//! Many who wait for one thing: from the moment when it is there to that when the last one has it.

use std::{cell::RefCell, future::Future, rc::Rc, sync::Arc};

use hitbox::{Key, Loaded};
use tokio::{
    runtime::Runtime,
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{SIZE, Stage};
use crate::{
    Case, Contest, Counts, Failure, Runner, Target,
    bodies::{Body, Text},
    keys, runtime,
};

/// So many.
pub const WAITERS: usize = 10_000;

/// Tasks that wait.
#[derive(Default)]
pub struct Herd(JoinSet<Result<(), Failure>>);

impl Herd {
    /// Those who wait for what `wait` makes, once each has been polled.
    pub async fn waiting<Wait>(mut wait: impl FnMut() -> Wait) -> Self
    where
        Wait: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for _ in 0..WAITERS {
            tasks.spawn(wait());
        }
        // More turns than there are tasks, so that each has had its own, and so has what it has begun.
        for _ in 0..WAITERS {
            tokio::task::yield_now().await;
        }
        Self(tasks)
    }

    /// Waits for the last of them.
    ///
    /// # Errors
    ///
    /// What they return.
    pub async fn ended(mut self) -> Result<(), Failure> {
        if self.0.len() != WAITERS {
            return Err("some have gone".into());
        }
        while let Some(ended) = self.0.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Herd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Herd of {}", self.0.len())
    }
}

/// Operations that are prepared by `gather`, and are over when all that waited have what `release` gives them.
pub fn herds<Gathering, Releasing>(
    runtime: &Rc<Runtime>,
    gather: impl Fn(u64) -> Gathering + 'static,
    release: impl Fn(u64) -> Releasing + 'static,
) -> Runner
where
    Gathering: Future<Output = Herd>,
    Releasing: Future<Output = Result<(), Failure>>,
{
    let waiting: Rc<RefCell<(u64, Option<Herd>)>> = Rc::default();
    let (gathered, gathering) = (Rc::clone(&waiting), Rc::clone(runtime));
    let runtime = Rc::clone(runtime);
    let runner = Runner::new(move |_| {
        let (round, herd) = {
            let mut waiting = waiting.borrow_mut();
            (waiting.0, waiting.1.take())
        };
        runtime.block_on(async {
            release(round).await?;
            herd.ok_or("nobody waits")?.ended().await
        })
    });
    runner.prepared(1, move || {
        let round = gathered.borrow().0 + 1;
        let herd = gathering.block_on(gather(round));
        *gathered.borrow_mut() = (round, Some(herd));
        Ok(())
    })
}

/// A key and a load of it for each round. That there was one load for all is checked.
fn ours(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let Stage { cache, .. } = Stage::new(|builder| builder)?;
    let cache = Arc::new(cache);
    let body = Arc::new(Text::new(0, SIZE));
    let gate = Arc::new(Notify::new());
    let (asked, opened) = (Arc::clone(&cache), Arc::clone(&gate));
    let gather = move |round: u64| {
        let (cache, body, gate) = (Arc::clone(&asked), Arc::clone(&body), Arc::clone(&gate));
        async move {
            let key = Key::<Text>::untyped(keys::key(round as usize));
            Herd::waiting(|| {
                let (cache, key) = (Arc::clone(&cache), key.clone());
                let (body, gate) = (Arc::clone(&body), Arc::clone(&gate));
                async move {
                    let load = || async move {
                        gate.notified().await;
                        Loaded::shared(body)
                    };
                    std::hint::black_box(&cache.get_or_load(key, load).await?);
                    Ok(())
                }
            })
            .await
        }
    };
    let release = move |round| {
        let (cache, gate) = (Arc::clone(&cache), Arc::clone(&opened));
        async move {
            let waiters: usize = cache.loads().iter().map(|load| load.waiters).sum();
            if (waiters, cache.statistics().loads) != (WAITERS, round) {
                return Err("not all wait for one load".into());
            }
            gate.notify_one();
            Ok(())
        }
    };
    Ok(herds(runtime, gather, release))
}

/// As many receivers of a channel that has one value.
///
/// # Errors
///
/// None.
pub fn of_watch(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let body = Arc::new(Text::new(0, SIZE));
    let (sender, _) = watch::channel(None::<Arc<Text>>);
    let sender = Arc::new(sender);
    let subscribed = Arc::clone(&sender);
    let gather = move |_| {
        let sender = Arc::clone(&subscribed);
        async move {
            sender.send_replace(None);
            Herd::waiting(|| {
                let mut receiver = sender.subscribe();
                async move {
                    let value = receiver.wait_for(Option::is_some).await?.clone();
                    std::hint::black_box(&value);
                    Ok(())
                }
            })
            .await
        }
    };
    let release = move |_| {
        let (sender, body) = (Arc::clone(&sender), Arc::clone(&body));
        async move {
            sender.send_replace(Some(body));
            Ok(())
        }
    };
    Ok(herds(runtime, gather, release))
}

pub(super) fn case() -> Case {
    let name = format!("loads/{WAITERS} wait for one load, against a watch channel");
    let case = Case::contest(name, || {
        let runtime = runtime()?;
        Ok(Contest::between(ours(&runtime)?, of_watch(&runtime)?))
    });
    case.target(Target::at_most(1.5)).counts(Counts::Nothing)
}
