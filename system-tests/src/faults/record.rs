use std::{collections::BTreeMap, fmt, mem, time::Duration};

/// Examples of one kind are enough to see what it is about.
const SHOWN_VIOLATIONS: usize = 5;

/// What callers saw of a fault, and what it cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    seen: BTreeMap<String, u64>,
    worst: Duration,
    notes: Vec<String>,
    lost: Vec<String>,
    recovery: Option<Duration>,
    violations: Vec<String>,
}

impl Record {
    /// One more call ended like this: `hit`, `miss`, `ok`, or the kind of an error.
    pub(super) fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    /// Something else that is worth knowing.
    pub(super) fn noted(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    pub(super) fn took(&mut self, call: Duration) {
        self.worst = self.worst.max(call);
    }

    /// Something is gone, or was not done, and nothing promised that it would be there.
    pub(super) fn lost(&mut self, what: impl Into<String>) {
        self.lost.push(what.into());
    }

    /// It took this long, after the fault was over, until everything worked again.
    pub(super) fn recovered(&mut self, within: Duration) {
        self.recovery = self.recovery.max(Some(within));
    }

    /// A promise was broken.
    pub(super) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// A promise was broken, unless it holds.
    pub(super) fn expect(&mut self, holds: bool, promise: &str) {
        if !holds {
            self.violation(format!("not so: {promise}"));
        }
    }

    pub(super) fn how_often(&self, what: &str) -> u64 {
        self.seen.get(what).copied().unwrap_or_default()
    }

    pub(super) const fn worst(&self) -> Duration {
        self.worst
    }

    pub(super) const fn recovery(&self) -> Option<Duration> {
        self.recovery
    }

    pub(super) fn what_was_lost(&self) -> String {
        if self.lost.is_empty() {
            return "nothing".to_owned();
        }
        self.lost.join("; ")
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Adds what others saw of the same fault.
    pub(super) fn absorb(&mut self, mut other: Self) {
        for (what, times) in mem::take(&mut other.seen) {
            *self.seen.entry(what).or_default() += times;
        }
        self.absorb_afterwards(other);
    }

    /// Adds what was seen after the fault was over: everything but the counts.
    pub(super) fn absorb_afterwards(&mut self, other: Self) {
        self.worst = self.worst.max(other.worst);
        self.recovery = self.recovery.max(other.recovery);
        self.notes.extend(other.notes);
        self.lost.extend(other.lost);
        self.violations.extend(other.violations);
    }

    /// The first violations, one a line.
    pub(super) fn complaint(&self) -> String {
        let shown = self.violations.iter().take(SHOWN_VIOLATIONS);
        let mut lines: Vec<String> = shown.cloned().collect();
        let more = self.violations.len().saturating_sub(SHOWN_VIOLATIONS);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines.join("\n")
    }
}

/// The counts, `hit 3, miss 1`, and the notes.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seen.is_empty() {
            return f.write_str("-");
        }
        for (index, (what, times)) in self.seen.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{what} {times}")?;
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_add_up() {
        let mut one = Record::default();
        one.saw("hit");
        one.took(Duration::from_millis(3));
        let mut two = Record::default();
        two.saw("hit");
        two.saw("timeout");
        two.took(Duration::from_millis(2));
        two.lost("1 write");
        one.absorb(two);
        assert_eq!(one.to_string(), "hit 2, timeout 1");
        assert_eq!(one.worst(), Duration::from_millis(3));
        assert_eq!(one.what_was_lost(), "1 write");
        assert_eq!(one.how_often("miss"), 0);
        assert!(one.violations().is_empty());
    }

    #[test]
    fn a_complaint_is_short() {
        let mut record = Record::default();
        for number in 0..7 {
            record.violation(format!("wrong {number}"));
        }
        let complaint = record.complaint();
        assert!(complaint.starts_with("wrong 0\nwrong 1\n"));
        assert!(complaint.ends_with("wrong 4\nand 2 more"));
    }
}
