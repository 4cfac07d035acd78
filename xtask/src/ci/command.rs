use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use super::{Report, libtest::Totals};
use crate::Failure;

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
    let mut totals = Totals::default();
    if let Some(output) = child.stdout.take() {
        pass_on(BufReader::new(output), &mut totals)?;
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(Report::passed().with_tests(totals));
    }
    // A test binary that did not compile or was killed reports no failed test.
    totals.failed = totals.failed.max(1);
    let note = format!("{} ended with {status}", shown(command));
    Ok(Report::failed(note).with_tests(totals))
}

fn pass_on(mut output: impl BufRead, totals: &mut Totals) -> io::Result<()> {
    let mut line = Vec::new();
    // Bytes, not text: a test may print what is not UTF-8.
    while output.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        *totals += Totals::of_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    io::stdout().flush()
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
}
