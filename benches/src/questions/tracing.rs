//! What do tracing and metrics cost that nobody looks at?
//!
//! With a subscriber whose level leaves out what is said, beside one that takes nothing; and with the
//! one counter that is optional, a moka's of evictions, beside a moka without. (Rejections are always
//! counted, where stored bytes are not served: never on a hit.)

use std::{cell::RefCell, rc::Rc};

use hitbox_backend::{Compose, CompositionPolicy, ParallelReadPolicy, RefillPolicy};
use hitbox_core::DisabledOffload;
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;
use tracing::{
    Dispatch, Event, Metadata, Subscriber, callsite,
    dispatcher::{self, DefaultGuard},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};

use super::{
    arrangement::{fill, hits, moka, typed_hits},
    failing::Switched,
};
use crate::{
    Case, Contest, Counts, Failure, Runner, Target,
    bodies::{Size, Text},
    keys::{self, Order},
    runtime,
};

const ENTRIES: u64 = 10_000;

/// Takes what is as severe as this.
struct UpTo(LevelFilter);

impl Subscriber for UpTo {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.0
    }

    // Without it, tracing would think that everything is taken.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

type Reads = fn(&Rc<Runtime>) -> Result<Runner, Failure>;

fn sequential(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

fn parallel(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    let cache = moka(ENTRIES)?.compose_with(moka(ENTRIES)?, DisabledOffload, policy);
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

/// Each read would warn that L1 has failed.
fn despite_failing_l1(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let l1 = Switched::new(moka(1)?);
    l1.switch_off();
    let policy = CompositionPolicy::new().refill(RefillPolicy::Never);
    let cache = l1.compose_with(moka(ENTRIES)?, DisabledOffload, policy);
    fill::<Text>(runtime, cache.l2(), keys::HOT, Size::ONE_KB)?;
    let (keys, order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
    Ok(hits::<Text>(runtime, cache, keys, order))
}

/// The subscriber of this thread, if it has one.
///
/// A subscriber for the process could not be taken away again. With one for a thread, tracing's
/// macros go the same way: they compare the level with the most that any subscriber takes, and only
/// below that ask for the subscriber.
type Current = Rc<RefCell<Option<DefaultGuard>>>;

/// With a subscriber that takes what is as severe as this.
///
/// The very same reads on both sides: two caches differ by where they lie in memory, and by more than
/// what is looked for.
fn subscribed(reads: &Rc<RefCell<Runner>>, current: &Current, level: LevelFilter) -> Runner {
    let (reads, current) = (Rc::clone(reads), Rc::clone(current));
    let runner = Runner::new(move |times| reads.borrow_mut().run(times));
    runner.prepared(u64::MAX, move || {
        // The other one is to be gone before this one is made: the level of the process is the most
        // that any subscriber takes which there is, and none at all means everything.
        current.take();
        let dispatch = Dispatch::new(UpTo(level));
        current.replace(Some(dispatcher::set_default(&dispatch)));
        callsite::rebuild_interest_cache();
        if LevelFilter::current() != level {
            return Err(format!("{} is taken, not {level}", LevelFilter::current()).into());
        }
        Ok(())
    })
}

fn case(what: &str, level: LevelFilter, reads: Reads) -> Case {
    let name = format!(
        "tracing/{what}, {level} against off/{} String",
        Size::ONE_KB
    );
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let current = Current::default();
        let reads = Rc::new(RefCell::new(reads(&runtime)?));
        let ours = subscribed(&reads, &current, level);
        let floor = subscribed(&reads, &current, LevelFilter::OFF);
        Ok(Contest::between(ours, floor))
    });
    case.target(Target::at_most(1.03))
        .counts(Counts::Nothing)
        .quick()
}

/// As many caches on each side: what they differ by, because of where they lie in memory, evens out.
const CACHES: usize = 8;

/// Hits of several caches, one after the other: each time it is run, of the next one.
fn in_turn(
    runtime: &Rc<Runtime>,
    make: impl Fn() -> Result<MokaBackend, Failure>,
) -> Result<Runner, Failure> {
    let hits = |_| {
        let cache = make()?.compose(make()?, DisabledOffload);
        typed_hits::<Text>(runtime, cache, Size::ONE_KB)
    };
    let mut runners = (0..CACHES).map(hits).collect::<Result<Vec<_>, _>>()?;
    let mut turn = 0;
    Ok(Runner::new(move |times| {
        turn = (turn + 1) % CACHES;
        runners[turn].run(times)
    }))
}

/// Instructions tell what times, of different caches, can only come near to.
fn evictions_counted() -> Case {
    let name = format!(
        "tracing/sequential hit, evictions counted against not/{} String",
        Size::ONE_KB
    );
    let case = Case::contest(name, || {
        let runtime = runtime()?;
        let counting = || {
            let builder = MokaBackend::builder().max_entries(ENTRIES);
            Ok(builder.count_evictions().build()?)
        };
        let ours = in_turn(&runtime, counting)?;
        Ok(Contest::between(ours, in_turn(&runtime, || moka(ENTRIES))?))
    });
    case.target(Target::at_most(1.03)).quick()
}

/// Hits, which say nothing at any level; reads that say something, at a level that is left out; and
/// hits with what can be counted.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![
        case("sequential hit", LevelFilter::WARN, sequential),
        case("parallel hit", LevelFilter::WARN, parallel),
        case("L1 fails, L2 hits", LevelFilter::ERROR, despite_failing_l1),
        evictions_counted(),
    ]
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread::{self, ThreadId},
    };

    use tracing::subscriber::Interest;

    use super::*;
    use crate::questions::hit;

    /// Counts how often it is asked whether it takes something, by one thread: those of other tests
    /// ask it, too.
    struct Asked {
        times: Arc<AtomicUsize>,
        by: ThreadId,
    }

    impl Asked {
        fn once_more(&self) {
            if thread::current().id() == self.by {
                self.times.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    impl Subscriber for Asked {
        fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
            self.once_more();
            // It wants to be asked each time.
            Interest::sometimes()
        }

        fn enabled(&self, _: &Metadata<'_>) -> bool {
            self.once_more();
            false
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    /// How often tracing is asked for anything in 100 operations.
    fn asked(runner: &mut Runner) -> usize {
        runner.prepare().unwrap();
        let times = Arc::new(AtomicUsize::new(0));
        let subscriber = Asked {
            times: Arc::clone(&times),
            by: thread::current().id(),
        };
        let dispatch = Dispatch::new(subscriber);
        let _guard = dispatcher::set_default(&dispatch);
        callsite::rebuild_interest_cache();
        let before = times.load(Ordering::Relaxed);
        runner.run(100).unwrap();
        times.load(Ordering::Relaxed) - before
    }

    #[test]
    fn a_hit_says_nothing_at_any_level() {
        for case in hit::cases().iter().filter(|case| case.is_quick()) {
            let mut contest = case.build().unwrap().unwrap();
            assert_eq!(asked(&mut contest.ours), 0, "{}", case.name());
        }
    }

    #[test]
    fn what_says_something_is_noticed() {
        let mut reads = despite_failing_l1(&runtime().unwrap()).unwrap();
        assert!(asked(&mut reads) >= 100);
    }
}
