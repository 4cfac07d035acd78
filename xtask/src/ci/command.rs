use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use xtask::Failure;

use super::{OnFailure, Outcome, Report, libtest::Totals};

/// Runs a command with its output on the terminal.
pub(super) fn run(command: &mut Command) -> Result<Report, Failure> {
    println!("$ {}", shown(command));
    let status = command.status()?;
    Ok(if status.success() {
        Report::passed()
    } else {
        Report::failed(format!("{} ended with {status}", shown(command)))
    })
}

/// Runs a command that runs test binaries: its output goes to the terminal as it comes, and the
/// tests in it are counted.
pub(super) fn run_tests(command: &mut Command) -> Result<Report, Failure> {
    println!("$ {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let totals = match child.stdout.take() {
        Some(output) => pass_on(BufReader::new(output), io::stdout())?,
        None => Totals::default(),
    };
    let status = child.wait()?;
    if status.success() {
        return Ok(Report::passed().with_tests(totals));
    }
    let note = format!("{} ended with {status}", shown(command));
    Ok(Report::failed(note).with_tests(totals.with_a_failure()))
}

/// The same of several, one after the other.
pub(super) fn run_all_tests(
    commands: impl IntoIterator<Item = Command>,
    on_failure: OnFailure,
) -> Result<Report, Failure> {
    let mut whole = Report::passed();
    for mut command in commands {
        let report = run_tests(&mut command)?;
        whole.tests += report.tests;
        if report.outcome != Outcome::Passed {
            whole.outcome = report.outcome;
            whole.note = report.note;
        }
        if whole.outcome != Outcome::Passed && on_failure == OnFailure::Stop {
            break;
        }
    }
    Ok(whole)
}

/// Copies the output of test binaries line by line, and counts the tests in it.
fn pass_on(mut from: impl BufRead, mut to: impl Write) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut line = Vec::new();
    // Bytes, not text: a test may print what is not UTF-8.
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        totals += Totals::of_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    to.flush()?;
    Ok(totals)
}

/// The command as one would type it, without directories.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={value:?}", name.to_string_lossy()))
    });
    let words = std::iter::once(program).chain(command.get_args());
    variables
        .chain(words.map(|word| word.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["doc", "--no-deps"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        let expected = "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps";
        assert_eq!(shown(&command), expected);
    }

    #[test]
    fn output_is_passed_on_unchanged_and_counted() {
        let output =
            b"\xff\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\nno newline";
        let mut copy = Vec::new();
        let totals = pass_on(&output[..], &mut copy).unwrap();
        assert_eq!(copy, output);
        assert_eq!((totals.passed, totals.failed, totals.ignored), (2, 0, 1));
    }
}
