use std::time::Duration;

/// How stale a first layer may be, and how it hears of changes.
///
/// ```
/// use std::time::Duration;
/// use hitbox_backend::coherence::Coherence;
///
/// let coherence = Coherence::within(Duration::from_millis(250)).pace(Duration::from_millis(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coherence {
    pub(crate) bound: Duration,
    pub(crate) pace: Option<Duration>,
}

impl Coherence {
    /// The smallest bound: 20 milliseconds. A question takes some of them where machines are busy.
    pub const LEAST: Duration = Duration::from_millis(20);

    /// The longest default of [`pace`](Self::pace).
    const SLOWEST_PACE: Duration = Duration::from_millis(25);

    /// No copy is served that was replaced longer ago than `bound`. [`LEAST`](Self::LEAST) or more; 250 milliseconds suit most.
    ///
    /// The shorter it is, the more questions are asked: at least four for each bound.
    #[must_use]
    pub const fn within(bound: Duration) -> Self {
        Self { bound, pace: None }
    }

    /// How long to wait after an answer before the next question. Default: a sixteenth of the bound, and 25 milliseconds at the
    /// most. At most a quarter of the bound.
    ///
    /// The longer, the fewer questions while there are many changes, and the later the news of each: half of it on average.
    #[must_use]
    pub const fn pace(mut self, pace: Duration) -> Self {
        self.pace = Some(pace);
        self
    }

    pub(crate) fn pace_or_default(self) -> Duration {
        self.pace
            .unwrap_or_else(|| (self.bound / 16).min(Self::SLOWEST_PACE))
    }

    /// How long a question waits for news.
    pub(crate) fn patience(self) -> Duration {
        self.bound / 4
    }

    /// What makes no sense of it, if anything does not.
    pub(crate) fn complaint(self) -> Option<String> {
        let Self { bound, .. } = self;
        if bound < Self::LEAST {
            return Some(format!(
                "the bound of coherence is {bound:?}: use {:?} or more",
                Self::LEAST
            ));
        }
        let pace = self.pace_or_default();
        let most = bound / 4;
        (pace > most).then(|| format!("the pace of coherence is {pace:?}, and the bound is {bound:?}: use {most:?} or less"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_complained_of() {
        let millis = Duration::from_millis;
        assert_eq!(Coherence::within(millis(20)).complaint(), None);
        assert_eq!(
            Coherence::within(millis(1_000))
                .pace(millis(250))
                .complaint(),
            None
        );
        assert!(Coherence::within(millis(19)).complaint().is_some());
        assert!(
            Coherence::within(millis(100))
                .pace(millis(26))
                .complaint()
                .is_some()
        );
        assert_eq!(
            Coherence::within(millis(1_000)).pace_or_default(),
            millis(25)
        );
    }
}
