//! One of the processes: it changes keys of its own, and reads all of them.

use std::{
    io::{self, Read},
    sync::Arc,
    thread,
    time::Duration,
};

use fastrand::Rng;
use hitbox_backend::{Backend, CacheBackend, GetOutcome};
use hitbox_core::{BoxContext, CacheKey, CacheValue, ResponseSource, Stamp};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use xtask::Failure;

use super::{
    composed::{STORE, compose},
    record::{Act, Journal, Record, now},
    settings::Settings,
};

/// How many processes there are.
pub(super) const PROCESSES: usize = 8;

/// Keys that each of them changes, and no other: so the versions of a key are in the order of the store.
const OWN: usize = 2;

/// How many keys there are.
pub(super) const KEYS: usize = PROCESSES * OWN;

/// So many versions of a key one process may make, and the next one in its place goes on from there.
const MOST_VERSIONS: u32 = 1_000_000;

/// Tasks that read. All but the first do not wait for long, so that hits go on while the store hangs.
const READERS: usize = 3;

/// Reads in a row, and the pause after them.
const BURST: usize = 24;
const PAUSE: Duration = Duration::from_millis(1);

/// Who changes a key.
pub(super) const fn owner(key: u16) -> usize {
    key as usize / OWN
}

/// What the process does that is started with these settings, until its input ends.
pub(super) fn run(settings: &str) -> Result<(), Failure> {
    let settings = Settings::from_json(settings)?;
    let journal = Arc::new(Journal::create(&settings.journal)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(work(&settings, Arc::clone(&journal)));
    // What hangs in the store is not waited for.
    runtime.shutdown_background();
    journal.flush()?;
    outcome
}

async fn work(settings: &Settings, journal: Arc<Journal>) -> Result<(), Failure> {
    let backend = compose(settings)?;
    let mut random = Rng::with_seed(settings.seed);
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        // Whatever there is: its end is what counts.
        let _ended = io::stdin().read_to_end(&mut Vec::new());
        let _gone = tell.send(());
    });
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..READERS {
        let reader = Reader {
            worker: Worker::new(settings, &backend, &journal, random.fork()),
            patience: (number > 0).then_some(settings.bound / 4),
            contexts: vec![BoxContext::default(); KEYS],
        };
        tasks.spawn(reader.run());
    }
    let writer = Writer {
        worker: Worker::new(settings, &backend, &journal, random.fork()),
        every: settings.bound,
        newest: settings.incarnation * MOST_VERSIONS,
    };
    tasks.spawn(writer.run());
    tokio::select! {
        _told_or_alone = told => Ok(()),
        // None of them ends but by a failure.
        ended = tasks.join_next() => match ended {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => Err(error.into()),
            None => Err("nothing to do".into()),
        },
    }
}

/// What all tasks of a process have.
struct Worker {
    backend: Arc<dyn Backend>,
    journal: Arc<Journal>,
    random: Rng,
    number: usize,
    names: Vec<CacheKey>,
}

impl Worker {
    fn new(
        settings: &Settings,
        backend: &Arc<dyn Backend>,
        journal: &Arc<Journal>,
        random: Rng,
    ) -> Self {
        let names = (0..KEYS).map(|key| CacheKey::from_pair("id", key.to_string()));
        Self {
            backend: Arc::clone(backend),
            journal: Arc::clone(journal),
            random,
            number: settings.number,
            names: names.collect(),
        }
    }
}

struct Reader {
    worker: Worker,
    patience: Option<Duration>,
    contexts: Vec<BoxContext>,
}

impl Reader {
    async fn run(mut self) -> Result<(), Failure> {
        loop {
            for _ in 0..BURST {
                self.step().await?;
            }
            sleep(PAUSE).await;
        }
    }

    async fn step(&mut self) -> Result<(), Failure> {
        let Self {
            worker,
            patience,
            contexts,
        } = self;
        let (first, count) = match worker.random.u8(..64) {
            // In bulk, and no more of them than that costs.
            0 => (worker.random.usize(..KEYS / 2), KEYS / 2),
            _ => (worker.random.usize(..KEYS), 1),
        };
        let keys = &worker.names[first..first + count];
        let contexts = &mut contexts[..count];
        let began = now();
        let read = async {
            match keys {
                [key] => vec![worker.backend.get_with::<u64>(key, &mut contexts[0]).await],
                keys => worker.backend.get_many_with::<u64>(keys, contexts).await,
            }
        };
        let outcomes = match patience {
            Some(patience) => match timeout(*patience, read).await {
                Ok(outcomes) => outcomes,
                Err(_given_up) => return Ok(()),
            },
            None => read.await,
        };
        let ended = now();
        for (number, outcome) in outcomes.iter().enumerate() {
            let key = u16::try_from(first + number)?;
            let (act, version) = judge(key, outcome, &contexts[number])?;
            worker.journal.add(Record {
                act,
                key,
                version,
                began,
                ended,
            })?;
        }
        Ok(())
    }
}

/// What has answered, and with which version.
fn judge(key: u16, outcome: &GetOutcome<u64>, context: &BoxContext) -> Result<(Act, u32), Failure> {
    let Ok(Some(value)) = outcome else {
        return Ok((Act::Missed, 0));
    };
    let (of, version) = split(**value.data());
    if of != u64::from(key) {
        return Err(format!("a read of key {key} was answered with a value of key {of}").into());
    }
    let act = match context.source() {
        ResponseSource::Backend(label) if label.as_str().ends_with(STORE) => Act::Fetched,
        ResponseSource::Backend(_) => Act::Hit,
        ResponseSource::Upstream => return Err("a value from nowhere".into()),
    };
    Ok((act, version))
}

/// A value says which key it is of.
fn joined(key: usize, version: u32) -> u64 {
    (key as u64) << 32 | u64::from(version)
}

const fn split(data: u64) -> (u64, u32) {
    (data >> 32, data as u32)
}

struct Writer {
    worker: Worker,
    /// About so often each key is changed.
    every: Duration,
    newest: u32,
}

impl Writer {
    async fn run(mut self) -> Result<(), Failure> {
        let mut failed = false;
        loop {
            // What is in doubt is followed by something that is not, as soon as may be.
            let pause = match failed {
                true => Duration::from_millis(5),
                false => self.every.mul_f64(2.0 * self.worker.random.f64()) / OWN as u32,
            };
            sleep(pause).await;
            failed = !self.change().await?;
        }
    }

    /// Changes a key, or all of them. Whether that was confirmed.
    async fn change(&mut self) -> Result<bool, Failure> {
        let random = &mut self.worker.random;
        let first = self.worker.number * OWN;
        let key = first + random.usize(..OWN);
        let what = random.u8(..16);
        self.newest += 1;
        let version = self.newest;
        let backend = &self.worker.backend;
        let name = |key: usize| &self.worker.names[key];
        let value = |key| CacheValue::loaded(Arc::new(joined(key, version)), Stamp::now());
        let began = now();
        let (keys, outcomes) = match what {
            0 => {
                let outcome = backend.delete(name(key)).await.map(drop);
                (key..key + 1, vec![outcome])
            }
            1 | 2 => {
                let keys = first..first + OWN;
                let entries = keys.clone().map(|key| (name(key).clone(), value(key)));
                (keys, backend.set_many(entries.collect()).await)
            }
            _ => (key..key + 1, vec![backend.set(name(key), value(key)).await]),
        };
        let ended = now();
        let mut all_done = true;
        for (key, outcome) in keys.zip(&outcomes) {
            all_done &= outcome.is_ok();
            self.worker.journal.add(Record {
                act: match outcome {
                    Ok(()) => Act::Changed,
                    Err(_) => Act::InDoubt,
                },
                key: u16::try_from(key)?,
                version,
                began,
                ended,
            })?;
        }
        Ok(all_done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_what_it_is_of() {
        for (key, version) in [(0, 1), (15, u32::MAX)] {
            assert_eq!(split(joined(key, version)), (key as u64, version));
        }
        let owners: Vec<_> = (0..KEYS as u16).map(owner).collect();
        assert_eq!(owners[..4], [0, 0, 1, 1]);
        assert_eq!(owners[KEYS - 1], PROCESSES - 1);
    }
}
