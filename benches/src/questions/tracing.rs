//! What does a hit cost while a subscriber is there whose level leaves out what the hit path says?

use std::{cell::RefCell, rc::Rc};

use hitbox_backend::{Compose, CompositionPolicy, ParallelReadPolicy};
use hitbox_core::DisabledOffload;
use tokio::runtime::Runtime;
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber, callsite,
    dispatcher::{self, DefaultGuard},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};

use super::arrangement::{moka, typed_hits};
use crate::{
    Case, Contest, Counts, Failure, Runner, Target,
    bodies::{Size, Text},
    runtime,
};

/// Takes warnings and errors.
struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
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

type Hits = fn(&Rc<Runtime>) -> Result<Runner, Failure>;

fn sequential(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let cache = moka(10_000)?.compose(moka(10_000)?, DisabledOffload);
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

fn parallel(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    let cache = moka(10_000)?.compose_with(moka(10_000)?, DisabledOffload, policy);
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

/// The subscriber of this thread, if it has one.
///
/// A subscriber for the process could not be taken away again. With one for a thread, tracing's
/// macros go the same way: they compare the level with the most that any subscriber takes, and only
/// below that ask for the subscriber.
type Current = Rc<RefCell<Option<DefaultGuard>>>;

/// With a subscriber for warnings.
fn subscribed(hits: &Rc<RefCell<Runner>>, current: &Current) -> Runner {
    let (dispatch, current) = (Dispatch::new(Warnings), Rc::clone(current));
    after(hits, move || {
        current.take();
        current.replace(Some(dispatcher::set_default(&dispatch)));
        callsite::rebuild_interest_cache();
    })
}

/// With no subscriber.
fn unsubscribed(hits: &Rc<RefCell<Runner>>, current: &Current) -> Runner {
    let current = Rc::clone(current);
    after(hits, move || {
        current.take();
        callsite::rebuild_interest_cache();
    })
}

/// The very same hits on both sides: two caches differ by where they lie in memory, and by more than
/// what is looked for.
fn after(hits: &Rc<RefCell<Runner>>, before: impl Fn() + 'static) -> Runner {
    let hits = Rc::clone(hits);
    let runner = Runner::new(move |times| hits.borrow_mut().run(times));
    runner.prepared(u64::MAX, move || {
        before();
        Ok(())
    })
}

fn case(what: &str, hits: Hits) -> Case {
    let name = format!("tracing/{what}, warnings only/{} String", Size::ONE_KB);
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let current = Current::default();
        let hits = Rc::new(RefCell::new(hits(&runtime)?));
        let ours = subscribed(&hits, &current);
        Ok(Contest::between(ours, unsubscribed(&hits, &current)))
    });
    case.target(Target::at_most(1.03))
        .counts(Counts::Nothing)
        .quick()
}

/// Hits of which one policy says something, at other levels, and one does not.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![
        case("sequential hit", sequential),
        case("parallel hit", parallel),
    ]
}
