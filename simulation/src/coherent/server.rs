//! L2 and its log of news, as one server: what it does to a key and what it announces is one step.

use std::collections::VecDeque;

use super::{
    mistake::Mistake,
    scene::{Micros, SECOND},
    truth::{Place, Truth, Version},
};

/// How long a lease lasts.
const LEASE: Micros = SECOND;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) truth: Truth,
    store: Vec<Held>,
    log: VecDeque<News>,
    /// How many news there have been.
    announced: u64,
    keeps: usize,
    mistake: Option<Mistake>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    value: Option<Version>,
    lease: Option<(u64, Micros)>,
}

/// A piece of news.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) number: u64,
    /// Of none where a listener has found no log, and has begun one.
    pub(super) key: Option<usize>,
    pub(super) origin: usize,
    /// What the change has put there.
    pub(super) version: Option<Version>,
}

/// What a listener has been answered.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) news: Vec<News>,
    /// Whether what it had heard last was still there.
    pub(super) follows: bool,
    pub(super) complete: bool,
    pub(super) mark: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Read,
    Write(Version),
    Remove,
    /// Puts a value back that the key had before, which is no change of the source.
    PutBack(Version),
    /// Takes the right to fill the key, if nothing is there.
    Lease(u64),
    Fill {
        lease: u64,
        version: Version,
    },
    /// Replaces a value, if it is still there.
    Refresh {
        replaces: Version,
        version: Version,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Value(Version),
    Nothing,
    Leased,
    /// Done, as this change.
    Changed(Place),
    Filled,
    Refused,
}

impl Server {
    pub(super) fn new(keys: usize, log: usize, mistake: Option<Mistake>) -> Self {
        Self {
            truth: Truth::new(keys),
            store: vec![Held::default(); keys],
            log: VecDeque::new(),
            announced: 0,
            keeps: log,
            mistake,
        }
    }

    pub(super) fn execute(
        &mut self,
        key: usize,
        command: Command,
        origin: usize,
        now: Micros,
    ) -> Reply {
        let held = &mut self.store[key];
        match command {
            Command::Read => held.value.map_or(Reply::Nothing, Reply::Value),
            Command::Write(version) => self.change(key, Some(version), origin),
            Command::Remove => self.change(key, None, origin),
            Command::PutBack(version) => {
                *held = Held {
                    value: Some(version),
                    lease: None,
                };
                self.announce(Some(key), Some(version), origin);
                Reply::Filled
            }
            Command::Lease(_) if held.value.is_some() => Reply::Refused,
            Command::Lease(token) => match held.lease {
                Some((_, until)) if now < until => Reply::Refused,
                Some(_) | None => {
                    held.lease = Some((token, now + LEASE));
                    Reply::Leased
                }
            },
            Command::Fill { lease, version } => {
                let valid = held
                    .lease
                    .is_some_and(|(token, until)| token == lease && now < until);
                if valid || self.mistake == Some(Mistake::FillUnconditional) {
                    *held = Held {
                        value: Some(version),
                        lease: None,
                    };
                    Reply::Filled
                } else {
                    Reply::Refused
                }
            }
            Command::Refresh { replaces, .. } if held.value != Some(replaces) => Reply::Refused,
            Command::Refresh { version, .. } => match self.mistake {
                Some(Mistake::RefreshNotAnnounced) => {
                    held.value = Some(version);
                    Reply::Changed(self.truth.change(key, Some(version)))
                }
                _ => self.change(key, Some(version), origin),
            },
        }
    }

    fn change(&mut self, key: usize, to: Option<Version>, origin: usize) -> Reply {
        self.store[key] = Held {
            value: to,
            lease: None,
        };
        let place = self.truth.change(key, to);
        self.announce(Some(key), to, origin);
        Reply::Changed(place)
    }

    fn announce(&mut self, key: Option<usize>, version: Option<Version>, origin: usize) {
        self.announced += 1;
        let number = self.announced;
        self.log.push_back(News {
            number,
            key,
            origin,
            version,
        });
        if self.log.len() > self.keeps {
            self.log.pop_front();
        }
    }

    /// What has been announced after this mark.
    pub(super) fn ask(&mut self, mark: Option<u64>, room: usize, origin: usize) -> Heard {
        if self.log.is_empty() {
            self.announce(None, None, origin);
        }
        let first = self
            .log
            .front()
            .map_or(self.announced + 1, |news| news.number);
        let newest = self.log.back().map_or(0, |news| news.number);
        let follows = match mark {
            Some(mark) => first <= mark && mark <= newest,
            None => false,
        };
        // Who has a gap goes on from here.
        let after = match (follows, self.mistake) {
            (true, _) | (false, Some(Mistake::GapNotNoticed)) => mark.unwrap_or(newest),
            (false, _) => newest,
        };
        let later = self.log.iter().filter(|news| news.number > after);
        let news: Vec<_> = later.take(room).copied().collect();
        let mark = news.last().map_or(after, |news| news.number);
        Heard {
            complete: mark >= newest,
            news,
            follows,
            mark,
        }
    }

    /// The log is lost, as by a `DEL`. What is announced next begins a new one.
    pub(super) fn lose_log(&mut self) {
        self.log.clear();
    }

    /// A value is evicted.
    pub(super) fn evict(&mut self, key: usize) {
        self.store[key] = Held::default();
    }
}
