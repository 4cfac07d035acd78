//! Random orders of everything that can happen to the flights of a key, over any store that keeps G1 to G4.
//!
//! A run takes one of the steps that are possible, by chance, until none is left. The store answers a read with nothing
//! or with any value that it was ever given, if that is not older than what had settled when the read began: so
//! evictions, refills, late writes and failing layers are among it. `HITBOX_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking; each place looks for the mistake that concerns it"
)]

use std::collections::BTreeMap;

use fastrand::Rng;
use hitbox_core::Stamp;

use super::{Caller, Coming, FlightId, KeyFlights, Standing, Terms, Turn, accepts};

const RUNS: u64 = 40_000;

/// More than any run takes: one that takes more does not end.
const STEPS: u32 = 10_000;

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// Who comes joins whatever is under way.
    JoinsByKeyAlone,
    /// Who has joined takes what comes.
    HandsOutToWhoeverJoined,
    /// A flight's stamp is made when its work ends.
    StampsAtTheEnd,
    /// A flight's stamp is made before it is at the table.
    StampsBeforeTheTable,
    /// A caller accepts only what began after he came.
    AcceptsOnlyWhatBeganLater,
    /// A caller's stamp is made anew when he comes again.
    ForgetsWhenHeCame,
    /// An outcome that is being stored is handed out as it is.
    HandsOnAnEndedFlightUnjudged,
    /// A flight that begins counts as none that runs.
    RunsAnyNumber,
    /// What all have left before it could begin is begun all the same.
    BeginsWhatNobodyWaitsFor,
}

const MISTAKES: [Mistake; 9] = [
    Mistake::JoinsByKeyAlone,
    Mistake::HandsOutToWhoeverJoined,
    Mistake::StampsAtTheEnd,
    Mistake::StampsBeforeTheTable,
    Mistake::AcceptsOnlyWhatBeganLater,
    Mistake::ForgetsWhenHeCame,
    Mistake::HandsOnAnEndedFlightUnjudged,
    Mistake::RunsAnyNumber,
    Mistake::BeginsWhatNobodyWaitsFor,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Value,
    Failure,
}

/// What a caller does.
#[derive(Debug)]
enum At {
    Start,
    Reading { trusted: u64 },
    ToCome,
    Waiting { flight: FlightId },
    Gone,
}

#[derive(Debug)]
struct Person {
    at: At,
    terms: Terms,
    /// What had been invalidated when his call began: he must not be given it.
    invalidated: u64,
    came: Option<u64>,
    refused: Option<FlightId>,
    waits: u32,
}

#[derive(Debug)]
enum Load {
    Waiting,
    Running,
    Filling,
    Settled,
}

#[derive(Debug)]
struct Flight {
    load: Load,
    /// What it says of its outcome.
    began: Option<u64>,
    /// When the loader was called.
    called: u64,
    outcome: Option<Outcome>,
    fills_late: bool,
    /// Its leader does not wait for it.
    kept: bool,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    created: u64,
    /// How old its data are in truth.
    data: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Remove,
    Insert,
    Expire,
    /// Of something that is only known of a value when its load has ended.
    RemoveTag,
}

#[derive(Debug)]
struct Invalidation {
    kind: Kind,
    stamp: Option<u64>,
    returned: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Person(usize),
    Leaves(usize),
    Flight(FlightId),
    SettlesEarly(FlightId),
    Invalidation(usize),
}

struct World {
    mistake: Mistake,
    clock: u64,
    table: KeyFlights<FlightId>,
    ids: FlightId,
    people: Vec<Person>,
    flights: BTreeMap<FlightId, Flight>,
    invalidations: Vec<Invalidation>,
    /// The newest stamps that are known.
    hard: u64,
    soft: u64,
    tag: u64,
    /// What reads that begin now must not return.
    settled: u64,
    stored: Vec<Value>,
    loads: u32,
    log: Vec<String>,
}

fn stamp(number: u64) -> Stamp {
    Stamp::from_micros(number)
}

impl World {
    fn new(rng: &mut Rng, mistake: Mistake) -> Self {
        let person = |terms| Person {
            at: At::Start,
            terms,
            invalidated: 0,
            came: None,
            refused: None,
            waits: 0,
        };
        let people = (0..rng.usize(1..10)).map(|_| {
            person(if rng.u8(0..8) == 0 {
                Terms::BegunLater
            } else {
                Terms::Valid
            })
        });
        let people = people.collect();
        let invalidations = (0..rng.usize(0..12)).map(|_| Invalidation {
            kind: match rng.u8(0..4) {
                0 => Kind::Remove,
                1 => Kind::Insert,
                2 => Kind::Expire,
                _ => Kind::RemoveTag,
            },
            stamp: None,
            returned: false,
        });
        Self {
            mistake,
            clock: 10,
            table: KeyFlights::default(),
            ids: FlightId::default(),
            people,
            flights: BTreeMap::new(),
            invalidations: invalidations.collect(),
            hard: 0,
            soft: 0,
            tag: 0,
            settled: 0,
            stored: Vec::new(),
            loads: 0,
            log: Vec::new(),
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The newest stamp that covers the key, whatever its values are.
    fn invalidated(&self) -> u64 {
        self.hard.max(self.soft)
    }

    /// The steps that are possible.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, person) in self.people.iter().enumerate() {
            match person.at {
                At::Start | At::Reading { .. } | At::ToCome => steps.push(Step::Person(index)),
                At::Waiting { flight } => {
                    if self.flights[&flight].outcome.is_some() || self.must_refuse(person, flight) {
                        steps.push(Step::Person(index));
                    }
                    steps.push(Step::Leaves(index));
                }
                At::Gone => {}
            }
        }
        for (id, flight) in &self.flights {
            match flight.load {
                Load::Waiting | Load::Running => steps.push(Step::Flight(*id)),
                Load::Filling => {
                    steps.push(Step::Flight(*id));
                    if !flight.fills_late {
                        steps.push(Step::SettlesEarly(*id));
                    }
                }
                Load::Settled => {}
            }
        }
        let invalidations = self.invalidations.iter().enumerate();
        let open = invalidations.filter(|(_, invalidation)| !invalidation.returned);
        steps.extend(open.map(|(index, _)| Step::Invalidation(index)));
        steps
    }

    fn must_refuse(&self, person: &Person, flight: FlightId) -> bool {
        let flight = &self.flights[&flight];
        let (Some(came), Some(began)) = (person.came, flight.began) else {
            return false;
        };
        let covered = match flight.outcome {
            Some(Outcome::Value) => self.invalidated().max(self.tag),
            Some(Outcome::Failure) | None => self.invalidated(),
        };
        match self.mistake {
            Mistake::HandsOutToWhoeverJoined => false,
            Mistake::AcceptsOnlyWhatBeganLater => began <= came,
            _ => {
                let began = stamp(began);
                !accepts(stamp(came), began, began, || stamp(covered))
            }
        }
    }

    fn step(&mut self, step: Step, rng: &mut Rng) -> Result<(), String> {
        self.log.push(format!("{step:?}"));
        match step {
            Step::Person(index) => self.person(index, rng),
            Step::Leaves(index) => {
                if let At::Waiting { flight } = self.people[index].at {
                    self.table.leave(flight);
                    self.abandon();
                }
                self.people[index].at = At::Gone;
                Ok(())
            }
            Step::Flight(id) => self.flight(id, rng),
            Step::SettlesEarly(id) => {
                self.table.settle(id);
                self.fly(id).fills_late = true;
                Ok(())
            }
            Step::Invalidation(index) => {
                self.invalidate(index);
                Ok(())
            }
        }
    }

    fn fly(&mut self, id: FlightId) -> &mut Flight {
        self.flights.get_mut(&id).unwrap()
    }

    fn person(&mut self, index: usize, rng: &mut Rng) -> Result<(), String> {
        match self.people[index].at {
            At::Start => {
                self.people[index].invalidated = self.returned();
                // A refresh does not look.
                self.people[index].at = match self.people[index].terms {
                    Terms::Valid => At::Reading {
                        trusted: self.settled,
                    },
                    Terms::BegunLater => At::ToCome,
                };
                Ok(())
            }
            At::Reading { trusted } => {
                let stored = self.stored.iter().copied();
                let readable: Vec<Value> = stored.filter(|value| value.created > trusted).collect();
                let found = rng.choice(&readable).copied();
                let covered = self.soft.max(self.tag);
                match found.filter(|value| rng.bool() && value.created > covered) {
                    Some(value) => self.is_given(index, value.data),
                    None => {
                        self.people[index].at = At::ToCome;
                        Ok(())
                    }
                }
            }
            At::ToCome => self.come(index, rng),
            At::Waiting { flight } => {
                self.table.leave(flight);
                self.abandon();
                let refuses = self.must_refuse(&self.people[index], flight);
                match self.flights[&flight].outcome {
                    Some(outcome) if !refuses => match outcome {
                        Outcome::Value => self.is_given(index, self.flights[&flight].called),
                        Outcome::Failure => {
                            self.people[index].at = At::Gone;
                            Ok(())
                        }
                    },
                    Some(_) | None => {
                        let person = &mut self.people[index];
                        person.refused = Some(flight);
                        person.at = At::ToCome;
                        Ok(())
                    }
                }
            }
            At::Gone => unreachable!(),
        }
    }

    fn come(&mut self, index: usize, rng: &mut Rng) -> Result<(), String> {
        let now = self.tick();
        let person = &mut self.people[index];
        if self.mistake == Mistake::ForgetsWhenHeCame {
            person.came = None;
        }
        let came = *person.came.get_or_insert(now);
        let caller = Caller {
            came: stamp(came),
            terms: person.terms,
            refused: person.refused,
        };
        let invalidated = match self.mistake {
            Mistake::JoinsByKeyAlone => 0,
            _ => self.hard.max(self.soft),
        };
        let ids = &mut self.ids;
        let coming = self.table.come(caller, stamp(invalidated), || {
            let id = ids.take_next();
            (id, id)
        });
        self.abandon();
        let flight = match coming {
            Coming::Lead(id) => {
                let began = (self.mistake == Mistake::StampsBeforeTheTable).then(|| came - 1);
                let flight = Flight {
                    load: Load::Waiting,
                    began,
                    called: 0,
                    outcome: None,
                    fills_late: false,
                    kept: rng.u8(0..8) == 0,
                };
                if flight.kept || self.mistake == Mistake::BeginsWhatNobodyWaitsFor {
                    self.table.keep(id);
                }
                let goes = flight.kept;
                self.flights.insert(id, flight);
                if goes {
                    self.table.leave(id);
                    self.people[index].at = At::Gone;
                    return Ok(());
                }
                id
            }
            Coming::Join(id) => id,
            Coming::Judge(id) => {
                let began = self.flights[&id].began.unwrap();
                let is_trusted = began > self.invalidated().max(self.tag);
                if is_trusted || self.mistake == Mistake::HandsOnAnEndedFlightUnjudged {
                    return self.is_given(index, self.flights[&id].called);
                }
                self.people[index].refused = Some(id);
                return Ok(());
            }
        };
        let person = &mut self.people[index];
        person.at = At::Waiting { flight };
        person.waits += 1;
        if person.waits > 2 {
            return Err(format!("caller {index} waits for a third flight"));
        }
        Ok(())
    }

    fn abandon(&mut self) {
        let abandoned: Vec<_> = self.table.abandoned().copied().collect();
        for id in abandoned {
            // One that has not begun is told when it asks whether it may.
            if matches!(self.flights[&id].load, Load::Running) {
                self.drop_work(id);
            }
        }
    }

    fn drop_work(&mut self, id: FlightId) {
        self.table.end(id, Standing::ForWaitersOnly);
        self.fly(id).load = Load::Settled;
    }

    fn flight(&mut self, id: FlightId, rng: &mut Rng) -> Result<(), String> {
        match self.flights[&id].load {
            Load::Waiting => self.begin(id),
            Load::Running => {
                let outcome = if rng.u8(0..4) == 0 {
                    Outcome::Failure
                } else {
                    Outcome::Value
                };
                if self.mistake == Mistake::StampsAtTheEnd {
                    let now = self.tick();
                    self.fly(id).began = Some(now);
                }
                let (load, standing) = match outcome {
                    Outcome::Value => (Load::Filling, Standing::UntilFilled),
                    Outcome::Failure => (Load::Settled, Standing::ForWaitersOnly),
                };
                self.table.end(id, standing);
                let flight = self.fly(id);
                flight.outcome = Some(outcome);
                flight.load = load;
                Ok(())
            }
            Load::Filling => {
                let began = self.flights[&id].began.unwrap();
                if began > self.hard {
                    let data = self.flights[&id].called;
                    self.stored.push(Value {
                        created: began,
                        data,
                    });
                }
                self.table.settle(id);
                self.fly(id).load = Load::Settled;
                Ok(())
            }
            Load::Settled => unreachable!(),
        }
    }

    fn begin(&mut self, id: FlightId) -> Result<(), String> {
        match self.table.turn(id) {
            Turn::Come | Turn::Abandoned => {}
            Turn::NotYet(_) if self.mistake == Mistake::RunsAnyNumber => {}
            Turn::NotYet(_) => return Ok(()),
        }
        let now = self.clock + 1;
        if self.table.begin(id, || stamp(now)).is_none() {
            self.drop_work(id);
            return Ok(());
        }
        let is_waited_for =
            |person: &Person| matches!(person.at, At::Waiting { flight } if flight == id);
        if !self.flights[&id].kept && !self.people.iter().any(is_waited_for) {
            return Err(String::from("a load begins that nobody waits for"));
        }
        self.clock = now;
        let flight = self.fly(id);
        flight.began.get_or_insert(now);
        flight.called = now;
        flight.load = Load::Running;
        self.loads += 1;
        let running = self.flights.values();
        let running = running.filter(|flight| matches!(flight.load, Load::Running));
        if running.count() > 2 {
            return Err(String::from("three loads run"));
        }
        Ok(())
    }

    fn invalidate(&mut self, index: usize) {
        let kind = self.invalidations[index].kind;
        let Some(recorded) = self.invalidations[index].stamp else {
            let now = self.tick();
            self.invalidations[index].stamp = Some(now);
            match kind {
                Kind::Remove => self.hard = self.hard.max(now),
                Kind::Insert => {
                    self.hard = self.hard.max(now - 1);
                    self.stored.push(Value {
                        created: now,
                        data: now,
                    });
                }
                Kind::Expire => self.soft = self.soft.max(now),
                Kind::RemoveTag => self.tag = self.tag.max(now),
            }
            return;
        };
        self.invalidations[index].returned = true;
        match kind {
            Kind::Remove => self.settled = self.settled.max(recorded),
            Kind::Insert => self.settled = self.settled.max(recorded - 1),
            Kind::Expire | Kind::RemoveTag => {}
        }
    }

    /// The newest stamp whose invalidation has returned.
    fn returned(&self) -> u64 {
        let returned = self.invalidations.iter().filter(|one| one.returned);
        let stamps = returned.filter_map(|one| match one.kind {
            Kind::Remove | Kind::Expire | Kind::RemoveTag => one.stamp,
            Kind::Insert => one.stamp.map(|stamp| stamp - 1),
        });
        stamps.max().unwrap_or(0)
    }

    /// G11.
    fn is_given(&mut self, index: usize, data: u64) -> Result<(), String> {
        let person = &mut self.people[index];
        person.at = At::Gone;
        if data > person.invalidated {
            return Ok(());
        }
        let invalidated = person.invalidated;
        Err(format!(
            "caller {index} is given what began at {data}; {invalidated} had returned when he called"
        ))
    }

    fn run(&mut self, rng: &mut Rng) -> Result<(), String> {
        for _ in 0..STEPS {
            let steps = self.steps();
            let Some(step) = rng.choice(&steps).copied() else {
                return if self.table.is_empty() {
                    Ok(())
                } else {
                    Err(format!("left at the table: {:?}", self.table))
                };
            };
            self.step(step, rng)?;
        }
        Err(String::from("it does not end"))
    }
}

/// Runs until a rule is broken; the runs that it took.
fn violation(first: u64, runs: u64, mistake: Mistake) -> Option<(u64, String)> {
    (first..first.saturating_add(runs)).find_map(|seed| {
        let mut rng = Rng::with_seed(seed);
        let mut world = World::new(&mut rng, mistake);
        let error = world.run(&mut rng).err()?;
        Some((seed, format!("{error}\n{}", world.log.join("\n"))))
    })
}

fn first_seed() -> u64 {
    let seed = match std::env::var("HITBOX_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => fastrand::u64(..1 << 60),
    };
    println!("HITBOX_SEED={seed}");
    seed
}

#[test]
fn nobody_gets_what_was_before_or_waits_for_a_third_flight() {
    let found = violation(first_seed(), RUNS, Mistake::None);
    if let Some((seed, violation)) = found {
        panic!("replay with HITBOX_SEED={seed}: {violation}");
    }
}

#[test]
fn each_rule_is_needed() {
    let seed = first_seed();
    for mistake in MISTAKES {
        let found = violation(seed, 10 * RUNS, mistake);
        let (at, violation) = found.unwrap_or_else(|| panic!("{mistake:?} is not found"));
        let says = violation.lines().next().unwrap();
        println!("{mistake:?} after {} runs: {says}", at - seed + 1);
    }
}
