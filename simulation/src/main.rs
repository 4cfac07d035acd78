//! Deterministic simulation: a composition of two faulty layers, in random histories that a seed decides,
//! against a reference model. `cargo xtask model` runs it.

mod audit;
mod cached;
mod campaign;
mod coherent;
mod composed;
mod data;
mod execution;
mod finding;
mod keys;
mod laboratory;
mod layer;
mod nested;
mod panics;
mod place;
mod plan;
mod reference;
mod rules;
mod scene;
mod seeds;
mod setting;
mod shrink;
mod step;
mod store;
mod summary;
mod task;
mod world;

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hitbox_scenarios::{ReadKind, WriteKind};
use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, Verdict};

use campaign::{Extent, Field};
use rules::{PolicyPair, RepairKind};
use setting::{Layers, Subject};
use summary::Summary;

const HELP: &str = "\
Lets tasks call a composition of two faulty layers in random histories, and checks every answer
against a reference model: what may be read after what has been written, removed, failed, dropped
and lost. Runs under every read and write policy.

Usage: cargo xtask model [OPTIONS]

Options:
      --operations N   Operations for each pair of policies (default 200,000; of a cache a fifth;
                       of fleets a history for every 500)
      --minutes N      Go on for this long instead
      --seed S         Start from this seed (default: drawn from the clock, and printed)
      --read POLICY    With this read policy only: sequential, race, parallel
      --write POLICY   With this write policy only: sequential, optimistic, race, strict
      --repair POLICY  With this repair policy only: background, on-next-operation, never
      --calls OF       Calls of this only: backend, cache, fleet (default: all)
      --layers KIND    With these layers only: memory, moka, sled (default: mixed)
      --json FILE      Write the totals to FILE
  -h, --help           Print this

An operation is a read, write or remove, single or in bulk, or what disturbs it: time that passes, a
clock that is set, a failure, a healing, a dropped call, a restart, an eviction, an effect that arrives
late. A step that finds nothing to do is none: a healing of a layer that is well, say. In some
histories a layer is a composition of two layers itself, by policies of its own.

With mixed layers each store is drawn by itself: of 100, 73 are in memory, 25 are moka's, 2 sled's.

Calls of a cache are made of a hitbox::Cache over such a composition: get-or-load, single and in bulk,
refreshes, inserts, removes and expiries, by loaders that fail, hang and panic, and callers that leave or are
not polled. Every answer is judged by which load it is of: nothing from before what had been invalidated
when the call began, no load too many, nobody held, no failure that takes anything away, no times but those
that a value was loaded with.

A fleet is processes, from two to a thousand, each with coherent L1s over one store and one log of news, in virtual
time: messages that are late, hang and are lost, processes that stand still, a log that loses entries. No L1 may answer
with what had been replaced longer ago than its bound, and no process may be given something older than before. Policies
and layers are the seed's. Then each rule is broken on purpose, until that is found.

A history that breaks a rule is shortened and printed, with the command that repeats it. A history is
decided by its seed, its policies and its layers alone. A repair policy that is asked for takes the place
of the one that the seed has drawn.
";

#[derive(Clone, Debug, PartialEq)]
struct Options {
    operations: u64,
    minutes: Option<f64>,
    seed: Option<u64>,
    read: Option<ReadKind>,
    write: Option<WriteKind>,
    repair: Option<RepairKind>,
    layers: Layers,
    calls: Option<Calls>,
    json: Option<PathBuf>,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    Backend,
    Cache,
    Fleet,
}

impl Calls {
    const ALL: [Self; 3] = [Self::Backend, Self::Cache, Self::Fleet];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Cache => "cache",
            Self::Fleet => "fleet",
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            operations: 200_000,
            minutes: None,
            seed: None,
            read: None,
            write: None,
            repair: None,
            layers: Layers::Mixed,
            calls: None,
            json: None,
        }
    }
}

fn main() -> ExitCode {
    xtask::end(run(Parser::from_env()))
}

fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let Some(options) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(Verdict::Passed);
    };
    let (summary, of_cache, of_fleet) = check(&options)?;
    if let Some(file) = &options.json {
        fs::write(file, summary.to_json(&of_cache, &of_fleet))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(
        match summary.violations() + of_cache.violations() + of_fleet.violations() {
            0 => Verdict::Passed,
            _ => Verdict::Failed,
        },
    )
}

/// Runs the histories that are asked for, and prints what was found.
fn check(options: &Options) -> Result<(Summary, cached::Summary, coherent::Summary), Failure> {
    let seed = options.seed.unwrap_or_else(seed_from_the_clock);
    println!("model: seed {seed}");
    let began = Instant::now();
    let (of_backend, of_cache) = subjects(options);
    // All get their share of the time.
    let share = match options.calls {
        None => 1.0 / 3.0,
        Some(_) => 1.0,
    };
    let until = |minutes: f64| Instant::now() + Duration::from_secs_f64(minutes * 60.0 * share);
    let extent = match options.minutes {
        None => Extent::Operations(options.operations),
        Some(minutes) => Extent::Until(until(minutes)),
    };
    let fields = of_backend.into_iter().map(Field::new).collect();
    let fields = campaign::run(fields, seed, extent)?;
    let summary = Summary::new(seed, fields, began.elapsed());
    print!("{summary}");
    let asked = match options.minutes {
        // Each takes as long as several of a backend.
        None => cached::Asked::Operations(options.operations.div_ceil(5)),
        Some(minutes) => cached::Asked::Until(until(minutes)),
    };
    let of_cache = cached::run(of_cache, seed, asked)?;
    print!("{of_cache}");
    let asked = match (options.minutes, calls(options, Calls::Fleet)) {
        (_, false) => coherent::Asked::Histories(0),
        (None, true) => coherent::Asked::Histories(options.operations.div_ceil(500)),
        (Some(minutes), true) => coherent::Asked::Until(until(minutes)),
    };
    let mut of_fleet = coherent::run(seed, asked);
    if options.operations > 1 && calls(options, Calls::Fleet) {
        of_fleet.break_rules(seed);
    }
    print!("{of_fleet}");
    Ok((summary, of_cache, of_fleet))
}

fn seed_from_the_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // Seeds follow one upon the other: runs of the same day must not share them.
    now.map_or(0, |now| now.as_micros() as u64)
}

/// Whether this is to be called.
fn calls(options: &Options, of: Calls) -> bool {
    options.calls.is_none_or(|only| only == of)
}

/// What backends and what caches are called under.
fn subjects(options: &Options) -> (Vec<Subject>, Vec<Subject>) {
    let pairs = PolicyPair::all().filter(|pair| {
        options.read.is_none_or(|read| read == pair.read)
            && options.write.is_none_or(|write| write == pair.write)
    });
    let of_pair = |policies| Subject {
        policies,
        layers: options.layers,
        repair: options.repair,
    };
    let all: Vec<_> = pairs.map(of_pair).collect();
    let if_called = |of| match calls(options, of) {
        true => all.clone(),
        false => Vec::new(),
    };
    (if_called(Calls::Backend), if_called(Calls::Cache))
}

/// The options, or `None` if help is asked for.
fn parse(mut arguments: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("operations") => options.operations = arguments.value()?.parse()?,
            Arg::Long("minutes") => options.minutes = Some(minutes(&arguments.value()?.string()?)?),
            Arg::Long("seed") => options.seed = Some(arguments.value()?.parse()?),
            Arg::Long("read") => {
                let name = arguments.value()?.string()?;
                options.read = Some(named(&name, ReadKind::ALL, ReadKind::as_str)?);
            }
            Arg::Long("write") => {
                let name = arguments.value()?.string()?;
                options.write = Some(named(&name, WriteKind::ALL, WriteKind::as_str)?);
            }
            Arg::Long("repair") => {
                let name = arguments.value()?.string()?;
                options.repair = Some(named(&name, RepairKind::ALL, RepairKind::as_str)?);
            }
            Arg::Long("layers") => {
                let name = arguments.value()?.string()?;
                options.layers = named(&name, Layers::ALL, Layers::as_str)?;
            }
            Arg::Long("calls") => {
                let name = arguments.value()?.string()?;
                options.calls = Some(named(&name, Calls::ALL, Calls::as_str)?);
            }
            Arg::Long("json") => options.json = Some(PathBuf::from(arguments.value()?)),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok();
    // A century: more overflows what can be waited for.
    let bounded = minutes.filter(|minutes| (0.0..52_560_000.0).contains(minutes));
    bounded.ok_or_else(|| format!("{text:?} is not a number of minutes"))
}

fn named<T: Copy, const N: usize>(
    name: &str,
    all: [T; N],
    name_of: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| name_of(*one) == name);
    found.ok_or_else(|| {
        let names = all.map(name_of).join(", ");
        format!("there is no {name:?}; there are: {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::{laboratory::Laboratory, plan::Plan, setting::StoreKind, world::Telling, *};

    fn parsed(arguments: &[&str]) -> Result<Option<Options>, String> {
        parse(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_replay_is_one_history() {
        let arguments = [
            "--read=race",
            "--write=strict",
            "--layers=moka",
            "--repair=never",
            "--seed=7",
            "--operations=1",
        ];
        let options = parsed(&arguments).unwrap().unwrap();
        let (subjects, _) = subjects(&options);
        assert_eq!(subjects.len(), 1);
        assert_eq!(subjects[0].layers, Layers::All(StoreKind::Moka));
        assert_eq!(subjects[0].policies.to_string(), "race/strict");
        assert_eq!(subjects[0].repair, Some(RepairKind::Never));
        let fields = subjects.into_iter().map(Field::new).collect();
        let extent = Extent::Operations(options.operations);
        let done = campaign::run(fields, options.seed.unwrap(), extent).unwrap();
        assert_eq!(done[0].totals.histories, 1);
        let [background, on_next_operation, never] = done[0].totals.under_repair;
        assert_eq!((background, on_next_operation), (0, 0));
        assert_eq!(never, done[0].totals.operations());
    }

    /// The first layer is a composition that knows of a newer write, and answers later.
    #[test]
    fn in_a_race_over_layers_that_differ_the_one_that_answers_first_is_right() {
        let options = Options {
            read: Some(ReadKind::Race),
            write: Some(WriteKind::Strict),
            ..Options::default()
        };
        let seed = 1_970_759_361_428_326_355;
        let (subjects, _) = subjects(&options);
        let fields = subjects.into_iter().map(Field::new).collect();
        let done = campaign::run(fields, seed, Extent::Operations(1)).unwrap();
        let totals = &done[0].totals;
        assert_eq!((totals.histories, totals.findings.len()), (1, 0));
    }

    #[test]
    fn an_unknown_policy_is_answered_with_the_known_ones() {
        let error = parsed(&["--write", "optimist"]).unwrap_err();
        assert!(
            error.contains("sequential, optimistic, race, strict"),
            "{error}"
        );
        assert!(parsed(&["--minutes", "-1"]).is_err());
        assert!(parsed(&["--minutes", "0.5", "--help"]).unwrap().is_none());
    }

    #[test]
    fn every_pair_runs_over_stores_of_every_kind_and_of_several() {
        let (subjects, of_cache) = subjects(&Options::default());
        assert_eq!((subjects.len(), of_cache.len()), (12, 12));
        // Two stores out of three kinds, in either order.
        let mut pairs = std::collections::HashSet::new();
        for seed in 0..20_000 {
            let plan = Plan::new(&subjects[0], seed);
            let stores = plan.setting.stores();
            pairs.insert([stores[0].as_str(), stores[1].as_str()]);
        }
        assert_eq!(pairs.len(), 9);
    }

    /// The same in every detail that a trace shows, by another thread, too.
    #[test]
    fn the_same_seed_has_the_same_history() {
        let traces = || {
            let mut laboratory = Laboratory::new().unwrap();
            let mut traces = Vec::new();
            for layers in Layers::ALL {
                for (seed, policies) in PolicyPair::all().enumerate() {
                    let subject = Subject {
                        policies,
                        layers,
                        repair: None,
                    };
                    let plan = Plan::new(&subject, seed as u64);
                    traces.extend(laboratory.run(&plan, Telling::Traced).unwrap().trace);
                }
            }
            traces
        };
        let other = std::thread::spawn(traces);
        let (one, two) = (traces(), other.join().unwrap());
        assert!(one.len() > 1_000);
        let differs = one.iter().zip(&two).position(|(one, two)| one != two);
        assert_eq!(
            differs,
            None,
            "{:?}",
            differs.map(|at| (&one[at], &two[at]))
        );
        assert_eq!(one.len(), two.len());
    }
}
