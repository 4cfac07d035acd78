//! The servers' clocks beside this process's.
//!
//! A server ends the life of a value by its own clock. Where that differs from this process's, a value
//! would live too short or too long, or not at all. So each new connection asks for the time, and where
//! it is off by more than a second, the moment that is sent is the server's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Clocks that are kept by NTP differ by less. Within it the moment is sent as it is.
const TOLERANCE_MILLIS: i64 = 1_000;

/// Not known.
const UNKNOWN: i64 = i64::MIN;

/// How far the clocks of a backend's servers are ahead of this process's.
pub(crate) struct Clocks {
    begun: Instant,
    by_server: Mutex<HashMap<Arc<str>, i64>>,
    /// The furthest ahead, in milliseconds: by it no value dies early on any server of a cluster.
    ahead: AtomicI64,
    /// This process's wall clock less its steady one when that was measured.
    own: AtomicI64,
}

/// What a look at a server's clock has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Agrees,
    /// By so many milliseconds; negative if it is behind.
    Ahead(i64),
}

impl Clocks {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            by_server: Mutex::default(),
            ahead: AtomicI64::new(UNKNOWN),
            own: AtomicI64::new(0),
        }
    }

    /// Notes what a server has told, and how long it took to be told. `None` if that is too long to
    /// say anything.
    pub(crate) fn note(
        &self,
        address: &Arc<str>,
        server_millis: i64,
        took: Duration,
    ) -> Option<Finding> {
        let wall = wall_millis();
        let took = i64::try_from(took.as_millis()).ok()?;
        // The server looked at its clock somewhere in between.
        let ahead = server_millis - (wall - took / 2);
        if took / 2 > TOLERANCE_MILLIS && ahead.abs() <= TOLERANCE_MILLIS + took / 2 {
            return None;
        }
        let mut by_server = self
            .by_server
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        by_server.insert(Arc::clone(address), ahead);
        let furthest = by_server.values().copied().max().unwrap_or(ahead);
        self.own
            .store(wall - self.steady_millis(), Ordering::Relaxed);
        self.ahead.store(furthest, Ordering::Relaxed);
        Some(if ahead.abs() <= TOLERANCE_MILLIS {
            Finding::Agrees
        } else {
            Finding::Ahead(ahead)
        })
    }

    /// How far the servers' clocks are ahead, in milliseconds, as last measured.
    pub(crate) fn ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNKNOWN)
    }

    /// When a value is to expire that expires at this moment by this process's clock: in milliseconds
    /// since 1970, by the server's.
    pub(crate) fn at_server(&self, expire_millis: i64) -> i64 {
        let Some(ahead) = self.ahead() else {
            return expire_millis;
        };
        let own = wall_millis() - self.steady_millis();
        at_server(expire_millis, ahead, own - self.own.load(Ordering::Relaxed))
    }

    fn steady_millis(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// `stepped`: by how much this process's clock was put forward since the servers' were compared with
/// it. Then they may have been put right together, and nothing is known.
fn at_server(expire_millis: i64, ahead: i64, stepped: i64) -> i64 {
    if ahead.abs() <= TOLERANCE_MILLIS || stepped.abs() > TOLERANCE_MILLIS {
        expire_millis
    } else {
        expire_millis.saturating_add(ahead)
    }
}

fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clocks_agree_on_is_exact_and_what_they_do_not_is_moved() {
        for ahead in [-TOLERANCE_MILLIS, 0, 7, TOLERANCE_MILLIS] {
            assert_eq!(at_server(5_000_001, ahead, 0), 5_000_001);
        }
        assert_eq!(at_server(5_000_001, 600_000, 0), 5_600_001);
        assert_eq!(at_server(5_000_001, -600_000, 0), 4_400_001);
        assert_eq!(at_server(5_000_001, 600_000, 600_000), 5_000_001);
        assert_eq!(at_server(i64::MAX, 600_000, 0), i64::MAX);
    }

    #[test]
    fn of_several_servers_the_one_furthest_ahead_counts() {
        let clocks = Clocks::new();
        assert_eq!(clocks.ahead(), None);
        let now = wall_millis();
        let note = |name: &str, server_millis| {
            clocks.note(&Arc::from(name), server_millis, Duration::ZERO)
        };
        assert!(matches!(
            note("one", now + 600_000),
            Some(Finding::Ahead(_))
        ));
        assert_eq!(note("two", now), Some(Finding::Agrees));
        assert!(clocks.ahead().is_some_and(|ahead| ahead > 590_000));
        assert!(clocks.at_server(now) > now + 590_000);
    }

    #[test]
    fn an_answer_that_took_long_says_nothing_small() {
        let clocks = Clocks::new();
        let took = Duration::from_secs(10);
        let address = Arc::from("slow");
        assert_eq!(clocks.note(&address, wall_millis() - 1_000, took), None);
        let found = clocks.note(&address, wall_millis() + 600_000, took);
        assert!(matches!(found, Some(Finding::Ahead(_))));
    }
}
