//! What does one of many tasks pay for a hit?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::Compose;
use hitbox_core::DisabledOffload;
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure,
    bodies::{Size, Text},
    floor::raw_moka,
    keys,
    questions::{
        arrangement::{fill, fill_raw, hit, moka},
        concurrent::{LAP, in_tasks},
    },
    runtime,
};

/// Tasks on one thread, which take turns after each hit, as those that wait for something do.
fn contest(runtime: &Rc<Runtime>, tasks: usize) -> Result<Contest, Failure> {
    let cache = moka(10_000)?.compose(moka(10_000)?, DisabledOffload);
    fill::<Text>(runtime, &cache, keys::HOT, Size::ONE_KB)?;
    let shared = Arc::new((cache, keys::keys(keys::HOT)));
    let ours = in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, keys) = &*shared;
            hit::<Text>(cache, &keys[index % keys::HOT]).await?;
            tokio::task::yield_now().await;
            Ok(())
        }
    });
    let raw = raw_moka(10_000);
    fill_raw::<Text>(runtime, &raw, keys::HOT, Size::ONE_KB)?;
    let shared = Arc::new((raw, keys::texts(keys::HOT)));
    let floor = in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (raw, texts) = &*shared;
            let found = raw.get(&texts[index % keys::HOT]).await;
            std::hint::black_box(&found.ok_or("a miss")?);
            tokio::task::yield_now().await;
            Ok(())
        }
    });
    Ok(Contest::between(ours, floor).in_chunks_of(LAP))
}

/// Powers of four.
#[must_use]
pub fn cases() -> Vec<Case> {
    let counts = (0..=6).map(|power| 4_usize.pow(power));
    let case = |tasks| {
        let name = format!("scale_tasks/sequential hit/{tasks} tasks");
        let case = Case::contest(name, move || contest(&runtime()?, tasks));
        // Nothing waits: what neighbours take of the CPU need not be in it.
        case.by_cpu_time().counts(Counts::Nothing).quick()
    };
    counts.map(case).collect()
}
