use std::{fmt, time::Duration};

use xtask::table::Table;

use super::{Outcome, Report, libtest::Totals, seconds};

/// One step in the closing table.
pub(super) struct Line {
    step: &'static str,
    /// `None`: not reached.
    ended: Option<(Report, Duration)>,
}

impl Line {
    pub(super) const fn new(step: &'static str, report: Report, took: Duration) -> Self {
        let ended = Some((report, took));
        Self { step, ended }
    }

    pub(super) const fn not_reached(step: &'static str) -> Self {
        Self { step, ended: None }
    }

    pub(super) fn is_failed(&self) -> bool {
        let report = self.ended.as_ref().map(|(report, _)| report);
        report.is_some_and(|report| report.outcome == Outcome::Failed)
    }

    /// Whether the step could not run here.
    fn is_not_run(&self) -> bool {
        let report = self.ended.as_ref().map(|(report, _)| report);
        report.is_some_and(|report| report.outcome == Outcome::NotRun)
    }

    fn tests(&self) -> Totals {
        let report = self.ended.as_ref().map(|(report, _)| report);
        report.map(|report| report.tests).unwrap_or_default()
    }

    pub(super) fn outcome(&self) -> &'static str {
        match self.ended.as_ref().map(|(report, _)| &report.outcome) {
            Some(Outcome::Passed) => "passed",
            Some(Outcome::Failed) => "FAILED",
            Some(Outcome::NotRun) => "not run",
            None => "not reached",
        }
    }

    fn note(&self) -> &str {
        let report = self.ended.as_ref().map(|(report, _)| report);
        report.map_or("", |report| &report.note)
    }
}

/// `fmt: passed in 1.2 s`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.outcome())?;
        if let Some((report, took)) = &self.ended {
            write!(f, " in {}", seconds(*took))?;
            if !report.note.is_empty() {
                write!(f, " ({})", report.note)?;
            }
        }
        Ok(())
    }
}

/// The table of all steps, the totals of all tests, and the verdict.
pub(super) fn summarize(lines: &[Line], took: Duration) -> String {
    let mut table = Table::new(["step", "outcome", "time", "tests", "note"], 5);
    let mut totals = Totals::default();
    for line in lines {
        let tests = line.tests();
        totals += tests;
        let time = line.ended.as_ref().map(|(_, took)| seconds(*took));
        table.push([
            line.step,
            line.outcome(),
            &time.unwrap_or_default(),
            &counts(tests),
            line.note(),
        ]);
    }
    let mut text = table.render();
    if !totals.is_empty() {
        let Totals {
            passed,
            failed,
            ignored,
        } = totals;
        text += &format!("\ntests: {passed} passed, {failed} failed, {ignored} ignored\n");
        text += &format!("{passed} passed, {failed} failed\n");
    }
    text + &verdict(lines, &seconds(took))
}

/// The last line. Whoever reads no other has to see what was not checked.
fn verdict(lines: &[Line], took: &str) -> String {
    let names = |is_named: fn(&Line) -> bool| {
        let named = lines.iter().filter(|line| is_named(line));
        named.map(|line| line.step).collect::<Vec<_>>().join(", ")
    };
    let (failed, not_run) = (names(Line::is_failed), names(Line::is_not_run));
    let mut verdict = if failed.is_empty() {
        format!("\nci passed in {took}")
    } else {
        format!("\nci FAILED in {took}: {failed}")
    };
    if !not_run.is_empty() {
        verdict += &format!("; not run: {not_run}");
    }
    verdict + "\n"
}

fn counts(tests: Totals) -> String {
    if tests.is_empty() {
        return String::new();
    }
    let mut text = format!("{} passed", tests.passed);
    for (number, what) in [(tests.failed, "failed"), (tests.ignored, "ignored")] {
        if number > 0 {
            text += &format!(", {number} {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: &'static str, report: Report) -> Line {
        Line::new(step, report, Duration::from_millis(1234))
    }

    fn tests(passed: u64, failed: u64, ignored: u64) -> Totals {
        Totals {
            passed,
            failed,
            ignored,
        }
    }

    #[test]
    fn a_failed_run_names_what_failed_and_what_was_not_reached() {
        let lines = [
            line("fmt", Report::passed()),
            line("test", Report::passed().with_tests(tests(40, 0, 0))),
            line("doctest", Report::failed("why").with_tests(tests(2, 1, 1))),
            Line::not_reached("deny"),
        ];
        let expected = "\
step     outcome      time   tests                          note
----------------------------------------------------------------
fmt      passed       1.2 s
test     passed       1.2 s  40 passed
doctest  FAILED       1.2 s  2 passed, 1 failed, 1 ignored  why
deny     not reached

tests: 42 passed, 1 failed, 1 ignored
42 passed, 1 failed

ci FAILED in 60.0 s: doctest
";
        assert_eq!(summarize(&lines, Duration::from_secs(60)), expected);
    }

    #[test]
    fn a_step_that_cannot_run_is_said_and_does_not_fail() {
        let lines = [line("deny", Report::not_run("cargo-deny is not installed"))];
        let text = summarize(&lines, Duration::ZERO);
        assert!(text.contains("deny  not run  1.2 s"), "{text}");
        assert!(text.contains("cargo-deny is not installed"), "{text}");
        assert!(
            text.ends_with("\nci passed in 0.0 s; not run: deny\n"),
            "{text}"
        );
        assert!(!text.contains(" 0 failed"), "no test ran: {text}");
    }
}
