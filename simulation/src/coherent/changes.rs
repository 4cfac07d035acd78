//! What puts something into L2: writes, removes, refreshes and repairs; and fills, under a lease.

use super::{
    call::{Call, Doing},
    events::Event,
    history::History,
    mistake::Mistake,
    process::{Answer, Keep},
    scene::{MILLI, Writes},
    server::{Command, Reply},
    truth::Version,
};

impl History {
    /// A write, a remove or a refresh, one of a key at a time.
    pub(super) fn change(
        &mut self,
        process: usize,
        key: usize,
        command: Command,
        version: Option<Version>,
    ) {
        let one = &mut self.processes[process];
        if one.keys[key].changing {
            return;
        }
        one.keys[key].begin_change();
        one.drop_copies(key);
        if let (Writes::L1First, Some(version), Command::Write(_)) =
            (one.kind.writes, version, command)
        {
            let answer = Answer {
                version,
                seen: one.tick(self.now),
                news: one.news_of(key),
            };
            self.hand_over_written(process, key, 0, answer, Keep::IfCurrent);
        }
        let call = self.begin(process, key, Doing::Change { version });
        self.send(call, command);
    }

    pub(super) fn change_replied(&mut self, call: &Call, reply: Option<Reply>) {
        let &Call { process, key, .. } = call;
        let one = &mut self.processes[process];
        let (writes, state) = (one.kind.writes, &mut one.keys[key]);
        state.end_change();
        match reply {
            Some(Reply::Changed(place)) => {
                state.dirty = false;
                self.server.truth.confirm(key, place, self.now);
                // A repair is nobody's answer.
                let Doing::Change { version } = call.doing else {
                    return;
                };
                state.given = place.max(state.given);
                if let (Some(version), Writes::L2First) = (version, writes) {
                    let answer = call.answer(version);
                    self.hand_over_written(process, key, 0, answer, Keep::IfCurrent);
                }
            }
            // A copy that was put back.
            Some(Reply::Filled) => state.dirty = false,
            Some(_) => {}
            None => self.leave_dirty(process, key),
        }
    }

    /// Nobody knows whether a change has taken effect, or will.
    pub(super) fn leave_dirty(&mut self, process: usize, key: usize) {
        self.processes[process].keys[key].dirty = true;
        let later = self.now + self.random.u64(..100 * MILLI);
        self.events.at(later, Event::Repair { process, key });
    }

    pub(super) fn repair(&mut self, process: usize, key: usize) {
        let one = &mut self.processes[process];
        let state = &mut one.keys[key];
        if !state.dirty {
            return;
        }
        if state.changing {
            self.events
                .at(self.now + 10 * MILLI, Event::Repair { process, key });
            return;
        }
        state.begin_change();
        let command = match (self.mistake, one.held(key)) {
            (Some(Mistake::RepairCopies), Some(copy)) => Command::PutBack(copy.version),
            _ => Command::Remove,
        };
        let call = self.begin(process, key, Doing::Repair);
        self.send(call, command);
    }

    pub(super) fn load_replied(&mut self, call: &Call, reply: Option<Reply>) {
        let &Call { process, key, .. } = call;
        match (&call.doing, reply) {
            (&Doing::Lease { token }, Some(Reply::Leased)) => {
                let version = self.server.truth.loaded(key);
                let load = self.begin(process, key, Doing::Fill { token, version });
                let takes = self.random.u64(..100 * MILLI);
                self.events
                    .at(self.now + takes, Event::Loaded { call: load });
            }
            (&Doing::Fill { version, .. }, reply) => {
                self.processes[process].keys[key].end_change();
                let keep = match reply {
                    Some(Reply::Filled) => true,
                    Some(_) => self.mistake == Some(Mistake::OvertakenFillStays),
                    None => {
                        self.leave_dirty(process, key);
                        false
                    }
                };
                if keep {
                    let answer = call.answer(version);
                    self.hand_over_written(process, key, 0, answer, Keep::IfCurrent);
                }
            }
            (_, _) => {}
        }
    }

    pub(super) fn loaded(&mut self, id: usize) {
        let Some(&mut Call {
            process,
            key,
            changes,
            ref doing,
            ..
        }) = self.calls.get(id)
        else {
            return;
        };
        let &Doing::Fill { token, version } = doing else {
            return;
        };
        let state = &mut self.processes[process].keys[key];
        if state.is_undisturbed_since(changes) {
            state.begin_change();
            self.send(
                id,
                Command::Fill {
                    lease: token,
                    version,
                },
            );
        } else {
            self.calls.end(id);
        }
    }
}
