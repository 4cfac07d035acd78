use std::io::{self, IsTerminal, Write};

use super::case::Ended;

/// One line on the terminal that tells how far a run is. Without a terminal, failures only.
pub(super) struct Progress {
    cases: usize,
    ended: usize,
    failed: usize,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(cases: usize) -> Self {
        eprintln!("running {cases} cases");
        Self {
            cases,
            ended: 0,
            failed: 0,
            terminal: io::stderr().is_terminal(),
        }
    }

    pub(super) fn advance(&mut self, one: &Ended) {
        self.ended += 1;
        if one.outcome.is_err() {
            self.failed += 1;
            self.clear();
            eprintln!("failed: {}", one.id);
        }
        if self.terminal {
            eprint!(
                "\r{} of {} cases, {} failed",
                self.ended, self.cases, self.failed
            );
            // Nothing depends on the line being seen.
            io::stderr().flush().unwrap_or_default();
        }
    }

    pub(super) fn finish(&self) {
        self.clear();
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
