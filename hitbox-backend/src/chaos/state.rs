use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use hitbox_core::{BackendLabel, CacheKey};

use super::{
    Chaos, Failure, Fault, FaultKind, Injection, Late,
    course::Course,
    damage::Damage,
    dice::Dice,
    gate::{Gate, Ticket},
    late::LateEffects,
    script::Scripts,
    target::{PerTarget, Target},
};
use crate::BackendErrorKind;

/// What a [`ChaosBackend`](super::ChaosBackend) shares with its handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) label: BackendLabel,
    pub(super) gate: Gate,
    seed: u64,
    settings: PerTarget<Chaos>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) mode: Mode,
    pub(super) scripts: Scripts,
    pub(super) late: LateEffects,
    pub(super) recent: VecDeque<Injection>,
    pub(super) injected: [u64; FaultKind::ALL.len()],
    calls: HashMap<(Target, CacheKey), u64>,
    /// The keys whose stored bytes are damaged until the next write or remove.
    damaged: HashMap<CacheKey, Damage>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Mode {
    #[default]
    Chaotic,
    Calm,
    Failing,
}

/// A fault for one call, and what carrying it out needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    fault: Fault,
    ticket: Ticket,
    dice: u64,
}

/// What the keys of a bulk call meet, in their order.
#[derive(Debug, Default)]
pub(super) struct BulkDraw {
    pub(super) drawn: Vec<Option<Drawn>>,
    /// Whether the connection breaks at the last of them.
    pub(super) breaks_off: bool,
}

impl BulkDraw {
    pub(super) fn is_undisturbed(&self) -> bool {
        self.drawn.iter().all(Option::is_none)
    }
}

/// How a call goes wrong, sorted by who carries that out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    Run(Course),
    Damage(Damage),
    Distort(u64),
    Later(Late),
    Again(Late),
}

impl Drawn {
    pub(super) fn plan(self) -> Plan {
        match self.fault {
            Fault::Delay(delay) => Plan::Run(Course::Delay(delay)),
            Fault::Fail(failure) => Plan::Run(Course::FailBeforeEffect(failure.into())),
            Fault::LoseAnswer => Plan::Run(Course::FailAfterEffect(BackendErrorKind::Timeout)),
            Fault::Hang => Plan::Run(Course::HangBeforeEffect(self.ticket)),
            Fault::HangAfterEffect => Plan::Run(Course::HangAfterEffect(self.ticket)),
            Fault::BreakOff => Plan::Run(Course::FailBeforeEffect(BackendErrorKind::Unavailable)),
            Fault::Late(late) => Plan::Later(late),
            Fault::Repeat(late) => Plan::Again(late),
            Fault::Tear => Plan::Damage(Damage::EndsEarly(self.dice)),
            Fault::Corrupt => Plan::Damage(Damage::BitFlipped(self.dice)),
            Fault::Distort => Plan::Distort(self.dice),
        }
    }
}

impl Shared {
    /// How many of the newest injections are remembered.
    pub(super) const RECENT: usize = 1_024;

    pub(super) fn new(
        label: BackendLabel,
        seed: u64,
        settings: PerTarget<Chaos>,
        scripts: Scripts,
    ) -> Self {
        Self {
            label,
            gate: Gate::new(),
            seed,
            settings,
            state: Mutex::new(State {
                scripts,
                ..State::default()
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what goes wrong with the next call on `key`, and takes note of it.
    pub(super) fn draw(&self, target: Target, key: &CacheKey) -> Option<Drawn> {
        let mut state = self.state();
        let (call, mut dice, fault) = match state.mode {
            // Neither numbered nor scripted: what a test does to prepare does not shift what it
            // will meet.
            Mode::Calm => return None,
            Mode::Failing => {
                let dice = Dice::new(self.seed, target, key, 0);
                (0, dice, Some(Fault::Fail(Failure::Unavailable)))
            }
            Mode::Chaotic => {
                let call = state.number_call(target, key);
                let mut dice = Dice::new(self.seed, target, key, call);
                let fault = match state.scripts.step(target, key) {
                    Some(step) => step,
                    None => self.settings.of(target).draw(&mut dice),
                };
                (call, dice, fault)
            }
        };
        let fault = fault?;
        let operation = target.operation();
        state.note(Injection {
            operation,
            key: key.clone(),
            call,
            fault,
        });
        // Under the lock, as the mode: what was drawn before a switch is let go by a release after
        // it.
        let ticket = self.gate.ticket();
        // A subscriber may ask the handle.
        drop(state);
        tracing::debug!(backend = %self.label, ?operation, %key, call, ?fault, "fault injected");
        Some(Drawn {
            fault,
            ticket,
            dice: dice.roll(),
        })
    }

    /// [Draws](Self::draw) for the keys of a bulk call, up to where it breaks off.
    pub(super) fn draw_many<'k>(
        &self,
        target: Target,
        keys: impl Iterator<Item = &'k CacheKey>,
    ) -> BulkDraw {
        let mut bulk = BulkDraw::default();
        for key in keys {
            let drawn = self.draw(target, key);
            bulk.drawn.push(drawn);
            if drawn.is_some_and(|drawn| drawn.fault == Fault::BreakOff) {
                bulk.breaks_off = true;
                break;
            }
        }
        bulk
    }

    /// Takes note of the state that the stored bytes of `key` are in.
    pub(super) fn note_stored(&self, key: &CacheKey, damage: Option<Damage>) {
        match damage {
            Some(damage) => self.state().damaged.insert(key.clone(), damage),
            None => self.state().damaged.remove(key),
        };
    }

    pub(super) fn damage(&self, key: &CacheKey) -> Option<Damage> {
        self.state().damaged.get(key).copied()
    }
}

impl State {
    /// The number of this call among those on its key, from 1.
    fn number_call(&mut self, target: Target, key: &CacheKey) -> u64 {
        let number = self.calls.entry((target, key.clone())).or_default();
        *number += 1;
        *number
    }

    fn note(&mut self, injection: Injection) {
        if let Some(count) = self.injected.get_mut(injection.fault.kind() as usize) {
            *count += 1;
        }
        if self.recent.len() == Shared::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(injection);
    }
}
