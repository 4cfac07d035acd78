use std::{fmt, time::Duration};

/// What the scenarios came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Explored to the end, with every promise kept.
    pub(crate) scenarios: u64,
    pub(crate) schedules: u64,
    pub(crate) broken: u64,
    pub(crate) took: Duration,
    /// The test that has begun, and whose line has not ended.
    under_way: Option<String>,
}

impl Report {
    /// Takes in a line of the test program's output, and prints it if it is about a scenario.
    pub(super) fn add_line(&mut self, line: &str) {
        // With a single thread for the tests, `test a_test ... ` stands before what the test prints,
        // and how it ended is a line of its own.
        if let Some((before, explored)) = line.split_once("schedules: ") {
            if let Some(test) = begun(before) {
                self.under_way = Some(test.to_owned());
            }
            println!("{explored}");
            self.scenarios += 1;
            self.schedules += count(explored).unwrap_or_default();
        } else if let Some(test) = failed(line) {
            self.note_broken(test);
        } else if line == "FAILED" {
            let test = self.under_way.take();
            self.note_broken(test.as_deref().unwrap_or("a scenario"));
        }
    }

    fn note_broken(&mut self, test: &str) {
        println!("{test}: BROKEN");
        self.broken += 1;
    }
}

/// The count in `a refill and a remove: 42849 (all)`.
fn count(explored: &str) -> Option<u64> {
    let (_, rest) = explored.rsplit_once(": ")?;
    rest.split(' ').next()?.parse().ok()
}

/// The test in `test schedules::fences::a_test ... `.
fn begun(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... ")
}

/// The test in `test schedules::fences::a_test ... FAILED`.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenarios,
            schedules,
            broken,
            took,
            under_way: _,
        } = self;
        let seconds = took.as_secs_f64();
        write!(
            f,
            "{scenarios} scenarios, {schedules} schedules, {broken} broken, in {seconds:.1} s"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_the_test_program_is_counted() {
        let mut report = Report::default();
        for line in [
            "running 3 tests",
            "schedules: a refill and a remove: 42849 (all)",
            "test schedules::fences::a_refill_does_not_undo_a_remove ... ok",
            "schedules: two writes: 709 (up to 3 interruptions)",
            "test schedules::fences::two_writes ... ok",
            "test schedules::turns::three_changes_take_turns ... FAILED",
        ] {
            report.add_line(line);
        }
        let text = "2 scenarios, 43558 schedules, 1 broken, in 0.0 s";
        assert_eq!(report.to_string(), text);
    }

    /// As the test program writes it that has one thread for its tests.
    #[test]
    fn the_output_of_a_single_thread_is_counted() {
        let mut report = Report::default();
        for line in [
            "test schedules::fences::two_writes ... schedules: two writes, at once: 709 (all)",
            "schedules: two writes, awaited: 1 (all)",
            "ok",
            "test schedules::turns::one_who_waits ... schedules: one who waits, at once: 20 (all)",
            "FAILED",
            "test schedules::turns::another ... FAILED",
        ] {
            report.add_line(line);
        }
        let text = "3 scenarios, 730 schedules, 2 broken, in 0.0 s";
        assert_eq!(report.to_string(), text);
    }
}
