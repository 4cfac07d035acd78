//! Those who are told of what is invalidated by tags.

use std::sync::{
    Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

use hitbox_core::LogMark;

use crate::{
    coherence::{Heard, News},
    tags::TagEar,
};

/// Caches over a coherent composition, and up to where they have been told.
#[derive(Default)]
pub(in crate::composition) struct Told {
    /// Held for as long as one answer is told: who comes is told all of the next one.
    ears: Mutex<Vec<Weak<dyn TagEar>>>,
    heard: AtomicU64,
}

impl Told {
    pub(super) fn add(&self, ear: Weak<dyn TagEar>) {
        let mut ears = self.ears();
        // Those of caches that are gone.
        ears.retain(|ear| ear.strong_count() > 0);
        if let Some(ear) = ear.upgrade() {
            // What was heard before, it was not told.
            ear.note_gap(self.heard());
            ear.note_heard(self.heard());
        }
        ears.push(ear);
    }

    pub(super) fn heard(&self) -> LogMark {
        LogMark::from_bits(self.heard.load(Ordering::Acquire))
    }

    /// This has been heard. What begins to load after this is as new as that.
    pub(in crate::composition) fn tell(&self, heard: &Heard) {
        let ears = self.ears();
        for ear in ears.iter().filter_map(Weak::upgrade) {
            if !heard.follows {
                ear.note_gap(heard.place);
            }
            for news in &heard.news {
                match news {
                    News::Invalidated(news) => ear.hear(news),
                    News::Changed { .. } => {}
                }
            }
            if heard.place != self.heard() {
                ear.note_heard(heard.place);
            }
        }
        self.heard.store(heard.place.to_bits(), Ordering::Release);
    }

    fn ears(&self) -> MutexGuard<'_, Vec<Weak<dyn TagEar>>> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
