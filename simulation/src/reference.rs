//! The reference model: what answers are allowed.
//!
//! It does not predict answers, since with failures and overlapping calls there are several that are
//! right. It knows what has been written and what has returned, and judges each answer when it is
//! given.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use hitbox_backend::{
    BackendErrorKind, BackendResult, CompositionLayer, DeleteStatus, KnownOutcome,
    conformance::{Event, History},
};
use hitbox_core::{BoxContext, CacheStatus, CacheValue, ResponseSource, Stamp, clock};
use hitbox_scenarios::WriteKind;

use super::{
    data::{Data, text_of},
    place::{Place, label_of},
    setting::Setting,
    step::Age,
    world::Tally,
};

/// A rule was broken; the text says which, and how.
pub(super) type Violation = String;

pub(super) struct Reference {
    setting: Setting,
    places: Vec<Place>,
    keys: Vec<KeyReference>,
    /// Stamps of loads that have begun, and of which nothing has been written yet, each with the
    /// call that began at the same time.
    loads: Vec<(usize, Stamp)>,
    /// The latest that the wall clock has shown.
    latest: DateTime<Utc>,
    pub(super) reads_checked: u64,
}

#[derive(Default)]
struct KeyReference {
    history: History,
    written: HashMap<Stamp, Written>,
    /// What has been written, in the order of the calls.
    order: Vec<Stamp>,
}

struct Written {
    value: CacheValue<Data>,
    /// Calls that wrote it.
    calls: usize,
}

impl Reference {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            setting,
            places: Place::all(setting.nested_layer()),
            keys: (0..setting.keys).map(|_| KeyReference::default()).collect(),
            loads: Vec::new(),
            latest: clock::now(),
            reads_checked: 0,
        }
    }

    pub(super) fn floor(&self, key: usize) -> Stamp {
        self.keys[key].history.floor()
    }

    pub(super) fn last_found(&self, key: usize) -> Option<Stamp> {
        self.keys[key].history.last_found()
    }

    pub(super) fn last_written(&self, key: usize) -> Option<Stamp> {
        self.keys[key].order.last().copied()
    }

    /// To be called before the wall clock is set back.
    pub(super) fn note_the_time(&mut self) {
        self.latest = self.latest.max(clock::now());
    }

    /// When the next of the written values expires.
    pub(super) fn next_expiry(&self) -> Option<DateTime<Utc>> {
        let written = self.keys.iter().flat_map(|key| key.written.values());
        let expiries = written.filter_map(|written| written.value.expire());
        expiries.filter(|expire| *expire > clock::now()).min()
    }
}

/// Writes and removes.
impl Reference {
    /// A load begins, of which something may be written later.
    pub(super) fn load_begins(&mut self, call: usize) {
        /// Loads that take longer are given up.
        const PENDING: usize = 8;
        if self.loads.len() == PENDING {
            self.loads.remove(0);
        }
        self.loads.push((call, Stamp::now()));
    }

    /// The value to write: `new`, with the age that is asked for. Also says how old it is.
    pub(super) fn write_begins(
        &mut self,
        key: usize,
        new: CacheValue<Data>,
        age: Age,
    ) -> (CacheValue<Data>, String) {
        let reference = &mut self.keys[key];
        let mut told = String::from("loaded now");
        let value = match age {
            Age::Loaded { pick } if !self.loads.is_empty() => {
                // Each stamp is used once: two values of one stamp would be the same value.
                let at = pick % self.loads.len();
                let (call, stamp) = self.loads.remove(at);
                told = format!("loaded when call {call} began");
                new.created_at(stamp)
            }
            Age::Again { pick } if !reference.order.is_empty() => {
                let stamp = reference.order[pick % reference.order.len()];
                told = String::from("written before");
                reference.written[&stamp].value.clone()
            }
            Age::New | Age::Loaded { .. } | Age::Again { .. } => new,
        };
        let stamp = value.created();
        reference
            .written
            .entry(stamp)
            .or_insert_with(|| {
                reference.order.push(stamp);
                Written {
                    value: value.clone(),
                    calls: 0,
                }
            })
            .calls += 1;
        (value, told)
    }

    pub(super) fn write_returns(
        &mut self,
        key: usize,
        stamp: Stamp,
        outcome: &BackendResult<()>,
        layers: [Tally; 2],
    ) -> Result<(), Violation> {
        let too_large = matches!(outcome, Err(error) if error.kind() == BackendErrorKind::TooLarge);
        let reference = &self.keys[key];
        if too_large {
            // The key is absent then: not even the value itself may be read.
            let floor = Stamp::from_micros(stamp.as_micros() + 1);
            reference.history.note(Event::Settled { floor });
        } else if !self.setting.forgets_writes() {
            reference.history.note(Event::Settled { floor: stamp });
        }
        let [l1, l2] = layers.map(|layer| layer.failed_last);
        let fails = match self.setting.outer.policies.write {
            WriteKind::Sequential | WriteKind::Strict => l1 || l2,
            WriteKind::OptimisticParallel | WriteKind::Race => l1 && l2,
        };
        if reference.written[&stamp].calls > 1 || self.setting.forgets_writes() {
            // Whose failures these were is not known; or it may have been done as a remove.
            return Ok(());
        }
        match outcome {
            Ok(()) if fails => Err(format!(
                "the write of k{key} is Ok, with failures {layers:?}"
            )),
            Err(error) if !fails => Err(format!(
                "the write of k{key} failed, with answers {layers:?}: {error}"
            )),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn remove_returns(
        &mut self,
        key: usize,
        began: Stamp,
        outcome: &BackendResult<DeleteStatus>,
        layers: [Tally; 2],
    ) -> Result<(), Violation> {
        let history = &self.keys[key].history;
        history.note(Event::Settled { floor: began });
        let fails = layers.map(|layer| layer.failed > 0);
        match outcome {
            Ok(_) if fails.contains(&true) => Err(format!(
                "the remove of k{key} is Ok, with failures {layers:?}"
            )),
            Ok(DeleteStatus::Deleted(count)) if *count > self.places_that_took(layers) => {
                Err(format!("the remove of k{key} counts {count} of {layers:?}"))
            }
            Err(error) if !error.layer().is_some_and(|layer| fails[layer as usize]) => {
                Err(format!(
                    "the remove of k{key} blames {:?}, with answers {layers:?}: {error}",
                    error.layer()
                ))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A nested composition counts its own layers.
    fn places_that_took(&self, layers: [Tally; 2]) -> u32 {
        let places = |layer: CompositionLayer| match self.setting.nested_layer() == Some(layer) {
            true => 2,
            false => 1,
        };
        let took = |layer: CompositionLayer| layers[layer as usize].took * places(layer);
        CompositionLayer::BOTH.into_iter().map(took).sum()
    }
}

/// Reads.
impl Reference {
    pub(super) fn read_begins(&self, key: usize, task: usize) {
        self.keys[key].history.note(Event::ReadBegins { task });
    }

    pub(super) fn read_returns(
        &mut self,
        key: usize,
        task: usize,
        outcome: &KnownOutcome<String>,
        context: &BoxContext,
        layers: [Tally; 2],
    ) -> Result<(), Violation> {
        self.reads_checked += 1;
        let found = match outcome {
            Ok(found) => found.as_ref(),
            Err(_) if layers.iter().all(|layer| layer.failed > 0) => None,
            Err(error) => {
                return Err(format!(
                    "the read of k{key} failed, with answers {layers:?}: {error}"
                ));
            }
        };
        let history = &self.keys[key].history;
        let floor = history.floor();
        let found_stamp = found.map(CacheValue::created);
        history.note(Event::ReadReturns {
            task,
            found: found_stamp,
        });
        history.check().map_err(|_| {
            let name = found.map(|value| text_of(value.data()));
            let settled = match self.keys[key].written.get(&floor) {
                Some(written) => text_of(written.value.data()),
                None => "a remove",
            };
            format!("the read of k{key} returned {name:?}, older than what had settled when it began, {settled} at the latest")
        })?;
        let Some(value) = found else {
            return match context.status() {
                CacheStatus::Miss => Ok(()),
                status @ (CacheStatus::Hit | CacheStatus::Stale) => Err(format!(
                    "the read of k{key} found nothing and says {status}"
                )),
            };
        };
        if value.is_expired() {
            return Err(format!(
                "the read of k{key} returned {}, which has expired",
                text_of(value.data())
            ));
        }
        let expected = match value.is_stale() {
            true => CacheStatus::Stale,
            false => CacheStatus::Hit,
        };
        if context.status() != expected {
            let status = context.status();
            return Err(format!("the read of k{key} says {status}, not {expected}"));
        }
        let place = self
            .place_of(context.source())
            .ok_or_else(|| format!("the read of k{key} came from {}", context.source()))?;
        self.check_held(key, place, text_of(value.data()), value)
    }

    /// A value that a store holds, or that was read from it, must be one that was written there. `name`: what its
    /// data say.
    pub(super) fn check_held<T>(
        &self,
        key: usize,
        place: Place,
        name: &str,
        value: &CacheValue<T>,
    ) -> Result<(), Violation> {
        let wrong = |what: &str| Err(format!("k{key} in {place} is {name}, {what}"));
        let Some(Written { value: written, .. }) = self.keys[key].written.get(&value.created())
        else {
            return wrong("which nobody has written to that key");
        };
        if name != text_of(written.data()) {
            return wrong("with other data than were written");
        }
        if value.stale() != written.stale() {
            return wrong("with another stale time than was written");
        }
        if self.may_expire(place, value.expire(), written.expire()) {
            Ok(())
        } else {
            wrong("with another expiry than was written, or than L1 may keep it")
        }
    }

    fn may_expire(
        &self,
        place: Place,
        expire: Option<DateTime<Utc>>,
        written: Option<DateTime<Utc>>,
    ) -> bool {
        let Place { outer, inner } = place;
        let of_nested = self.setting.nested.map(|nested| nested.rules);
        let inner_cap = inner.and_then(|inner| of_nested?.cap(inner));
        let caps = [self.setting.outer.cap(outer), inner_cap];
        // A copy that a nested composition has capped may come to any other place, and is capped there.
        let is_capped = caps.iter().any(Option::is_some);
        if !is_capped && of_nested.is_none_or(|rules| rules.l1_ttl.is_none()) {
            return expire == written;
        }
        if !is_capped && expire == written {
            return true;
        }
        let Some(expire) = expire else {
            return false;
        };
        // Capped when it was stored: not later than now, but the clock may have been set back since.
        let stored_by = self.latest.max(clock::now());
        let within = |cap: &Duration| expire <= stored_by + *cap;
        caps.iter().flatten().all(within) && written.is_none_or(|written| expire <= written)
    }

    fn place_of(&self, source: &ResponseSource) -> Option<Place> {
        let ResponseSource::Backend(label) = source else {
            return None;
        };
        let label_at = |place: &Place| {
            let outer = label_of(place.outer);
            match place.inner {
                None => format!("composition.{outer}"),
                Some(inner) => format!("composition.{outer}.{}", label_of(inner)),
            }
        };
        self.places
            .iter()
            .find(|place| label_at(place) == label.as_str())
            .copied()
    }
}
