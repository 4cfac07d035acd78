//! What a listener does: it asks, applies what it hears, and vouches for its L1.

use super::{
    events::Event,
    history::History,
    mistake::Mistake,
    scene::{MILLI, Micros},
    server::Heard,
};

impl History {
    pub(super) fn asks(&mut self, process: usize, level: usize) {
        let delay = self.delay();
        let hearing = &self.processes[process].levels[level];
        let (asked, cuts) = (self.now, hearing.cuts);
        let arrives = (self.now + delay).max(hearing.hangs_until);
        self.events.at(
            arrives,
            Event::Asked {
                process,
                level,
                asked,
                cuts,
            },
        );
    }

    pub(super) fn asked(&mut self, process: usize, level: usize, asked: Micros, cuts: u32) {
        let delay = self.delay();
        let one = &self.processes[process];
        let hearing = &one.levels[level];
        if hearing.cuts != cuts {
            let again = self.now + self.random.u64(..50 * MILLI);
            self.events.at(again, Event::Asks { process, level });
            return;
        }
        let heard = self
            .server
            .ask(hearing.mark, self.scene.room, one.kind.origin);
        let comes = (self.now + delay).max(hearing.hangs_until);
        self.events.at(
            comes,
            Event::Answered {
                process,
                level,
                asked,
                heard,
                cuts,
            },
        );
    }

    pub(super) fn answered(
        &mut self,
        process: usize,
        level: usize,
        asked: Micros,
        heard: &Heard,
        cuts: u32,
    ) {
        let (now, mistake) = (self.now, self.mistake);
        let one = &mut self.processes[process];
        let (tick, asked, origin) = (one.tick(now), one.tick(asked), one.kind.origin);
        let level_of = &mut one.levels[level];
        if level_of.cuts != cuts {
            self.events.at(now + MILLI, Event::Asks { process, level });
            return;
        }
        if !heard.follows && mistake != Some(Mistake::GapNotNoticed) {
            level_of.hearing.note_gap(tick);
        }
        for news in &heard.news {
            let is_own = news.origin == origin;
            let passed_over = is_own && mistake == Some(Mistake::OwnOriginPassedOver);
            if let (Some(key), false) = (news.key, passed_over) {
                level_of.hear(key, news.version.filter(|_| is_own), tick);
            }
        }
        level_of.mark = Some(heard.mark);
        if heard.complete || mistake == Some(Mistake::CreditWhenIncomplete) {
            let as_of = match mistake {
                Some(Mistake::CreditWhenAnswered) => tick,
                _ => asked,
            };
            level_of.hearing.vouch_as_of(as_of);
        }
        let pause = if heard.complete { self.scene.pace } else { 0 };
        self.events.at(now + pause, Event::Asks { process, level });
    }
}
