//! What happened in a run, and whether it was allowed.

use std::sync::{Arc, Mutex};

use hitbox_core::Stamp;

/// What a task does, in the order in which things happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A write or remove has returned, whatever it returned. From now on no older value may be
    /// read: nothing created at or before this stamp, unless it is the written value itself.
    Settled { floor: Stamp },
    /// A read begins.
    ReadBegins { task: usize },
    /// A read has returned a value with this stamp, or a miss.
    ReadReturns { task: usize, found: Option<Stamp> },
}

#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    pub(crate) fn note(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    /// The lowest stamp that a read which begins now may return.
    pub(crate) fn floor(&self) -> Stamp {
        Self::floor_of(&self.0.lock().unwrap())
    }

    fn floor_of(events: &[Event]) -> Stamp {
        let floors = events.iter().filter_map(|event| match event {
            Event::Settled { floor, .. } => Some(*floor),
            Event::ReadBegins { .. } | Event::ReadReturns { .. } => None,
        });
        floors.max().unwrap_or(Stamp::ZERO)
    }

    /// G3: no read returns a value older than what had settled when it began.
    pub(crate) fn check(&self) -> Result<(), String> {
        let events = self.0.lock().unwrap();
        for (at, event) in events.iter().enumerate() {
            let Event::ReadReturns {
                task,
                found: Some(found),
            } = event
            else {
                continue;
            };
            let began = events[..at]
                .iter()
                .rposition(
                    |event| matches!(event, Event::ReadBegins { task: other } if other == task),
                )
                .expect("a read begins before it returns");
            let floor = Self::floor_of(&events[..began]);
            if *found < floor {
                return Err(format!(
                    "task {task} read {found}, older than {floor}: {events:#?}"
                ));
            }
        }
        Ok(())
    }
}

impl History {
    /// What the last read found.
    pub(crate) fn last_found(&self) -> Option<Stamp> {
        let events = self.0.lock().unwrap();
        events.iter().rev().find_map(|event| match event {
            Event::ReadReturns { found, .. } => Some(*found),
            Event::Settled { .. } | Event::ReadBegins { .. } => None,
        })?
    }

    pub(crate) fn to_text(&self) -> String {
        format!("{:#?}", self.0.lock().unwrap())
    }
}
