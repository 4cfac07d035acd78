use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{adapter::Adapter, servers::Servers};

/// What identifies a case: `moka+sled/parallel/sequential/typed/an expired value is a miss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaseId {
    /// The two layers, `L1+L2`, or one adapter by itself.
    pub(crate) pair: String,
    /// The read policy.
    pub(crate) read: &'static str,
    /// The write policy.
    pub(crate) write: &'static str,
    /// How the composition is used, e.g. static or `dyn`, typed or raw.
    pub(crate) mode: &'static str,
    /// What is put to the test.
    pub(crate) scenario: Cow<'static, str>,
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pair,
            read,
            write,
            mode,
            scenario,
        } = self;
        write!(f, "{pair}/{read}/{write}/{mode}/{scenario}")
    }
}

/// Carries a case out; the error says what was expected and what happened.
pub(crate) type Run =
    Box<dyn FnOnce(Arc<Servers>) -> BoxFuture<'static, Result<(), String>> + Send>;

/// One scenario on one composition, or one test of an adapter.
pub(crate) struct Case {
    pub(crate) id: CaseId,
    /// Whose servers it needs.
    pub(crate) adapters: Vec<Adapter>,
    pub(crate) run: Run,
}

/// A case that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) id: CaseId,
    /// The error is the message of the failure.
    pub(crate) outcome: Result<(), String>,
    pub(crate) took: Duration,
}
