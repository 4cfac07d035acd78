//! Compositions whose L1 is never staler than a bound.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use hitbox_core::{CacheKey, CacheValue, Raw, clock::Tick};
use tokio::runtime;

use super::{
    CompositionBackend, RefillPolicy,
    copies::{Role, Shared, Told, hash},
    layers::Layers,
};
use crate::{
    Backend, BackendError, BackendResult, Fencing,
    coherence::{Backplane, Coherence, Counts, Ear, Heard, Hearing, HearingStatus, News, listen},
    skew::restamp_if_skewed,
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
{
    /// Makes the composition *coherent*: a hit in L1 is never staler than a bound, whatever other processes do.
    ///
    /// Once a write or a remove of a key has been confirmed by the shared layer, through any composition over it that is
    /// coherent on the same plane, no read that begins later than the bound after that is answered by L1 with what it
    /// replaced, whatever was lost, delayed or restarted: where it cannot be known that a copy is that fresh, L2 is asked.
    /// And no reader is given something older than this composition has given out before. `docs/coherence.md` has the limits.
    ///
    /// A task of the current runtime asks the backplane, until the last clone of the composition is gone. Clones that have been
    /// made before are coherent, too.
    ///
    /// A write that only L1 has taken starts no bound: use [`StrictWritePolicy`](crate::StrictWritePolicy). A repair of L2
    /// removes the key, and copies nothing: what another process has done to it meanwhile is not known here. Reads of L2 are
    /// joined for a quarter of the bound at most ([`join_reads_within`](crate::CompositionPolicy::join_reads_within)).
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) if L2 does not
    /// [announce](crate::Backend::announces) on this plane (a composition does if it is coherent there itself), if L1 is
    /// not in process or keeps fences of its own (as a composition does), if the composition [repairs on reads](RefillPolicy::Repair), is coherent already, or is not made in a
    /// tokio runtime, and for settings that cannot work.
    ///
    /// The module [`coherence`](crate::coherence) has an example.
    pub fn coherent<P>(self, plane: P, coherence: Coherence) -> BackendResult<Self>
    where
        P: Backplane + 'static,
    {
        let refuse = |why: String| {
            Err(BackendError::invalid_configuration(
                self.paths.label().clone(),
                why,
            ))
        };
        if let Some(complaint) = coherence.complaint() {
            return refuse(complaint);
        }
        let (l1, l2) = (&self.layers.l1.backend, &self.layers.l2.backend);
        let announces = match l2.announces() {
            Some(announces) if announces.plane == plane.id() => announces,
            Some(announces) => {
                let (theirs, ours) = (announces.plane, plane.id());
                return refuse(format!(
                    "L2 announces its changes on {}, and not on {}",
                    theirs.as_str(),
                    ours.as_str()
                ));
            }
            None => return refuse(format!("L2 ({}) does not announce its changes", l2.label())),
        };
        let nobodys = CacheKey::from_pair("hitbox", "coherent");
        if !l1.is_non_blocking() || l1.remove(&nobodys).now_or_never().is_none() {
            return refuse(format!(
                "L1 ({}) is not in process: news could not be applied to it at once",
                l1.label()
            ));
        }
        if l1.fencing() == Fencing::Fenced {
            return refuse(format!(
                "L1 ({}) keeps fences: it would refuse what is older than the news that it has been told of",
                l1.label()
            ));
        }
        if self.layers.rules.refill == RefillPolicy::Repair {
            return refuse(
                "RefillPolicy::Repair would bring back to L2 what another process has removed"
                    .into(),
            );
        }
        let Ok(runtime) = runtime::Handle::try_current() else {
            return refuse(
                "a coherent composition listens in a tokio runtime: make it in one".into(),
            );
        };
        let shared = Arc::new(Shared {
            hearing: Hearing::new(coherence.bound, Tick::now())
                .in_silence(coherence.kept_in_silence()),
            origin: announces.origin,
            counts: Counts::default(),
            told: Told::default(),
        });
        // L2 first: what it brings has to be marked before L1 judges by that.
        let of_l2 = match announces.by_copies {
            true => Role::CopiesOfStore(Arc::clone(&shared)),
            false => Role::Store(Arc::clone(&shared)),
        };
        if self.layers.l2.make_coherent(of_l2).is_err() {
            return refuse("the composition is coherent already".into());
        }
        let _the_same_for_l1 = self.layers.l1.make_coherent(Role::Copies(shared));
        listen(
            &runtime,
            Arc::new(plane),
            Arc::downgrade(&self.layers),
            coherence,
        );
        Ok(self)
    }

    /// What the composition has heard, if it is coherent: for monitoring.
    #[must_use]
    pub fn hearing(&self) -> Option<HearingStatus> {
        let shared = self.layers.shared()?;
        let as_of = shared.hearing.as_of();
        let Counts {
            news,
            gaps,
            unvouched,
            refused,
        } = &shared.counts;
        Some(HearingStatus {
            bound: shared.hearing.bound(),
            age: (as_of > Tick::UNKNOWN).then(|| Tick::now().since(as_of)),
            news: news.get(),
            gaps: gaps.get(),
            unvouched: unvouched.get(),
            refused: refused.get(),
        })
    }
}

impl<L1, L2> Layers<L1, L2> {
    /// What all of a coherent composition know, for who wants to be told of tags.
    pub(super) fn shared_with_listener(&self) -> Option<Arc<Shared>> {
        match self.l1.role()? {
            Role::Copies(shared) | Role::Store(shared) | Role::CopiesOfStore(shared) => {
                Some(Arc::clone(shared))
            }
        }
    }

    /// What L1 does in coherence, if it does.
    pub(super) fn shared(&self) -> Option<&Shared> {
        match self.l1.role()? {
            Role::Copies(shared) | Role::Store(shared) | Role::CopiesOfStore(shared) => {
                Some(shared)
            }
        }
    }

    /// What is about to be written. Until it has been, L2 may be given something newer by others.
    pub(super) fn admitted(&self, value: CacheValue<Raw>) -> CacheValue<Raw> {
        let value = restamp_if_skewed(value);
        match self.shared() {
            Some(_) => value.seen_at(Tick::now()),
            None => value,
        }
    }

    /// Not known where nobody wants to know.
    pub(super) fn now_if_coherent(&self) -> Tick {
        self.shared().map_or(Tick::UNKNOWN, |_| Tick::now())
    }

    /// For how long reads of L2 are joined.
    pub(super) fn join_within(&self) -> Duration {
        let within = self.rules.join_within;
        match self.shared() {
            Some(shared) => within.min(shared.hearing.bound() / 4),
            None => within,
        }
    }

    /// When L2 has last answered for a key, as far as that matters to who joins a read of it.
    pub(super) fn answered(&self, key: &CacheKey) -> Tick {
        let slot = self.shared().map(|shared| shared.hearing.slot(hash(key)));
        slot.map_or(Tick::UNKNOWN, |slot| slot.answered())
    }
}

impl<L1: Backend + 'static, L2: Backend + 'static> Ear for Layers<L1, L2> {
    fn hear(&self, heard: &Heard, asked: Tick) {
        let Some(shared) = self.shared() else {
            return;
        };
        if !heard.follows {
            shared.counts.gaps.add(1);
            shared.hearing.note_gap(Tick::now());
        }
        for news in &heard.news {
            match news {
                News::Changed { key, origin, stamp } => {
                    // Stamps are of this process alone if the change was made here, so they say which one it was.
                    let own = (*origin == shared.origin).then_some(*stamp);
                    self.l1.hear(shared, key, own);
                }
                // Told below.
                News::Invalidated(_) => {}
            }
        }
        // Before anything is vouched for.
        shared.told.tell(heard);
        shared.counts.news.add(heard.news.len() as u64);
        if heard.complete {
            shared.hearing.vouch_as_of(asked);
        }
    }

    fn silence(&self) -> Option<Duration> {
        let hearing = &self.shared()?.hearing;
        let silence = Tick::now().since(hearing.as_of());
        (silence > hearing.bound()).then_some(silence)
    }
}
