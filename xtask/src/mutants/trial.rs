//! A check as it is carried out: with a limit of time, and with an eye on what it says.

use std::{
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use xtask::Failure;

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// With what did not hold: the names of tests, or the rule that a history broke.
    Failed(String),
    /// It had not come to an end after this time.
    Hung(Duration),
}

/// Carries a check out. What it prints goes to the file `log`.
///
/// # Errors
///
/// If it ends in failure without a word about what has failed: that may be anything.
pub(super) fn run(mut check: Command, log: &Path, limit: Duration) -> Result<Outcome, Failure> {
    let output = File::create(log)?;
    check.stdin(Stdio::null());
    check.stdout(output.try_clone()?).stderr(output);
    // A group of its own: whatever it has started ends with it.
    check.process_group(0);
    let Some(status) = wait(&mut check.spawn()?, limit)? else {
        return Ok(Outcome::Hung(limit));
    };
    if status.success() {
        return Ok(Outcome::Passed);
    }
    let said = fs::read(log)?;
    match reason(&String::from_utf8_lossy(&said), status) {
        Some(reason) => Ok(Outcome::Failed(reason)),
        None => Err(format!("{status}, and no test is named: see {}", log.display()).into()),
    }
}

/// Waits for the end; `None` if it has to be brought about.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, Failure> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let group = format!("-{}", child.id());
    let mut kill = Command::new("kill");
    kill.args(["-KILL", "--", &group]).stderr(Stdio::null());
    // If it could not, the group has ended this very moment.
    let _ended_or_not = kill.status()?;
    child.wait()?;
    Ok(None)
}

/// What did not hold, going by what the check has said: the first one, and how many there are more.
fn reason(said: &str, status: ExitStatus) -> Option<String> {
    let mut reasons: Vec<&str> = said.lines().filter_map(failure).collect();
    reasons.dedup();
    let first = reasons.first().copied().or_else(|| {
        // A process that was aborted lists nothing.
        status.signal().and(said.lines().find_map(panicked))
    })?;
    Some(match reasons.len() {
        0 | 1 => first.to_owned(),
        several => format!("{first}, and {} more", several - 1),
    })
}

/// The test in `---- a_test stdout ----`, or what follows `violation: `.
fn failure(line: &str) -> Option<&str> {
    let test = || line.strip_prefix("---- ")?.strip_suffix(" stdout ----");
    line.strip_prefix("violation: ").or_else(test)
}

/// The test in `thread 'a_test' (1234) panicked at src/lib.rs:1:2:`.
fn panicked(line: &str) -> Option<&str> {
    let (thread, rest) = line.strip_prefix("thread '")?.split_once('\'')?;
    rest.contains("panicked at").then_some(thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn outcome(script: &str, limit: Duration) -> Result<Outcome, String> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        run(shell, log.path(), limit).map_err(|error| error.to_string())
    }

    fn failed(reason: &str) -> Result<Outcome, String> {
        Ok(Outcome::Failed(reason.to_owned()))
    }

    #[test]
    fn what_failed_is_named() {
        assert_eq!(outcome("echo fine", LIMIT), Ok(Outcome::Passed));
        let one = "echo '---- a::test stdout ----'; exit 101";
        assert_eq!(outcome(one, LIMIT), failed("a::test"));
        let more = "echo 'violation: one' >&2; echo 'violation: two'; exit 1";
        assert_eq!(outcome(more, LIMIT), failed("one, and 1 more"));
        let aborted = "echo \"thread 'a::test' (7) panicked at a.rs:1:2:\"; kill -ABRT $$";
        assert_eq!(outcome(aborted, LIMIT), failed("a::test"));
    }

    /// A tool that is missing, a disk that is full: no break has been caught.
    #[test]
    fn a_failure_without_a_name_is_none_of_the_checks() {
        let error = outcome("echo 'error: no space left'; exit 101", LIMIT).unwrap_err();
        assert!(error.contains("101"), "{error}");
    }

    #[test]
    fn what_does_not_end_is_ended_with_all_that_it_has_started() {
        let began = Instant::now();
        let limit = Duration::from_millis(100);
        assert_eq!(
            outcome("sleep 60 & sleep 60", limit),
            Ok(Outcome::Hung(limit))
        );
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
