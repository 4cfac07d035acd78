//! What reaches a layer after nobody waits for it any more.

use std::time::Duration;

use tokio::time::Instant;

use super::World;
use crate::{layer::Request, step::Late};

/// What a failed operation may still do to a layer, it does within this time. Fences hold longer.
pub(super) const LATE_AT_MOST: Duration = Duration::from_secs(59);

pub(super) struct LateEffect {
    site: usize,
    request: Request,
    until: Instant,
}

impl World {
    pub(crate) fn delay(&self, site: usize, request: Request) {
        let until = Instant::now() + LATE_AT_MOST;
        self.state().late.push(LateEffect {
            site,
            request,
            until,
        });
    }

    /// The same for the first attempt of what a second one has done.
    pub(crate) fn repeat(&self, site: usize, request: Request) {
        self.state().repeated += 1;
        self.delay(site, request);
    }

    /// How often a change was made by a second attempt.
    pub(crate) fn repeated(&self) -> u64 {
        self.state().repeated
    }

    /// From now on, what is dropped may take effect later, or may not.
    pub(crate) fn set_drops(&self, late: Late) {
        self.state().drops_are_late = late == Late::Possible;
    }

    /// One effect arrives, if any is due to. Says whether one is.
    pub(crate) fn arrive(&self, pick: usize) -> bool {
        let effect = {
            let mut state = self.state();
            match state.late.len() {
                0 => return false,
                count => state.late.remove(pick % count),
            }
        };
        self.take_effect(effect);
        true
    }

    /// Everything arrives that would be too late after `time`.
    pub(crate) fn arrive_before(&self, time: Duration) {
        let now = Instant::now();
        loop {
            let effect = {
                let mut state = self.state();
                let due = |effect: &LateEffect| effect.until <= now + time;
                match state.late.iter().position(due) {
                    Some(at) => state.late.remove(at),
                    None => return,
                }
            };
            self.take_effect(effect);
        }
    }

    pub(crate) fn all_arrive(&self) {
        self.arrive_before(LATE_AT_MOST);
    }

    fn take_effect(&self, effect: LateEffect) {
        let LateEffect { site, request, .. } = effect;
        let site = &self.sites[site];
        self.tell(7, || {
            format!("      late: {} {}", site.place, self.name_of(&request))
        });
        // Nobody is there to be told of a failure.
        drop(request.apply(&site.store));
    }
}
