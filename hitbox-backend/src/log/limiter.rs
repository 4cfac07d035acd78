//! Which of many like events get a line: a pure decision, by the time that the caller brings.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::Tally;

/// No two lines of one source are closer than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// While events go on, the pause between lines doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What an event is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<K> {
    /// A line about the event itself: nothing has happened since the line before.
    Single,
    /// A line about all events since the line before, this one included.
    Summary { events: Tally<K>, within: Duration },
}

/// Decides which events of one source get a line.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    /// When the last line was written, and how long the pause after it is.
    last: Option<(Instant, Duration)>,
    shortest_pause: Duration,
    untold: Tally<K>,
}

impl<K> Default for Limiter<K> {
    fn default() -> Self {
        Self::with_pause(SHORTEST_PAUSE)
    }
}

impl<K> Limiter<K> {
    /// One whose lines are at least this far apart.
    pub(crate) fn with_pause(shortest_pause: Duration) -> Self {
        Self {
            last: None,
            shortest_pause,
            untold: Tally::default(),
        }
    }
}

impl<K: PartialEq> Limiter<K> {
    /// An event has happened. The line that it gets, if it gets one.
    pub(crate) fn note(&mut self, kind: K, now: Instant) -> Option<Line<K>> {
        let Some((line, pause)) = self.last else {
            self.last = Some((now, self.shortest_pause));
            return Some(Line::Single);
        };
        self.untold.add(kind);
        let within = now.saturating_duration_since(line);
        if within < pause {
            return None;
        }
        // The next line was due long ago, and nothing happened.
        let was_calm = within >= 2 * pause;
        let next = if was_calm {
            self.shortest_pause
        } else {
            (2 * pause).min(LONGEST_PAUSE)
        };
        self.last = Some((now, next));
        let events = mem::take(&mut self.untold);
        Some(if was_calm && events.total() == 1 {
            Line::Single
        } else {
            Line::Summary { events, within }
        })
    }

    /// Whether a line may be written that is about no event of this kind.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.last
            .is_none_or(|(line, _)| now.saturating_duration_since(line) >= self.shortest_pause)
    }

    /// Such a line is written now. Returns the events that have had none.
    pub(crate) fn begin_anew(&mut self, now: Instant) -> Tally<K> {
        self.last = Some((now, self.shortest_pause));
        mem::take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// When each line was written, of events at these times.
    fn lines(events: impl IntoIterator<Item = u32>) -> Vec<(u32, Line<&'static str>)> {
        let begin = Instant::now();
        let mut limiter = Limiter::default();
        let line = |at: u32| {
            let line = limiter.note("event", begin + at * MILLISECOND)?;
            Some((at, line))
        };
        events.into_iter().filter_map(line).collect()
    }

    fn summary(events: u64, within: u32) -> Line<&'static str> {
        Line::Summary {
            events: Tally::of("event", events),
            within: within * MILLISECOND,
        }
    }

    #[test]
    fn of_many_events_in_a_second_one_gets_a_line() {
        assert_eq!(lines(0..1_000), [(0, Line::Single)]);
    }

    #[test]
    fn pauses_double_while_events_go_on_and_no_event_is_left_out() {
        assert_eq!(
            lines(0..=7_000),
            [
                (0, Line::Single),
                (1_000, summary(1_000, 1_000)),
                (3_000, summary(2_000, 2_000)),
                (7_000, summary(4_000, 4_000)),
            ]
        );
        let hour = lines((0..3_600_000).step_by(100));
        assert!(hour.len() < 3_600 / 60 + 10, "{}", hour.len());
    }

    #[test]
    fn after_calm_an_event_gets_a_line_of_its_own() {
        assert_eq!(
            lines([0, 2_000, 2_500, 60_000]),
            [
                (0, Line::Single),
                (2_000, Line::Single),
                (60_000, summary(2, 58_000)),
            ]
        );
    }

    #[test]
    fn a_tally_names_each_kind_once() {
        let mut tally = Tally::default();
        for kind in ["b", "a", "b"] {
            tally.add(kind);
        }
        assert_eq!(tally.to_string(), "b x 2, a x 1");
        assert_eq!(tally.total(), 3);
    }
}
