use std::sync::Arc;

use futures::future::BoxFuture;
use xtask::Failure;

use super::{record::Record, stage::Stage};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Done in less than a minute.
    Short,
    /// Every byte, more policies, longer under load.
    Long,
}

impl Depth {
    /// One of two numbers.
    pub(super) const fn of<T: Copy>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// What else may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// It waits most of the time.
    Light,
    /// It keeps the machine busy, which would make others late.
    Heavy,
}

/// One fault and what is done under it.
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) load: Load,
    pub(super) act: Act,
}

/// How a scenario that could be carried out ended.
pub(super) enum Outcome {
    Ran(Record),
    /// This machine cannot produce the fault: why not.
    NotRun(String),
}

/// The error is why a scenario could not go on, which breaks it.
pub(super) type Result = std::result::Result<Outcome, Failure>;

type Ending = BoxFuture<'static, Result>;

/// What a scenario does.
pub(super) enum Act {
    /// Something on a runtime that is there.
    Async(Box<dyn FnOnce(Arc<Stage>) -> Ending + Send>),
    /// Something that makes, or breaks, a runtime of its own.
    Thread(Box<dyn FnOnce(&Stage) -> Result + Send>),
}

impl Scenario {
    pub(super) fn new<F>(
        name: impl Into<String>,
        act: impl FnOnce(Arc<Stage>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result> + Send + 'static,
    {
        Self {
            name: name.into(),
            load: Load::Light,
            act: Act::Async(Box::new(|stage| Box::pin(act(stage)))),
        }
    }

    pub(super) fn on_thread(
        name: impl Into<String>,
        act: impl FnOnce(&Stage) -> Result + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            load: Load::Light,
            act: Act::Thread(Box::new(act)),
        }
    }

    pub(super) fn heavy(mut self) -> Self {
        self.load = Load::Heavy;
        self
    }
}
