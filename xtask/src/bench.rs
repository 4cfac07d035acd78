//! `cargo xtask bench`.

mod change;
mod measured;
mod options;
mod programs;
mod question;
mod report;
mod saved;

use std::{collections::BTreeMap, fs, path::PathBuf};

use lexopt::Parser;
use serde_json::Value;
use xtask::{Failure, Verdict, workspace::Workspace};

use measured::Measured;
use options::{Options, Request};
pub(crate) use programs::guard;
use programs::{Line, Programs};
use question::Question;

const HELP: &str = "\
Measures what hitbox costs beside its parts: each operation and its floor, the same done with the
parts alone, in turn; and counts allocations and, where there is valgrind, instructions. Prints one
table. docs/performance.md explains its rows.

Usage: cargo xtask bench [OPTIONS]

Options:
      --quick           A few cases of each question, with fewer samples
      --filter TEXT     Only cases whose name contains TEXT; given several times, all must occur.
                        One that names a question (`hit`, `redis/`) keeps out the other questions
      --list            Print the names of the cases instead of measuring them
      --save [NAME]     Keep the figures in target/bench/NAME.json (default: base)
      --compare [NAME]  Print what has changed since figures were kept under NAME (default: base)
      --profile         Print where the instructions go instead, as callgrind counts them: to which
                        library, and to which part of hitbox. For a few cases at a time
      --json FILE       Write the figures to FILE
      --record-guard    Record the counts that `cargo xtask ci --step guard` compares with, instead
  -h, --help            Print this

A case is named by question/operation/what it works on.

Redis is the server that REDIS_URL names, else redis-server or valkey-server on PATH, else in Docker,
else valkey from a Python wheel, else from apt (root). DynamoDB is the server that DYNAMODB_ENDPOINT names, else
one in a process of its own: not in the one that measures.
";

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    match options::parse(arguments)? {
        Request::Help => {
            print!("{HELP}");
            Ok(Verdict::Passed)
        }
        Request::RecordGuard => record_guard(),
        Request::List(options) => {
            let (_, questions, programs) = built(&options)?;
            for question in questions {
                programs.list(question, &options.arguments())?;
            }
            Ok(Verdict::Passed)
        }
        Request::Profile(options) => profile(&options),
        Request::Measure(options) => measure(&options),
    }
}

/// Builds what the options ask for.
fn built(options: &Options) -> Result<(Workspace, Vec<&'static Question>, Programs), Failure> {
    let workspace = Workspace::load()?;
    let questions = question::selected(&options.filters);
    let programs = Programs::build(&workspace, &questions)?;
    Ok((workspace, questions, programs))
}

fn measure(options: &Options) -> Result<Verdict, Failure> {
    let (workspace, questions, programs) = built(options)?;
    // Before minutes are spent on measuring.
    let compared = match &options.compare {
        Some(name) => Some(saved::load(&directory(&workspace), name)?),
        None => None,
    };
    let programs = programs.with_servers(&workspace, &questions)?;
    let arguments = options.arguments();
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for question in &questions {
        match programs.measure(question, &arguments, |line| rows.push(Measured::new(line))) {
            Ok(()) => {}
            Err(failure) => failures.push(format!("{}: {failure}", question.name)),
        }
    }
    if rows.is_empty() && failures.is_empty() {
        return Err("no case matches; --list names them".into());
    }
    let counted = questions.iter().copied();
    let counted: Vec<_> = counted.filter(|question| question.is_counted()).collect();
    if !counted.is_empty() {
        let counts = programs.count(&counted, &arguments);
        let counts = counts.unwrap_or_else(|failure| {
            failures.push(failure.to_string());
            Vec::new()
        });
        attach(&mut rows, counts);
    }
    print!("{}", report::table(&rows));
    if let Some(before) = &compared {
        print!("\n{}", change::table(before, &rows));
    }
    if let Some(name) = &options.save {
        saved::save(&directory(&workspace), name, &rows)?;
    }
    if let Some(file) = &options.json {
        fs::write(file, saved::to_json(&rows))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    for failure in &failures {
        eprintln!("failed: {failure}");
    }
    Ok(match failures.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed,
    })
}

fn profile(options: &Options) -> Result<Verdict, Failure> {
    let workspace = Workspace::load()?;
    let questions = question::selected(&options.filters);
    let programs = Programs::build_profile(&workspace)?;
    let programs = programs.with_servers(&workspace, &questions)?;
    let status = programs.profile(&questions, &options.arguments())?;
    Ok(match status.success() {
        true => Verdict::Passed,
        false => Verdict::Failed,
    })
}

/// Where figures are kept.
fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target_directory().join("bench")
}

/// Gives each row the counts of its case.
fn attach(rows: &mut [Measured], counts: Vec<Line>) {
    let mut of_case: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in counts {
        of_case.entry(line.case).or_default().push(line.figures);
    }
    for row in rows {
        for counts in of_case.remove(row.case()).unwrap_or_default() {
            row.count(&counts);
        }
    }
}

fn record_guard() -> Result<Verdict, Failure> {
    let workspace = Workspace::load()?;
    let mut test = guard(&workspace);
    let status = test.env("HITBOX_GUARD", "record").status()?;
    Ok(if status.success() {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}
