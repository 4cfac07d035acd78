//! Reads: by L1s from the outermost on, then by L2.

use hitbox_core::clock::Tick;

use super::{
    call::{Call, Doing, Waiter},
    events::Event,
    history::History,
    judge::{Answered, Source},
    mistake::Mistake,
    process::{Answer, Keep, Reading},
    scene::{MILLI, Reads, Refill},
    server::{Command, Reply},
    truth::Version,
};

impl History {
    pub(super) fn read(&mut self, process: usize, key: usize) {
        let one = &self.processes[process];
        let found = one.look(key, one.tick(self.now), self.mistake);
        match (found, one.kind.reads) {
            (Some((level, copy)), Reads::Sequential) => {
                let waiter = self.waiter(process, key);
                self.answer(process, key, copy.version, Source::Copy, waiter);
                // What stands further out has a copy of the copy.
                let one = &self.processes[process];
                let answer = Answer {
                    version: copy.version,
                    seen: copy.seen,
                    news: one.news_of(key),
                };
                self.note_answers(process, key, level + 1, copy.version, copy.seen);
                self.hand_over(process, key, level + 1, answer, Keep::IfCurrent);
            }
            (in_l1, _) => self.ask_l2(process, key, in_l1.map(|(_, copy)| copy.version)),
        }
    }

    pub(super) fn waiter(&self, process: usize, key: usize) -> Waiter {
        Waiter {
            began: self.now,
            given: self.processes[process].keys[key].given,
        }
    }

    pub(super) fn ask_l2(&mut self, process: usize, key: usize, in_l1: Option<Version>) {
        let waiter = self.waiter(process, key);
        let one = &self.processes[process];
        let state = &one.keys[key];
        if state.dirty || state.changing {
            // What L2 holds is not trusted.
            if let Some(version) = in_l1 {
                self.answer(process, key, version, Source::Copy, waiter);
            }
            return;
        }
        if let Some(Reading {
            call,
            began,
            changes,
        }) = state.reading
            && changes == state.changes
            && (one.levels[0].may_join(key, one.tick(began))
                || self.mistake == Some(Mistake::JoinsWhatIsOvertaken))
            && (self.now - began <= self.scene.join_within
                || self.mistake == Some(Mistake::JoinsHoweverOld))
            && let Some(Call {
                doing: Doing::Read { joined, .. },
                ..
            }) = self.calls.get(call)
        {
            joined.push(waiter);
            return;
        }
        let changes = state.changes;
        let call = self.begin(
            process,
            key,
            Doing::Read {
                in_l1,
                leader: waiter,
                joined: Vec::new(),
            },
        );
        let one = &mut self.processes[process];
        one.keys[key].reading = Some(Reading {
            call,
            began: self.now,
            changes,
        });
        self.send(call, Command::Read);
    }

    pub(super) fn read_replied(&mut self, id: usize, call: Call, reply: Option<Reply>) {
        let Call {
            process,
            key,
            changes,
            news,
            seen,
            doing,
            ..
        } = call;
        let Doing::Read {
            in_l1,
            leader,
            joined,
        } = doing
        else {
            return;
        };
        let one = &mut self.processes[process];
        let state = &mut one.keys[key];
        if state.reading.is_some_and(|reading| reading.call == id) {
            state.reading = None;
        }
        let undisturbed = state.is_undisturbed_since(changes);
        match reply {
            Some(Reply::Value(version)) => {
                let keep = match one.kind.refill {
                    Refill::Always if undisturbed => Keep::IfCurrent,
                    Refill::Always | Refill::Never => Keep::Never,
                };
                let seen = match self.mistake {
                    Some(Mistake::SeenWhenAnswered) => one.tick(self.now),
                    Some(Mistake::JoinedSeenLate) => {
                        joined.last().map_or(seen, |last| one.tick(last.began))
                    }
                    _ => seen,
                };
                let began = match self.mistake {
                    // As if it had overlapped with none.
                    Some(Mistake::OverlappingReadKept) => one.tick(self.now),
                    _ => seen,
                };
                self.note_answers(process, key, 0, version, began);
                self.hand_over(
                    process,
                    key,
                    0,
                    Answer {
                        version,
                        seen,
                        news,
                    },
                    keep,
                );
                self.answer(process, key, version, Source::Store, leader);
                for waiter in joined {
                    self.answer(process, key, version, Source::Joined, waiter);
                }
                if undisturbed && self.random.u8(..100) < 5 {
                    let loaded = self.server.truth.loaded(key);
                    self.change(
                        process,
                        key,
                        Command::Refresh {
                            replaces: version,
                            version: loaded,
                        },
                        Some(loaded),
                    );
                }
            }
            Some(_) => {
                let held = one.held(key);
                if let (Some(copy), Some(Mistake::RefillsL2), true) =
                    (held, self.mistake, undisturbed)
                {
                    self.server.execute(
                        key,
                        Command::PutBack(copy.version),
                        one.kind.origin,
                        self.now,
                    );
                } else if undisturbed && self.random.bool() {
                    let token = self.random.u64(..);
                    let lease = self.begin(process, key, Doing::Lease { token });
                    self.send(lease, Command::Lease(token));
                }
            }
            None => {
                if let Some(version) = in_l1 {
                    self.answer(process, key, version, Source::Copy, leader);
                }
            }
        }
    }

    /// L2, or what stands for it, answers those that stand further out.
    fn note_answers(&self, process: usize, key: usize, from: usize, version: Version, seen: Tick) {
        let one = &self.processes[process];
        let tick = one.tick(self.now);
        let outer = one.levels.iter().skip(from);
        outer.for_each(|level| level.note_answer(key, version, seen, tick));
    }

    /// L1s learn what a writer has written: it counts as an answer of L2.
    pub(super) fn hand_over_written(
        &mut self,
        process: usize,
        key: usize,
        from: usize,
        answer: Answer,
        keep: Keep,
    ) {
        self.note_answers(process, key, from, answer.version, answer.seen);
        self.hand_over(process, key, from, answer, keep);
    }

    /// L1s from this level outwards learn what a reader is about to be handed, or what a writer has written.
    pub(super) fn hand_over(
        &mut self,
        process: usize,
        key: usize,
        from: usize,
        answer: Answer,
        keep: Keep,
    ) {
        let (now, mistake) = (self.now, self.mistake);
        let one = &mut self.processes[process];
        for (number, level) in one.levels.iter_mut().enumerate().skip(from) {
            level.answer(number, key, answer, keep, mistake);
            if mistake == Some(Mistake::InsertsThenLooks) {
                let later = now + self.random.u64(..2 * MILLI);
                self.events.at(
                    later,
                    Event::LooksForNews {
                        process,
                        level: number,
                        key,
                    },
                );
            }
        }
    }

    pub(super) fn answer(
        &mut self,
        process: usize,
        key: usize,
        version: Version,
        source: Source,
        waiter: Waiter,
    ) {
        let Waiter { began, given } = waiter;
        let answered = Answered {
            process,
            key,
            version,
            source,
            began,
            given,
        };
        let bound = self.scene.bound_micros();
        self.verdicts.judge(
            &self.server.truth,
            answered,
            self.now,
            bound,
            self.scene.join_within,
        );
        let given = &mut self.processes[process].keys[key].given;
        *given = self.server.truth.place(version).max(*given);
    }
}
