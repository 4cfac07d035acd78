//! A history: what happens, in the order of virtual time.

use fastrand::Rng;

use super::{
    call::{Call, Doing},
    events::{Event, Events},
    judge::Verdicts,
    mistake::{Mistake, Promise},
    process::Process,
    scene::{MILLI, Micros, SECOND, Scene, Size},
    server::{Command, Reply, Server},
};

pub(super) struct History {
    pub(super) scene: Scene,
    pub(super) mistake: Option<Mistake>,
    pub(super) random: Rng,
    pub(super) now: Micros,
    pub(super) events: Events,
    pub(super) processes: Vec<Process>,
    pub(super) server: Server,
    pub(super) calls: Calls,
    pub(super) verdicts: Verdicts,
    pub(super) happened: u64,
}

/// The calls that have not ended.
#[derive(Default)]
pub(super) struct Calls {
    all: Vec<Option<Call>>,
    free: Vec<usize>,
}

impl Calls {
    pub(super) fn begin(&mut self, call: Call) -> usize {
        match self.free.pop() {
            Some(id) => {
                self.all[id] = Some(call);
                id
            }
            None => {
                self.all.push(Some(call));
                self.all.len() - 1
            }
        }
    }

    pub(super) fn end(&mut self, id: usize) -> Option<Call> {
        self.free.push(id);
        self.all[id].take()
    }

    pub(super) fn get(&mut self, id: usize) -> Option<&mut Call> {
        self.all.get_mut(id)?.as_mut()
    }
}

impl History {
    pub(super) fn new(seed: u64, size: Size, mistake: Option<Mistake>) -> Self {
        let mut random = Rng::with_seed(seed);
        let scene = Scene::draw(&mut random, size);
        let clocks: Vec<i64> = scene.kinds.iter().map(|_| random.i64(0..1 << 50)).collect();
        let processes = scene.kinds.iter().zip(clocks);
        let processes: Vec<_> = processes
            .map(|(kind, clock)| Process::new(&scene, *kind, clock))
            .collect();
        let mut events = Events::default();
        for (process, one) in processes.iter().enumerate() {
            events.at(random.u64(..scene.pause), Event::Call { process });
            for level in 0..one.levels.len() {
                events.at(random.u64(..5 * MILLI), Event::Asks { process, level });
            }
        }
        events.at(random.u64(..scene.fault_every), Event::Fault);
        Self {
            server: Server::new(scene.keys, scene.log, mistake),
            processes,
            events,
            random,
            now: 0,
            mistake,
            calls: Calls::default(),
            verdicts: Verdicts::default(),
            happened: 0,
            scene,
        }
    }

    /// Goes on to the end, or to the first violation if that is `enough`.
    pub(super) fn run(mut self, enough: Enough) -> (Verdicts, u64) {
        while let Some((time, event)) = self.events.next() {
            if time > self.scene.lasts || enough.is_shown_by(&self.verdicts) {
                break;
            }
            self.now = time;
            self.happened += 1;
            let paused_until = self
                .process_of(&event)
                .map_or(0, |process| self.processes[process].paused_until);
            if paused_until > time {
                self.events.at(paused_until, event);
            } else {
                self.happens(event);
            }
        }
        (self.verdicts, self.happened)
    }

    /// Who has to run for it.
    fn process_of(&mut self, event: &Event) -> Option<usize> {
        match event {
            Event::Call { process }
            | Event::Repair { process, .. }
            | Event::LooksForNews { process, .. }
            | Event::Asks { process, .. }
            | Event::Answered { process, .. } => Some(*process),
            Event::Replied { call, .. } | Event::Loaded { call } => {
                self.calls.get(*call).map(|call| call.process)
            }
            Event::Arrives { .. } | Event::Late { .. } | Event::Asked { .. } | Event::Fault => None,
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Call { process } => self.call(process),
            Event::Arrives { call, command } => self.arrives(call, command),
            Event::Replied { call, reply } => self.replied(call, reply),
            Event::Loaded { call } => self.loaded(call),
            Event::Late {
                process,
                key,
                command,
            } => {
                let origin = self.processes[process].kind.origin;
                self.server.execute(key, command, origin, self.now);
            }
            Event::Repair { process, key } => self.repair(process, key),
            Event::LooksForNews {
                process,
                level,
                key,
            } => {
                self.processes[process].levels[level].look_for_news(key);
            }
            Event::Asks { process, level } => self.asks(process, level),
            Event::Asked {
                process,
                level,
                asked,
                cuts,
            } => self.asked(process, level, asked, cuts),
            Event::Answered {
                process,
                level,
                asked,
                heard,
                cuts,
            } => self.answered(process, level, asked, &heard, cuts),
            Event::Fault => self.fault(),
        }
    }

    /// How long a message is under way: mostly not long.
    pub(super) fn delay(&mut self) -> Micros {
        match self.random.u8(..100) {
            0 => self.random.u64(..400 * MILLI),
            1..=3 => self.random.u64(..40 * MILLI),
            _ => self.random.u64(50..500),
        }
    }

    fn call(&mut self, process: usize) {
        let pause = self.scene.pause;
        self.events.at(
            self.now + self.random.u64(1..=2 * pause),
            Event::Call { process },
        );
        // The lower ones more often.
        let key = self
            .random
            .usize(..self.scene.keys)
            .min(self.random.usize(..self.scene.keys));
        if self.random.u8(..100) >= self.scene.changes {
            self.read(process, key);
        } else if self.random.u8(..100) < 70 {
            let version = self.server.truth.loaded(key);
            self.change(process, key, Command::Write(version), Some(version));
        } else {
            self.change(process, key, Command::Remove, None);
        }
    }

    pub(super) fn begin(&mut self, process: usize, key: usize, doing: Doing) -> usize {
        let one = &self.processes[process];
        let call = Call {
            process,
            key,
            seen: one.tick(self.now),
            changes: one.keys[key].changes,
            news: one.news_of(key),
            cuts: one.cuts,
            doing,
        };
        self.calls.begin(call)
    }

    pub(super) fn send(&mut self, call: usize, command: Command) {
        let (now, delay) = (self.now, self.delay());
        let Some(own) = self.calls.get(call) else {
            return;
        };
        let process = &self.processes[own.process];
        own.cuts = process.cuts;
        own.seen = process.tick(now);
        let arrives = (now + delay).max(process.hangs_until);
        self.events.at(arrives, Event::Arrives { call, command });
    }

    fn arrives(&mut self, id: usize, command: Command) {
        let Some(&mut Call {
            process, key, cuts, ..
        }) = self.calls.get(id)
        else {
            return;
        };
        let one = &self.processes[process];
        let reply = if one.cuts == cuts {
            Some(self.server.execute(key, command, one.kind.origin, self.now))
        } else {
            if self.random.bool() {
                let later = self.now + self.random.u64(..SECOND);
                self.events.at(
                    later,
                    Event::Late {
                        process,
                        key,
                        command,
                    },
                );
            }
            None
        };
        let comes = (self.now + self.delay()).max(self.processes[process].hangs_until);
        self.events.at(comes, Event::Replied { call: id, reply });
    }

    fn replied(&mut self, id: usize, reply: Option<Reply>) {
        let Some(call) = self.calls.end(id) else {
            return;
        };
        let reply = reply.filter(|_| self.processes[call.process].cuts == call.cuts);
        match call.doing {
            Doing::Read { .. } => self.read_replied(id, call, reply),
            Doing::Change { .. } | Doing::Repair => self.change_replied(&call, reply),
            Doing::Lease { .. } | Doing::Fill { .. } => self.load_replied(&call, reply),
        }
    }

    fn fault(&mut self) {
        let again = self.now + self.random.u64(1..=2 * self.scene.fault_every);
        self.events.at(again, Event::Fault);
        let one = self.random.usize(..self.processes.len());
        let until = self.now + self.random.u64(..1_500 * MILLI);
        let process = &mut self.processes[one];
        let level = self.random.usize(..process.levels.len());
        match self.random.u8(..100) {
            0..20 => process.cuts += 1,
            20..35 => process.hangs_until = until,
            35..55 => process.levels[level].cuts += 1,
            55..75 => process.levels[level].hangs_until = until,
            75..85 => process.paused_until = self.now + self.random.u64(..600 * MILLI),
            85..92 => self.server.lose_log(),
            _ => self.server.evict(self.random.usize(..self.scene.keys)),
        }
    }
}

/// When a history has shown enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    AtItsEnd,
    OnceBroken(Promise),
}

impl Enough {
    fn is_shown_by(self, verdicts: &Verdicts) -> bool {
        match self {
            Self::AtItsEnd => false,
            Self::OnceBroken(promise) => verdicts.violations_of(promise) > 0,
        }
    }
}
