//! Holds what processes were answered against what was true.

use std::{io, path::Path, time::Duration};

use super::{
    fault::{Done, Fault},
    record::{self, Act, Record},
    truth::Truth,
    worker::{KEYS, PROCESSES, owner},
};

/// The time in which it is told which faults were there.
const GRAIN: u64 = 1_000_000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) changes: u64,
    pub(super) reads: u64,
    /// Reads that an L1 has answered.
    pub(super) hits: u64,
    /// Of these, those of keys that another process had changed within the last two bounds.
    pub(super) changed_elsewhere: u64,
    /// Hits with versions in doubt, which nothing is held against.
    pub(super) in_doubt: u64,
    pub(super) stalest: Duration,
    /// Hits that were staler than the bound.
    pub(super) over: u64,
    /// Answers that were older than what the process had been given before.
    pub(super) older_than_before: u64,
    /// Hits under each fault, in the order of [`Fault::ALL`].
    pub(super) under: [u64; Fault::ALL.len()],
    /// How often each was put.
    pub(super) times: [u64; Fault::ALL.len()],
    /// The first of what was wrong, in words.
    pub(super) first: Option<String>,
}

impl Findings {
    pub(super) const fn violations(&self) -> u64 {
        self.over + self.older_than_before
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.changes += other.changes;
        self.reads += other.reads;
        self.hits += other.hits;
        self.changed_elsewhere += other.changed_elsewhere;
        self.in_doubt += other.in_doubt;
        self.stalest = self.stalest.max(other.stalest);
        self.over += other.over;
        self.older_than_before += other.older_than_before;
        for (sum, more) in self.under.iter_mut().zip(other.under) {
            *sum += more;
        }
        for (sum, more) in self.times.iter_mut().zip(other.times) {
            *sum += more;
        }
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
    }
}

/// Judges a round.
pub(super) struct Judge<'t> {
    truth: &'t Truth,
    bound: u64,
    began: u64,
    /// Of each process, a bit for each fault, for each grain of time.
    faults: Vec<Vec<u32>>,
    pub(super) findings: Findings,
}

impl<'t> Judge<'t> {
    /// Of a round from `began` to `ended`.
    pub(super) fn new(
        truth: &'t Truth,
        bound: Duration,
        (began, ended): (u64, u64),
        done: &Done,
    ) -> Self {
        let bound = bound.as_nanos() as u64;
        let grains = (ended.saturating_sub(began) / GRAIN) as usize + 1;
        let mut faults = vec![vec![0; grains]; PROCESSES];
        let mut findings = Findings {
            changes: truth.len(),
            ..Findings::default()
        };
        for window in &done.windows {
            findings.times[window.fault as usize] += 1;
            // What a fault has kept from L1s shows until two bounds after its end.
            let grain = |time: u64| ((time.saturating_sub(began) / GRAIN) as usize).min(grains);
            let (from, until) = (grain(window.from), grain(window.until + 2 * bound));
            for (number, of_process) in faults.iter_mut().enumerate() {
                if window.processes & 1 << number != 0 {
                    for grain in &mut of_process[from..until] {
                        *grain |= window.fault.bit();
                    }
                }
            }
        }
        Self {
            truth,
            bound,
            began,
            faults,
            findings,
        }
    }

    /// What one process has written down.
    pub(super) fn hear(&mut self, process: usize, journal: &Path) -> io::Result<()> {
        let mut given = vec![Given::default(); KEYS];
        for record in record::read(journal)? {
            let record = record?;
            match record.act {
                Act::Hit | Act::Fetched | Act::Missed => {
                    self.findings.reads += 1;
                    self.read(process, &record, &mut given);
                }
                Act::Changed | Act::InDoubt => {}
            }
            self.note(&record, &mut given);
        }
        Ok(())
    }

    fn read(&mut self, process: usize, read: &Record, given: &mut [Given]) {
        if read.act == Act::Missed {
            return;
        }
        let is_ordered = self.truth.is_ordered(read.key, read.version);
        if read.act == Act::Hit {
            self.hit(process, read, is_ordered);
        }
        let before = given[usize::from(read.key)].before(read.began);
        if is_ordered
            && before > read.version
            && self.truth.is_remembered(read.key, before, read.ended)
        {
            self.findings.older_than_before += 1;
            self.tell(process, read, || format!("after version {before}"));
        }
    }

    fn hit(&mut self, process: usize, read: &Record, is_ordered: bool) {
        self.findings.hits += 1;
        let grain = (read.began.saturating_sub(self.began) / GRAIN) as usize;
        let faults = self.faults[process].get(grain).copied().unwrap_or(0);
        for (fault, count) in Fault::ALL.iter().zip(&mut self.findings.under) {
            *count += u64::from(faults & fault.bit() != 0);
        }
        let recently = read.began.saturating_sub(2 * self.bound);
        if owner(read.key) != process
            && (self.truth).is_changed_within(read.key, recently, read.began)
        {
            self.findings.changed_elsewhere += 1;
        }
        if !is_ordered {
            self.findings.in_doubt += 1;
            return;
        }
        let staleness = self.truth.staleness(read);
        self.findings.stalest = self.findings.stalest.max(Duration::from_nanos(staleness));
        if staleness > self.bound {
            self.findings.over += 1;
            let staleness = Duration::from_nanos(staleness);
            self.tell(process, read, || format!("{staleness:?} stale"));
        }
    }

    /// What the process has, from now on, been given.
    fn note(&self, record: &Record, given: &mut [Given]) {
        match record.act {
            Act::Missed | Act::InDoubt => {}
            Act::Hit | Act::Fetched | Act::Changed => {
                if self.truth.is_ordered(record.key, record.version) {
                    given[usize::from(record.key)].add(record.ended, record.version);
                }
            }
        }
    }

    fn tell(&mut self, process: usize, read: &Record, what: impl FnOnce() -> String) {
        if self.findings.first.is_none() {
            let by = match read.act {
                Act::Hit => "an L1",
                Act::Fetched | Act::Missed | Act::Changed | Act::InDoubt => "the store",
            };
            let grain = (read.began.saturating_sub(self.began) / GRAIN) as usize;
            let faults = self.faults[process].get(grain).copied().unwrap_or(0);
            let faults = Fault::ALL.iter().filter(|fault| faults & fault.bit() != 0);
            let faults: Vec<_> = faults.map(|fault| fault.name()).collect();
            self.findings.first = Some(format!(
                "process {process}, {grain} ms after the begin: {by} answered with version {} of key {}, {}; faults then: {faults:?}",
                read.version,
                read.key,
                what(),
            ));
        }
    }
}

/// Which versions of a key a process has been given, and when: newer ones only.
#[derive(Clone, Debug, Default)]
struct Given(Vec<(u64, u32)>);

impl Given {
    /// The newest that it had been given when it began to read; 0 if none.
    fn before(&self, began: u64) -> u32 {
        let until = self.0.partition_point(|(ended, _)| *ended <= began);
        until.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// Tasks may write down what they were given in another order than they were.
    fn add(&mut self, ended: u64, version: u32) {
        let at = self.0.partition_point(|(other, _)| *other <= ended);
        if at
            .checked_sub(1)
            .is_some_and(|last| self.0[last].1 >= version)
        {
            return;
        }
        let overtaken = self.0[at..].partition_point(|(_, other)| *other <= version);
        self.0.splice(at..at + overtaken, [(ended, version)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coherence::{
        fault::{Forgetting, Window},
        record::Journal,
    };

    const MS: u64 = 1_000_000;
    const BOUND: Duration = Duration::from_millis(20);

    /// Of key 0, which process 0 changes.
    fn record(act: Act, version: u32, began: u64, ended: u64) -> Record {
        Record {
            act,
            key: 0,
            version,
            began: began * MS,
            ended: ended * MS,
        }
    }

    fn changed(version: u32, ended: u64) -> Record {
        record(Act::Changed, version, ended - 1, ended)
    }

    /// What is found if process 0 makes these changes, and process 1 reads so.
    fn findings(changes: &[Record], reads: &[Record], done: &Done) -> Findings {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, records: &[Record]| {
            let path = directory.path().join(name);
            let journal = Journal::create(&path).unwrap();
            for record in records {
                journal.add(*record).unwrap();
            }
            journal.flush().unwrap();
            path
        };
        let journals = [(0, write("0", changes)), (1, write("1", reads))];
        let truth = Truth::told_by(&journals, done.forgetting).unwrap();
        let mut judge = Judge::new(&truth, BOUND, (0, 10_000 * MS), done);
        for (process, journal) in &journals {
            judge.hear(*process, journal).unwrap();
        }
        judge.findings
    }

    fn hit(version: u32, at: u64) -> Record {
        record(Act::Hit, version, at, at)
    }

    #[test]
    fn a_hit_counts_from_when_a_newer_version_was_confirmed() {
        let changes = [changed(1, 10), changed(2, 30), changed(3, 35)];
        let found = findings(&changes, &[hit(1, 50), hit(3, 90)], &Done::default());
        assert_eq!(found.stalest, BOUND);
        assert_eq!(found.violations(), 0);
        assert_eq!((found.hits, found.changed_elsewhere), (2, 1));
        let found = findings(&changes, &[hit(1, 51), hit(2, 51)], &Done::default());
        assert_eq!(found.over, 1);
        assert!(found.first.unwrap().contains("version 1 of key 0"));
        // What the store answers with was current when it was asked.
        let fetched = [record(Act::Fetched, 1, 51, 52)];
        assert_eq!(
            findings(&changes, &fetched, &Done::default()).violations(),
            0
        );
    }

    #[test]
    fn nothing_is_held_against_what_is_in_doubt() {
        let in_doubt = [
            record(Act::InDoubt, 1, 9, 10),
            record(Act::Changed, 1, 9, 10 + SLOW),
        ];
        for change in in_doubt {
            let changes = [change, changed(2, 300)];
            let found = findings(&changes, &[hit(1, 400)], &Done::default());
            assert_eq!((found.violations(), found.in_doubt), (0, 1));
        }
        // A process that was killed has told nothing of it.
        let found = findings(&[changed(2, 30)], &[hit(1, 400)], &Done::default());
        assert_eq!((found.violations(), found.in_doubt), (0, 1));
    }

    /// Longer than a change takes that was sent once.
    const SLOW: u64 = 101;

    #[test]
    fn no_process_is_given_something_older_than_before() {
        let changes = [changed(1, 10), changed(2, 30)];
        for act in [Act::Hit, Act::Fetched] {
            let reads = [record(act, 2, 31, 33), record(act, 1, 33, 34)];
            assert_eq!(
                findings(&changes, &reads, &Done::default()).older_than_before,
                1
            );
            // The one had not ended when the other began.
            let reads = [record(act, 2, 31, 33), record(act, 1, 32, 34)];
            assert_eq!(findings(&changes, &reads, &Done::default()).violations(), 0);
            // Whoever has changed it knows.
            let own = [changes[0], changes[1], record(act, 1, 33, 34)];
            assert_eq!(findings(&own, &[], &Done::default()).older_than_before, 1);
        }
    }

    #[test]
    fn what_a_server_has_forgotten_counts_until_it_is_changed_again() {
        let changes = [changed(1, 10), changed(2, 30), changed(3, 130)];
        let done = Done {
            forgetting: Some(Forgetting {
                from: 100 * MS,
                until: 120 * MS,
            }),
            windows: Vec::new(),
        };
        // Version 1 is back.
        let back = [hit(2, 40), hit(1, 110), hit(1, 150)];
        assert_eq!(findings(&changes, &back, &done).violations(), 0);
        for reads in [[hit(1, 60), hit(1, 61)], [hit(2, 140), hit(1, 151)]] {
            assert!(findings(&changes, &reads, &done).over > 0);
        }
        let given = [hit(3, 140), hit(1, 141)];
        assert_eq!(findings(&changes, &given, &done).older_than_before, 1);
    }

    #[test]
    fn hits_are_counted_under_faults_and_two_bounds_after_them() {
        let window = Window {
            fault: Fault::ListenerHangs,
            processes: 1 << 1,
            from: 100 * MS,
            until: 200 * MS,
        };
        let done = Done {
            windows: vec![
                window,
                Window {
                    processes: 1,
                    ..window
                },
            ],
            forgetting: None,
        };
        let reads = [99, 100, 239, 240].map(|at| hit(1, at));
        let found = findings(&[changed(1, 10)], &reads, &done);
        let number = Fault::ListenerHangs as usize;
        assert_eq!((found.under[number], found.times[number]), (2, 2));
        assert_eq!(found.under.iter().sum::<u64>(), 2);
    }

    #[test]
    fn what_was_given_is_known_in_whatever_order_it_is_told() {
        let mut given = Given::default();
        for (ended, version) in [(10, 1), (30, 3), (20, 2), (25, 2), (5, 4), (40, 5)] {
            given.add(ended, version);
        }
        let before = |began| given.before(began);
        assert_eq!([before(4), before(5), before(39), before(40)], [0, 4, 4, 5]);
    }
}
