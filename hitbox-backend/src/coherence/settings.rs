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
    pub(crate) in_silence: InSilence,
}

/// What becomes of copies while nothing is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InSilence {
    /// The bound holds: a copy is served for the bound after it was seen, and then the second layer is asked, by each process
    /// for each key once in each bound.
    #[default]
    Bound,
    /// A copy is served for this long after it was vouched for last, as a [stale](hitbox_core::CacheStatus::Stale) value.
    /// So the second layer is spared, and what is served may be as old as this.
    Stale(Duration),
}

impl Coherence {
    /// The smallest bound: 20 milliseconds. A question takes some of them where machines are busy.
    pub const LEAST: Duration = Duration::from_millis(20);

    /// The longest default of [`pace`](Self::pace).
    const SLOWEST_PACE: Duration = Duration::from_millis(25);

    /// No copy is served that was replaced longer ago than `bound`. [`LEAST`](Self::LEAST) or more; 250 milliseconds suit most.
    ///
    /// The shorter it is, the more questions are asked: about three for each bound while there are no changes, and one after each
    /// [`pace`](Self::pace) while there are.
    #[must_use]
    pub const fn within(bound: Duration) -> Self {
        Self {
            bound,
            pace: None,
            in_silence: InSilence::Bound,
        }
    }

    /// What becomes of copies while nothing is heard: of a log that is lost, or of one that this process may not read, too.
    /// Default: the bound holds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use hitbox_backend::coherence::{Coherence, InSilence};
    ///
    /// // An hour without the log is not to cost the store every read.
    /// let keep = InSilence::Stale(Duration::from_secs(60));
    /// let coherence = Coherence::within(Duration::from_millis(250)).in_silence(keep);
    /// ```
    #[must_use]
    pub const fn in_silence(mut self, in_silence: InSilence) -> Self {
        self.in_silence = in_silence;
        self
    }

    /// For how long a copy is offered in silence.
    pub(crate) fn kept_in_silence(self) -> Duration {
        match self.in_silence {
            InSilence::Bound => self.bound,
            InSilence::Stale(keep) => keep,
        }
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
        let keep = self.kept_in_silence();
        if keep < bound {
            return Some(format!(
                "copies are kept for {keep:?} in silence, and for {bound:?} otherwise: use {bound:?} or more"
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
        let briefly = InSilence::Stale(millis(99));
        assert!(
            Coherence::within(millis(100))
                .in_silence(briefly)
                .complaint()
                .is_some()
        );
        assert_eq!(
            Coherence::within(millis(1_000)).pace_or_default(),
            millis(25)
        );
    }
}
