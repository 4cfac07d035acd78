use std::collections::VecDeque;

use super::FailureRate;

/// How the last calls ended.
#[derive(Debug)]
pub(super) struct Window {
    rate: FailureRate,
    failed: VecDeque<bool>,
    failures: usize,
}

impl Window {
    pub(super) fn new(rate: FailureRate) -> Self {
        Self {
            rate,
            failed: VecDeque::with_capacity(rate.window),
            failures: 0,
        }
    }

    pub(super) fn note_success(&mut self) {
        self.make_room();
        self.failed.push_back(false);
    }

    pub(super) fn note_failure(&mut self) {
        self.make_room();
        self.failed.push_back(true);
        self.failures += 1;
    }

    fn make_room(&mut self) {
        if self.failed.len() == self.rate.window && self.failed.pop_front() == Some(true) {
            self.failures -= 1;
        }
    }

    pub(super) fn clear(&mut self) {
        self.failed.clear();
        self.failures = 0;
    }

    /// Failures and calls, if the former are too many.
    pub(super) fn exceeded(&self) -> Option<(usize, usize)> {
        let calls = self.failed.len();
        let limit = self.rate.part * calls as f64;
        (calls >= self.rate.minimum_calls && self.failures as f64 >= limit)
            .then_some((self.failures, calls))
    }
}
