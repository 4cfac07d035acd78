use std::ops::AddAssign;

/// How many tests passed, failed and were ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
}

impl Totals {
    /// What one line of a test binary's output adds: the counts of its closing
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, nothing for any other line.
    pub(super) fn of_line(line: &str) -> Self {
        let counts = line
            .strip_prefix("test result: ")
            .and_then(|result| result.split_once(". "));
        let mut totals = Self::default();
        let Some((_, counts)) = counts else {
            return totals;
        };
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse() else {
                continue;
            };
            match what {
                "passed" => totals.passed = number,
                "failed" => totals.failed = number,
                "ignored" => totals.ignored = number,
                _ => {}
            }
        }
        totals
    }

    /// These totals of a run that failed. A test binary that does not compile or is killed reports
    /// no failed test, but must not look like one without failures.
    pub(super) fn with_a_failure(mut self) -> Self {
        self.failed = self.failed.max(1);
        self
    }

    pub(super) const fn is_empty(self) -> bool {
        self.passed == 0 && self.failed == 0 && self.ignored == 0
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_test_binaries_are_added_up() {
        let output = "
running 3 tests
test a ... ok
test b ... FAILED
test c ... ignored, needs a server

test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.05s

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 30 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out
";
        let mut totals = Totals::default();
        for line in output.lines() {
            totals += Totals::of_line(line);
        }
        let expected = Totals {
            passed: 42,
            failed: 3,
            ignored: 3,
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "",
            "test result: ok",
            "test result: ok. ",
            "test result: ok. many passed; few failed",
            "  test result: ok. 1 passed; 0 failed; 0 ignored",
            "5 passed; 5 failed",
        ] {
            assert!(Totals::of_line(line).is_empty(), "{line:?}");
        }
    }

    #[test]
    fn a_failed_run_has_at_least_one_failure() {
        assert_eq!(Totals::default().with_a_failure().failed, 1);
        let three = Totals::of_line("test result: FAILED. 0 passed; 3 failed; 0 ignored");
        assert_eq!(three.with_a_failure().failed, 3);
    }
}
