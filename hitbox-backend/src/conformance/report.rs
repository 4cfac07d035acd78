use std::fmt;

use hitbox_core::BackendLabel;

/// How one check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The backend does what the contract says.
    Passed,
    /// It does not; the message says what was seen.
    Failed(String),
    /// The subject has nothing that this check could look at, for this reason: a backend without a
    /// size limit refuses nothing.
    NotCalledFor(&'static str),
}

/// How a run of the suite came out. Its `Display` form has the counts, and a line for each check
/// that failed or was not called for.
#[derive(Clone, Debug)]
#[must_use = "a report may hold failures"]
pub struct Report {
    label: BackendLabel,
    outcomes: Vec<(&'static str, CheckOutcome)>,
}

impl Report {
    pub(super) fn new(label: BackendLabel, outcomes: Vec<(&'static str, CheckOutcome)>) -> Self {
        Self { label, outcomes }
    }

    /// Whether no check failed, and at least one passed: nothing looked at is nothing shown.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.failures().next().is_none() && self.passed() > 0
    }

    /// Every check with its outcome, in the order of [`checks`](super::checks).
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, &CheckOutcome)> {
        self.outcomes.iter().map(|(name, outcome)| (*name, outcome))
    }

    /// Name and message of each check that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.outcomes().filter_map(|(name, outcome)| match outcome {
            CheckOutcome::Failed(message) => Some((name, message.as_str())),
            CheckOutcome::Passed | CheckOutcome::NotCalledFor(_) => None,
        })
    }

    /// How many checks passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.outcomes()
            .filter(|(_, outcome)| **outcome == CheckOutcome::Passed)
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed) = (self.passed(), self.failures().count());
        let not_called_for = self.outcomes.len() - passed - failed;
        write!(
            f,
            "conformance of {}: {passed} passed, {failed} failed, {not_called_for} not called for",
            self.label
        )?;
        for (name, outcome) in self.outcomes() {
            match outcome {
                CheckOutcome::Passed => {}
                CheckOutcome::Failed(message) => write!(f, "\n  FAILED {name}: {message}")?,
                CheckOutcome::NotCalledFor(reason) => {
                    write!(f, "\n  not called for: {name}: {reason}")?;
                }
            }
        }
        Ok(())
    }
}
