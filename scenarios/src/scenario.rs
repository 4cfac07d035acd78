use std::{fmt, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use super::{Arrangement, LayerPair, stage::Bench};

/// Far longer than any scenario takes, so that it only ever ends one that hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// How a scenario came out; the error says what was expected and what happened.
pub(super) type Outcome = Result<(), String>;

/// One short story about a composition, told on any pair of layers in any [`Arrangement`].
pub struct Scenario {
    name: &'static str,
    body: for<'b> fn(&'b Bench) -> BoxFuture<'b, Outcome>,
}

impl Scenario {
    pub(super) const fn new(
        name: &'static str,
        body: for<'b> fn(&'b Bench) -> BoxFuture<'b, Outcome>,
    ) -> Self {
        Self { name, body }
    }

    /// The name, as `group: what is put to the test`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Plays the scenario. Needs a tokio runtime with time enabled.
    ///
    /// Keeps to keys of its own, and removes them from the layers in the end.
    ///
    /// # Errors
    ///
    /// What was expected and what happened instead. A scenario that does not end within 20 seconds
    /// has failed too.
    pub async fn run(&self, pair: &LayerPair, arrangement: Arrangement) -> Result<(), String> {
        let bench = Bench::new(pair, arrangement, self.name)?;
        let body = AssertUnwindSafe((self.body)(&bench)).catch_unwind();
        let outcome = tokio::time::timeout(DEADLINE, body).await;
        bench.clean_up().await;
        match outcome {
            Ok(Ok(outcome)) => outcome,
            // The panic hook has told what and where.
            Ok(Err(_panic)) => Err(String::from("panicked")),
            Err(_elapsed) => Err(format!("did not end within {DEADLINE:?}")),
        }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scenario").field(&self.name).finish()
    }
}

/// Declares functions of a module as its `SCENARIOS`.
macro_rules! scenarios {
    ($group:literal: $($name:literal => $function:ident),+ $(,)?) => {
        pub(super) const SCENARIOS: &[$crate::Scenario] = &[$(
            $crate::Scenario::new(
                concat!($group, ": ", $name),
                |bench| Box::pin($function(bench)),
            ),
        )+];
    };
}
pub(super) use scenarios;

/// Ends the scenario with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(super) use ensure;
