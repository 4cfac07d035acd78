use std::mem;

use super::series::Series;
use crate::{
    Backend, BackendResult,
    outcome::{change_in_doubt, is_doubtful},
    repeated::Answer,
};

/// The attempts of a call for many keys: only those that failed are asked again.
pub(super) struct Bulk<'r, B, T> {
    pub(super) series: Series<'r, B>,
    outcomes: Vec<BackendResult<T>>,
    /// The keys that are worth asking again, by where they stand in the call.
    open: Vec<usize>,
}

impl<'r, B: Backend, T: Answer> Bulk<'r, B, T> {
    /// `outcomes` are those of the first attempt, one per key.
    pub(super) fn new(series: Series<'r, B>, outcomes: Vec<BackendResult<T>>) -> Self {
        let mut bulk = Self {
            open: Vec::new(),
            series,
            outcomes,
        };
        bulk.open = (0..bulk.outcomes.len())
            .filter(|index| bulk.is_open(&bulk.outcomes[*index]))
            .collect();
        bulk
    }

    fn is_open(&self, outcome: &BackendResult<T>) -> bool {
        match outcome {
            Ok(_) => false,
            Err(error) => self.series.is_worth_repeating(error),
        }
    }

    pub(super) const fn has_open_keys(&self) -> bool {
        !self.open.is_empty()
    }

    /// Leaves the outcomes of some keys as they are, whatever they are.
    pub(super) fn give_up_on(&mut self, is_hopeless: impl Fn(usize) -> bool) {
        self.open.retain(|index| !is_hopeless(*index));
    }

    /// The keys to ask again, after a pause; `None` if that is over.
    pub(super) async fn next(&mut self) -> Option<Vec<usize>> {
        if self.open.is_empty() || !self.series.pause().await {
            return None;
        }
        Some(mem::take(&mut self.open))
    }

    /// Takes what the keys that were asked again have answered.
    pub(super) fn settle(&mut self, asked: &[usize], answers: Vec<BackendResult<T>>) {
        for (index, answer) in asked.iter().copied().zip(answers) {
            if self.is_open(&answer) {
                self.open.push(index);
            }
            let outcome = &mut self.outcomes[index];
            let Err(earlier) = mem::replace(outcome, answer) else {
                continue;
            };
            match outcome {
                Ok(answer) if is_doubtful(&earlier, answer) => *outcome = Err(earlier),
                Ok(answer) => {
                    if let Some(change) = change_in_doubt(&earlier, answer) {
                        *outcome = Err(earlier.made_by_repeat(change));
                    }
                }
                Err(later) if self.series.outweighs(&earlier, later) => *outcome = Err(earlier),
                Err(_) => {}
            }
        }
    }

    pub(super) fn into_outcomes(self) -> Vec<BackendResult<T>> {
        self.outcomes
    }
}
