use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::case::Ended;

/// How long a log says nothing.
const SILENCE: Duration = Duration::from_secs(20);

/// Tells how far a run is: in one line on a terminal, now and then in a log.
pub(super) struct Progress {
    cases: usize,
    ended: usize,
    failed: usize,
    place: Place,
}

enum Place {
    Terminal,
    Log { last: Instant },
}

impl Progress {
    pub(super) fn new(cases: usize) -> Self {
        eprintln!("running {cases} cases");
        Self {
            cases,
            ended: 0,
            failed: 0,
            place: if io::stderr().is_terminal() {
                Place::Terminal
            } else {
                Place::Log {
                    last: Instant::now(),
                }
            },
        }
    }

    pub(super) fn advance(&mut self, one: &Ended) {
        self.ended += 1;
        if one.outcome.is_err() {
            self.failed += 1;
            self.clear();
            eprintln!("failed: {}", one.id);
        }
        let line = format!(
            "{} of {} cases, {} failed",
            self.ended, self.cases, self.failed
        );
        match &mut self.place {
            Place::Terminal => {
                eprint!("\r{line}");
                // Nothing depends on the line being seen.
                io::stderr().flush().unwrap_or_default();
            }
            Place::Log { last } if last.elapsed() >= SILENCE => {
                eprintln!("{line}");
                *last = Instant::now();
            }
            Place::Log { .. } => {}
        }
    }

    pub(super) fn finish(&self) {
        self.clear();
    }

    fn clear(&self) {
        match self.place {
            Place::Terminal => eprint!("\r\x1b[K"),
            Place::Log { .. } => {}
        }
    }
}
