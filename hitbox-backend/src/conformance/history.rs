//! What happened to one key of a cache, and whether reads were allowed to answer as they did.
//!
//! The rule that this checks is G3: once a write or remove has returned, no read that starts later
//! returns an older value. Whoever explores what several tasks do to a cache notes what they do, in
//! the order in which it happens, and asks in the end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hitbox_core::Stamp;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A write or remove has returned, whatever it returned. From now on no older value may be
    /// read.
    Settled {
        /// The lowest stamp that may be read: a write's own, or for a remove, one taken as it began.
        floor: Stamp,
    },
    /// A read begins.
    ReadBegins {
        /// Tells the reads apart that overlap.
        task: usize,
    },
    /// A read has returned.
    ReadReturns {
        /// The one of its beginning.
        task: usize,
        /// The stamp of the value; `None` for a miss or an error.
        found: Option<Stamp>,
    },
}

/// The history of one key. Clones are the same history.
///
/// ```
/// use hitbox_backend::conformance::{Event, History};
/// use hitbox_core::Stamp;
///
/// let history = History::default();
/// let (old, new) = (Stamp::now(), Stamp::now());
/// history.note(Event::ReadBegins { task: 0 });
/// history.note(Event::Settled { floor: new });
/// history.note(Event::ReadReturns { task: 0, found: Some(old) });
/// assert!(history.check().is_ok(), "the read began before the write returned");
///
/// history.note(Event::ReadBegins { task: 0 });
/// history.note(Event::ReadReturns { task: 0, found: Some(old) });
/// assert!(history.check().is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    floor: Stamp,
    /// For each read under way, the floor when it began.
    reads: HashMap<usize, Stamp>,
    last_found: Option<Stamp>,
    violation: Option<String>,
}

impl History {
    /// Adds what has happened last.
    pub fn note(&self, event: Event) {
        self.lock().note(event);
    }

    /// The lowest stamp that a read which begins now may return.
    #[must_use]
    pub fn floor(&self) -> Stamp {
        self.lock().floor
    }

    /// What the last read found.
    #[must_use]
    pub fn last_found(&self) -> Option<Stamp> {
        self.lock().last_found
    }

    /// Whether every read so far was allowed to answer as it did.
    ///
    /// # Errors
    ///
    /// Tells of the first read that was not.
    pub fn check(&self) -> Result<(), String> {
        match &self.lock().violation {
            None => Ok(()),
            Some(violation) => Err(violation.clone()),
        }
    }

    /// All events, to be read by people.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{:#?}", self.lock().events)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock leaves the state half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, event: Event) {
        self.events.push(event);
        match event {
            Event::Settled { floor } => self.floor = self.floor.max(floor),
            Event::ReadBegins { task } => {
                self.reads.insert(task, self.floor);
            }
            Event::ReadReturns { task, found } => {
                // A read that was not seen to begin may return anything.
                let floor = self.reads.remove(&task).unwrap_or(Stamp::ZERO);
                self.last_found = found;
                if let Some(found) = found
                    && found < floor
                    && self.violation.is_none()
                {
                    self.violation = Some(format!(
                        "task {task} read {found}, older than {floor}: {:#?}",
                        self.events
                    ));
                }
            }
        }
    }
}
