//! Runs a target on its corpus and on mutations of it.
//!
//! The same target, corpus and seed make the same inputs, on every machine.

use std::{
    any::Any,
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::Path,
    time::{Duration, Instant},
};

use fastrand::Rng;
use test_servers::lateness::processor_time;

use crate::{Observed, Target, mutation::mutated};

/// No input keeps the processor longer, by far, unless it sends a loop around as often as it claims.
const SLOW: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Debug)]
pub struct Campaign<'a> {
    /// The target.
    pub target: &'a Target,
    /// Where mutations start. Each of these is run first, as it is.
    pub corpus: &'a [Vec<u8>],
    /// How many mutated inputs to run.
    pub executions: u64,
    /// What the mutations are drawn with.
    pub seed: u64,
    /// Where to leave each input before it is run: for a failure that ends the process.
    pub journal: Option<&'a Path>,
}

/// How a campaign went.
#[derive(Debug)]
pub struct Summary {
    /// How many inputs were run.
    pub executions: u64,
    /// How long that took.
    pub took: Duration,
    /// What came of them.
    pub observed: Observed,
    /// The input at which the campaign ended early.
    pub crash: Option<Crash>,
}

/// An input for which a guarantee does not hold.
#[derive(Debug)]
pub struct Crash {
    /// The input.
    pub input: Vec<u8>,
    /// What the target panicked with.
    pub message: String,
}

impl Campaign<'_> {
    /// Runs the corpus and the mutated inputs, until one fails.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written.
    pub fn run(&self) -> io::Result<Summary> {
        let began = Instant::now();
        let mut summary = Summary {
            executions: 0,
            took: Duration::ZERO,
            observed: Observed::default(),
            crash: None,
        };
        let mut random = Rng::with_seed(self.seed);
        let mutations = (0..self.executions).map(|_| {
            let input = mutated(self.corpus, self.target.tokens, &mut random);
            (self.target.adapt)(input, &mut random)
        });
        for input in self.corpus.iter().cloned().chain(mutations) {
            if let Some(journal) = self.journal {
                fs::write(journal, &input)?;
            }
            summary.executions += 1;
            match execute(self.target, &input) {
                Ok(observed) => summary.observed.add(observed),
                Err(message) => {
                    summary.crash = Some(Crash { input, message });
                    break;
                }
            }
        }
        summary.took = began.elapsed();
        Ok(summary)
    }
}

/// What the target observes.
///
/// # Errors
///
/// What it panics with.
pub fn execute(target: &Target, input: &[u8]) -> Result<Observed, String> {
    let began = processor_time();
    // Targets share nothing between executions.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = processor_time().saturating_sub(began);
    match outcome {
        Ok(_) if took > SLOW => Err(format!("it took {took:?}")),
        Ok(observed) => Ok(observed),
        Err(panicked) => Err(message(&*panicked)),
    }
}

fn message(panicked: &(dyn Any + Send)) -> String {
    panicked
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panicked.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wrong about one pair of bytes, behind a checksum.
    fn fails_on_a_pair(bytes: &[u8]) -> Observed {
        if let Some((checksum, content)) = bytes.split_last() {
            let sum = content
                .iter()
                .fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            assert!(sum != *checksum || !content.windows(2).any(|pair| pair == [0xFF, b'7']));
        }
        Observed::default()
    }

    fn with_checksum(mut bytes: Vec<u8>, _random: &mut Rng) -> Vec<u8> {
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes.push(sum);
        bytes
    }

    const PLANTED: Target = Target {
        name: "planted",
        about: "a planted bug",
        run: fails_on_a_pair,
        adapt: with_checksum,
        seeds: Vec::new,
        tokens: &[],
    };

    fn campaign(corpus: &[Vec<u8>], seed: u64) -> Summary {
        let campaign = Campaign {
            target: &PLANTED,
            corpus,
            executions: 200_000,
            seed,
            journal: None,
        };
        campaign.run().unwrap()
    }

    #[test]
    fn a_planted_bug_is_found_and_fails_again() {
        let corpus = [b"1234567890".to_vec()];
        let summary = campaign(&corpus, 1);
        let crash = summary.crash.unwrap();
        assert!(crash.message.starts_with("assertion failed"));
        assert!(execute(&PLANTED, &crash.input).is_err());
        assert!(execute(&PLANTED, &corpus[0]).is_ok());
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let corpus = [b"1234567890".to_vec()];
        let crashes = [campaign(&corpus, 2), campaign(&corpus, 2)].map(|summary| {
            let crash = summary.crash.unwrap();
            (summary.executions, crash.input)
        });
        assert_eq!(crashes[0], crashes[1]);
    }
}
