//! Misses, each with a load of its own.

use std::{rc::Rc, sync::Arc, time::Duration};

use hitbox::{Key, Loaded};
use hitbox_backend::CacheBackend;
use tokio::{runtime::Runtime, time::sleep};

use super::{SIZE, Stage};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{self, Body, Text},
    keys,
    questions::concurrent::LAP,
    runtime,
};

/// How a load comes to its value.
#[derive(Clone, Copy)]
enum Source {
    AtOnce,
    /// It waits for this long, by tokio's timer, which makes whole milliseconds of it.
    Timer(Duration),
}

impl Source {
    async fn load(self, body: Arc<Text>) -> Arc<Text> {
        match self {
            Self::AtOnce => body,
            Self::Timer(wait) => {
                sleep(wait).await;
                body
            }
        }
    }

    fn ours(self, runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
        let Stage { cache, moka, .. } = Stage::new(|builder| builder)?;
        let keys: Vec<Key<Text>> = keys::keys(keys::HOT)
            .into_iter()
            .map(Key::untyped)
            .collect();
        let body = Arc::new(Text::new(0, SIZE));
        let runtime = Rc::clone(runtime);
        let runner = Runner::new(move |times| {
            runtime.block_on(async {
                for key in keys.iter().take(usize::try_from(times)?) {
                    let body = Arc::clone(&body);
                    let load = move || async move { Loaded::shared(self.load(body).await) };
                    std::hint::black_box(&cache.get_or_load(key, load).await?);
                }
                // Who has waited for a load has not waited for its value to be stored.
                cache.drain().await;
                Ok(())
            })
        });
        Ok(runner.prepared(keys::HOT as u64, move || Stage::empty(&moka)))
    }

    fn by_hand(self, runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
        let Stage { fenced, moka, .. } = Stage::new(|builder| builder)?;
        let keys = keys::keys(keys::HOT);
        let (body, expiry) = (Arc::new(Text::new(0, SIZE)), bodies::expiry());
        let runtime = Rc::clone(runtime);
        let runner = Runner::new(move |times| {
            runtime.block_on(async {
                for key in keys.iter().take(usize::try_from(times)?) {
                    if fenced.get::<Text>(key).await?.is_some() {
                        return Err("a hit".into());
                    }
                    let loaded = self.load(Arc::clone(&body)).await;
                    fenced.set(key, bodies::value(&loaded, expiry)).await?;
                    std::hint::black_box(&loaded);
                }
                Ok(())
            })
        });
        Ok(runner.prepared(keys::HOT as u64, move || Stage::empty(&moka)))
    }

    fn contest(self) -> Result<Contest, Failure> {
        let runtime = runtime()?;
        Ok(Contest::between(
            self.ours(&runtime)?,
            self.by_hand(&runtime)?,
        ))
    }
}

/// The floor gets, loads and sets, with the backend alone.
pub(super) fn cases() -> [Case; 2] {
    let at_once = Case::contest("loads/miss, loaded at once", || Source::AtOnce.contest());
    let by_timer = Case::contest("loads/miss, loaded after a timer", || {
        let source = Source::Timer(Duration::from_micros(100));
        Ok(source.contest()?.in_chunks_of(LAP))
    });
    [
        at_once.target(Target::at_most(1.6)),
        // What is waited for takes no instructions.
        by_timer
            .target(Target::at_most(1.05))
            .counts(crate::Counts::Nothing),
    ]
}
