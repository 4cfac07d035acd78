//! `cargo xtask repeat`.

use std::{
    hint,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{
    Failure, Verdict,
    program::{self, Program},
    table::Table,
    workspace::Workspace,
};

const HELP: &str = "\
Runs test programs many times, one run after the other, and tells how often each failed.

Usage: cargo xtask repeat [OPTIONS]

Options:
      --times N    How often to run each program; 50 if left out
      --busy N     How many threads to keep busy meanwhile; none if left out
      --timing     Only the programs that hold real time against a limit
      --only WORD  Only programs whose name (hitbox-redis/faults) contains it; may be given
                   several times
      --skip WORD  No program whose name contains it; may be given several times
      --list       Print the names of the programs, and run none
  -h, --help       Print this
";

/// The programs that hold real time against a limit.
const TIMING: [&str; 30] = [
    "hitbox-backend/offload",
    "hitbox-backend/offload_close",
    "hitbox-backend/offload_deferred",
    "hitbox-dynamodb/batches",
    "hitbox-dynamodb/composed_deadlines",
    "hitbox-dynamodb/connections",
    "hitbox-dynamodb/credentials",
    "hitbox-dynamodb/faults",
    "hitbox-dynamodb/outage",
    "hitbox-dynamodb/replies",
    "hitbox-moka/eviction",
    "hitbox-moka/sweep",
    "hitbox-redis/apart",
    "hitbox-redis/batches",
    "hitbox-redis/clocks",
    "hitbox-redis/cluster",
    "hitbox-redis/composed_deadlines",
    "hitbox-redis/deadlines",
    "hitbox-redis/errors",
    "hitbox-redis/failover",
    "hitbox-redis/faults",
    "hitbox-redis/log",
    "hitbox-redis/quiet",
    "hitbox-redis/repeats",
    "hitbox-redis/runtimes",
    "hitbox-sled/directory",
    "hitbox-sled/few_threads",
    "hitbox-sled/threads",
    "test-servers/proxy",
    "test-servers/redis",
];

#[derive(Debug)]
struct Options {
    times: u32,
    busy: usize,
    only: Vec<String>,
    skip: Vec<String>,
    action: Action,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Run,
    List,
}

/// How the runs of a program ended.
#[derive(Debug, Default)]
struct Tally {
    failed: u32,
    longest: Duration,
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let Some(options) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(Verdict::Passed);
    };
    let workspace = Workspace::load()?;
    let targets = ["--workspace", "--lib", "--bins", "--tests"];
    let mut programs = program::with_tests(&workspace, &targets)?;
    programs.retain(|program| program.is_test && options.wants(&name(program)));
    programs.sort_by_key(name);
    match options.action {
        Action::List => {
            programs
                .iter()
                .map(name)
                .for_each(|name| println!("{name}"));
            Ok(Verdict::Passed)
        }
        Action::Run => repeat(&programs, &options),
    }
}

fn parse(mut arguments: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        times: 50,
        busy: 0,
        only: Vec::new(),
        skip: Vec::new(),
        action: Action::Run,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("times") => options.times = arguments.value()?.parse()?,
            Arg::Long("busy") => options.busy = arguments.value()?.parse()?,
            Arg::Long("timing") => options.only.extend(TIMING.map(str::to_owned)),
            Arg::Long("only") => options.only.push(arguments.value()?.string()?),
            Arg::Long("skip") => options.skip.push(arguments.value()?.string()?),
            Arg::Long("list") => options.action = Action::List,
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        let contains = |word: &String| name.contains(word.as_str());
        (self.only.is_empty() || self.only.iter().any(contains)) && !self.skip.iter().any(contains)
    }
}

fn name(program: &Program) -> String {
    format!("{}/{}", program.package, program.name)
}

fn repeat(programs: &[Program], options: &Options) -> Result<Verdict, Failure> {
    let mut table = Table::new(["program", "runs", "failed", "longest"], 1);
    let mut failed = 0;
    beside_busy_threads(options.busy, || {
        for program in programs {
            let tally = repeat_one(program, options.times)?;
            failed += tally.failed;
            table.push([
                name(program),
                options.times.to_string(),
                tally.failed.to_string(),
                format!("{:.1} s", tally.longest.as_secs_f64()),
            ]);
        }
        Ok::<(), Failure>(())
    })?;
    print!("\n{}", table.render());
    let runs = options.times * u32::try_from(programs.len())?;
    println!("\n{} passed, {failed} failed", runs - failed);
    Ok(if failed == 0 {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

fn repeat_one(program: &Program, times: u32) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for round in 1..=times {
        let began = Instant::now();
        let output = program.command(&[]).stdin(Stdio::null()).output()?;
        tally.longest = tally.longest.max(began.elapsed());
        if !output.status.success() {
            tally.failed += 1;
            println!("\n{}, run {round}: {}", name(program), output.status);
            print!("{}", String::from_utf8_lossy(&output.stdout));
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    println!(
        "{}: {times} runs, {} failed, longest {:.1} s",
        name(program),
        tally.failed,
        tally.longest.as_secs_f64()
    );
    Ok(tally)
}

/// Does this while so many threads do nothing but use the processor.
fn beside_busy_threads<T>(threads: usize, work: impl FnOnce() -> T) -> T {
    /// Ends the threads however the work ends.
    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let _end = End(&ended);
        work()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Options {
        let words = std::iter::once("repeat").chain(words.iter().copied());
        parse(Parser::from_iter(words)).unwrap().unwrap()
    }

    #[test]
    fn programs_are_chosen_by_parts_of_their_names() {
        let all = parsed(&[]);
        assert!(all.wants("hitbox-core/hitbox_core") && all.times == 50);
        let some = parsed(&["--only", "redis/", "--skip", "faults", "--times", "3"]);
        assert!(some.wants("hitbox-redis/deadlines") && some.times == 3);
        assert!(!some.wants("hitbox-redis/faults") && !some.wants("hitbox-sled/bound"));
        let timing = parsed(&["--timing", "--busy", "2"]);
        assert!(timing.wants("hitbox-moka/sweep") && timing.busy == 2);
        assert!(!timing.wants("hitbox-backend/formats"));
    }

    #[test]
    fn every_program_that_holds_real_time_against_a_limit_is_there() {
        let workspace = Workspace::load().unwrap();
        for name in TIMING {
            let (package, program) = name.split_once('/').unwrap();
            let tests = workspace.root().join(package).join("tests");
            let file = tests.join(program).with_extension("rs");
            assert!(file.exists() || tests.join(program).exists(), "{name}");
        }
    }

    #[test]
    fn busy_threads_end_with_the_work() {
        assert_eq!(beside_busy_threads(2, || 7), 7);
    }
}
