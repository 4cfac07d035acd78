//! One round: a server, processes over it with one bound, and faults, for a while.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;
use xtask::Failure;

use super::{
    disturbing::{Dice, disturb},
    fleet::{Fleet, Links, Plan},
    judge::{Findings, Judge},
    record::now,
    server::{Replica, Server},
    settings::Broken,
    truth::Truth,
};

/// What a round is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) bound: Duration,
    pub(super) replica: Replica,
    pub(super) seed: u64,
    pub(super) lasts: Duration,
    pub(super) broken: Option<Broken>,
}

impl Round {
    /// The arguments that play it again.
    pub(super) fn replay(&self) -> String {
        let failover = match self.replica {
            Replica::None => "",
            Replica::Watched => " --failover",
        };
        let bound = self.bound.as_millis();
        format!(
            "cargo xtask coherence --bound {bound}{failover} --seed {}",
            self.seed
        )
    }

    pub(super) async fn play(&self) -> Result<Findings, Failure> {
        let directory = tempfile::tempdir()?;
        let mut server = Server::start(self.replica).await?;
        let links = Links::of(&mut server).await?;
        let plan = Plan::new(
            self.seed,
            self.bound,
            self.broken,
            directory.path(),
            &links,
            &server,
        );
        let began = now();
        let end = began + self.lasts.as_nanos() as u64;
        let mut fleet = Fleet::start(plan)?;
        let dice = Dice::new(Rng::with_seed(self.seed), self.bound);
        let done = disturb(&mut server, &links, &mut fleet, dice, end).await?;
        // Whatever was kept from L1s would show by then.
        sleep(self.bound.min(Duration::from_millis(250)) * 2).await;
        let journals = fleet.end().await?;
        let ended = now();
        let bound = self.bound;
        let judged = tokio::task::spawn_blocking(move || {
            let truth = Truth::told_by(&journals, done.forgetting)?;
            let mut judge = Judge::new(&truth, bound, (began, ended), &done);
            for (process, journal) in &journals {
                judge.hear(*process, journal)?;
            }
            // The journals lie in it.
            drop(directory);
            Ok(judge.findings)
        });
        judged.await?
    }
}
