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
      --timing     Only the tests that hold real time against a limit
      --only WORD  Only programs whose name (hitbox-redis/it) contains it; may be given
                   several times
      --skip WORD  No program whose name contains it; may be given several times
      --list       Print the names of the programs, and run none
  -h, --help       Print this
";

/// All of them.
const TIMING: &[Timing] = &[
    Timing {
        program: "hitbox-backend/it",
        modules: &["offload"],
    },
    Timing {
        program: "hitbox-dynamodb/it",
        modules: &[
            "batches",
            "composed_deadlines",
            "connections",
            "credentials",
            "faults",
            "outage",
            "replies",
        ],
    },
    Timing {
        program: "hitbox-moka/it",
        modules: &["eviction", "sweep"],
    },
    Timing {
        program: "hitbox-quick-cache/it",
        modules: &["eviction", "sweep"],
    },
    Timing {
        program: "hitbox-redis/it",
        modules: &[
            "apart",
            "batches",
            "cluster",
            "composed_deadlines",
            "deadlines",
            "errors",
            "failover",
            "faults",
            "repeats",
            "runtimes",
        ],
    },
    Timing {
        program: "hitbox-redis/log",
        modules: &[],
    },
    Timing {
        program: "hitbox-sled/few_threads",
        modules: &[],
    },
    Timing {
        program: "hitbox-sled/it",
        modules: &["directory", "threads"],
    },
    Timing {
        program: "test-servers/proxy",
        modules: &[],
    },
    Timing {
        program: "test-servers/redis",
        modules: &[],
    },
];

/// Tests that hold real time against a limit.
struct Timing {
    program: &'static str,
    /// Where in the program they are; everywhere if empty.
    modules: &'static [&'static str],
}

#[derive(Debug)]
struct Options {
    times: u32,
    busy: usize,
    only: Vec<String>,
    skip: Vec<String>,
    tests: Tests,
    action: Action,
}

/// Which tests of the programs.
#[derive(Clone, Copy, Debug)]
enum Tests {
    All,
    Timing,
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
        tests: Tests::All,
        action: Action::Run,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("times") => options.times = arguments.value()?.parse()?,
            Arg::Long("busy") => options.busy = arguments.value()?.parse()?,
            Arg::Long("timing") => options.tests = Tests::Timing,
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
        (self.only.is_empty() || self.only.iter().any(contains))
            && !self.skip.iter().any(contains)
            && self.modules_of(name).is_some()
    }

    /// Where the tests are that are wanted of a program, everywhere if empty; `None` if none is wanted.
    fn modules_of(&self, name: &str) -> Option<&'static [&'static str]> {
        match self.tests {
            Tests::All => Some(&[]),
            Tests::Timing => {
                let of_this = TIMING.iter().find(|timing| timing.program == name);
                of_this.map(|timing| timing.modules)
            }
        }
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
            let tally = repeat_one(program, options)?;
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

fn repeat_one(program: &Program, options: &Options) -> Result<Tally, Failure> {
    let times = options.times;
    let modules = options.modules_of(&name(program)).unwrap_or_default();
    let filters: Vec<_> = modules.iter().map(|module| format!("{module}::")).collect();
    let filters: Vec<_> = filters.iter().map(String::as_str).collect();
    let mut tally = Tally::default();
    for round in 1..=times {
        let began = Instant::now();
        let output = program.command(&filters).stdin(Stdio::null()).output()?;
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
    use std::path::Path;

    use super::*;

    fn parsed(words: &[&str]) -> Options {
        let words = std::iter::once("repeat").chain(words.iter().copied());
        parse(Parser::from_iter(words)).unwrap().unwrap()
    }

    #[test]
    fn programs_are_chosen_by_parts_of_their_names() {
        let all = parsed(&[]);
        assert!(all.wants("hitbox-core/hitbox_core") && all.times == 50);
        let some = parsed(&["--only", "redis/", "--skip", "log", "--times", "3"]);
        assert!(some.wants("hitbox-redis/it") && some.times == 3);
        assert!(!some.wants("hitbox-redis/log") && !some.wants("hitbox-sled/it"));
        let timing = parsed(&["--timing", "--busy", "2"]);
        assert!(timing.wants("hitbox-moka/it") && timing.busy == 2);
        assert!(!timing.wants("hitbox-moka/allocator"));
        assert_eq!(
            timing.modules_of("hitbox-moka/it"),
            Some(["eviction", "sweep"].as_slice())
        );
    }

    #[test]
    fn every_test_that_holds_real_time_against_a_limit_is_there() {
        let workspace = Workspace::load().unwrap();
        // What backends in process have in common.
        let common = workspace.root().join("hitbox-backend/tests/in_process");
        let is_there = |path: &Path| path.with_extension("rs").exists() || path.is_dir();
        for Timing { program, modules } in TIMING {
            let (package, file) = program.split_once('/').unwrap();
            let tests = workspace.root().join(package).join("tests").join(file);
            assert!(is_there(&tests), "{program}");
            for module in *modules {
                let is_there = is_there(&tests.join(module)) || is_there(&common.join(module));
                assert!(is_there, "{program}, {module}");
            }
        }
    }

    #[test]
    fn busy_threads_end_with_the_work() {
        assert_eq!(beside_busy_threads(2, || 7), 7);
    }
}
