use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{report::Report, walk::SourceFile};

/// Where a report came from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    Moka,
    Sled,
    Computed,
}

pub(crate) struct Answer {
    origin: Origin,
    length: u64,
    report: Arc<Report>,
}

impl Answer {
    pub(crate) const fn new(origin: Origin, file: &SourceFile, report: Arc<Report>) -> Self {
        Self {
            origin,
            length: file.length,
            report,
        }
    }
}

/// What one pass comes to.
pub(crate) struct Tally {
    began: Instant,
    pub(crate) time: Duration,
    pub(crate) from_moka: u64,
    pub(crate) from_sled: u64,
    pub(crate) computed: u64,
    pub(crate) skipped: u64,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) words: u64,
    pub(crate) digests: HashSet<[u8; 32]>,
    /// How many files have the word among their most frequent ones.
    pub(crate) frequent: HashMap<String, u64>,
}

impl Tally {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            time: Duration::ZERO,
            from_moka: 0,
            from_sled: 0,
            computed: 0,
            skipped: 0,
            bytes: 0,
            lines: 0,
            words: 0,
            digests: HashSet::new(),
            frequent: HashMap::new(),
        }
    }

    /// Takes an answer in; `None` for a file that could not be read.
    pub(crate) fn add(&mut self, answer: Option<Answer>) {
        let Some(answer) = answer else {
            self.skipped += 1;
            return;
        };
        match answer.origin {
            Origin::Moka => self.from_moka += 1,
            Origin::Sled => self.from_sled += 1,
            Origin::Computed => self.computed += 1,
        }
        self.bytes += answer.length;
        self.lines += answer.report.lines;
        self.words += answer.report.words;
        self.digests.insert(answer.report.digest);
        for (word, _) in &answer.report.frequent {
            match self.frequent.get_mut(word) {
                Some(files) => *files += 1,
                None => {
                    self.frequent.insert(word.clone(), 1);
                }
            }
        }
    }

    pub(crate) fn end(mut self) -> Self {
        self.time = self.began.elapsed();
        self
    }

    pub(crate) const fn files(&self) -> u64 {
        self.from_moka + self.from_sled + self.computed
    }
}
