//! `cargo xtask coherence`.

mod composed;
mod disturbing;
mod fault;
mod fleet;
mod judge;
mod record;
mod report;
mod round;
mod server;
mod settings;
mod truth;
mod worker;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};

use xtask::{Failure, Verdict};

use report::Report;
use round::Round;
use server::{Replica, Server};
use settings::Broken;

const HELP: &str = "\
Lets eight processes change and read the same keys, each through a coherent composition of its own over one server, while links,
server and processes are disturbed; and holds every hit of an L1 against when newer values had been confirmed.

Usage: cargo xtask coherence [OPTIONS]

Options:
      --minutes N    For so long, in place of one
      --bound MS     Only with this bound, in milliseconds, in place of 20, 100, 250 and 1000
      --failover     Only with a replica that takes the place of its master, in place of some rounds of both
      --seed N       The seed of the first round; with --bound and without --minutes, of the only one
      --break NAME   Break what is checked: `loose` has bounds of half a minute, `deaf` does not listen
      --json FILE    Write the totals to FILE, too
  -h, --help         Print this

Times decide much of what happens, so a seed plays the same faults again, and not the same reads.

Redis is redis-server or valkey-server on PATH, else valkey from a Python wheel, else from apt (root), always servers of the
run's own.
";

const BOUNDS: [u64; 4] = [20, 100, 250, 1_000];

/// How long a round lasts if there is one of each kind, and if there is time for more.
const SHORT: Duration = Duration::from_secs(9);
const LONG: Duration = Duration::from_secs(25);

/// The bound of short rounds with a failover, which takes some seconds.
const BOUND_OF_FAILOVER: Duration = Duration::from_millis(250);

/// For so long it is seen whether what is broken is found.
const CONTROL: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    minutes: Option<u64>,
    bound: Option<Duration>,
    only_failover: bool,
    seed: Option<u64>,
    broken: Option<Broken>,
    json: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Help,
    Run(Request),
    /// To be one of the processes, told by this.
    Process(String),
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let request = match parse(arguments)? {
        Wanted::Help => {
            print!("{HELP}");
            return Ok(Verdict::Passed);
        }
        Wanted::Process(settings) => {
            worker::run(&settings)?;
            return Ok(Verdict::Passed);
        }
        Wanted::Run(request) => request,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = play(&request) => report,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                Err(Failure::from("interrupted"))
            }
        }
    })?;
    print!("{report}");
    if let Some(file) = &request.json {
        fs::write(file, report.to_json())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(match report.complaints().is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed,
    })
}

async fn play(request: &Request) -> Result<Report, Failure> {
    let began = Instant::now();
    let mut first = Server::start(Replica::None).await?;
    println!("redis: {}", first.description()?);
    drop(first);
    let seed = request.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("seed: {seed}");
    let mut report = Report::default();
    let is_whole = request.bound.is_none() && request.broken.is_none();
    if is_whole {
        for round in controls(seed) {
            let found = round.play().await?;
            let (broken, wrong) = (round.broken.map_or("", Broken::name), found.violations());
            println!(
                "broken on purpose ({broken}): {wrong} of {} hits are wrong",
                found.hits
            );
            report.add_control(round, found);
        }
    }
    for round in request.rounds(seed) {
        if let Some(minutes) = request.minutes
            && began.elapsed() + round.lasts > Duration::from_secs(60 * minutes)
        {
            break;
        }
        let found = round.play().await?;
        println!(
            "{:?} ({:.0} s): {} hits, stalest {:.1} ms, {} wrong; again: {}",
            round.bound,
            round.lasts.as_secs_f64(),
            found.hits,
            found.stalest.as_secs_f64() * 1e3,
            found.violations(),
            round.replay(),
        );
        report.add(round, &found);
    }
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    Ok(report)
}

fn controls(seed: u64) -> [Round; 2] {
    Broken::ALL.map(|broken| Round {
        bound: Duration::from_millis(BOUNDS[0]),
        replica: Replica::None,
        seed,
        lasts: CONTROL,
        broken: Some(broken),
    })
}

impl Request {
    /// Once all kinds of rounds, or again and again if that is to go on.
    fn rounds(&self, seed: u64) -> impl Iterator<Item = Round> + use<> {
        let kinds = self.kinds();
        let (lasts, broken) = (self.lasts(), self.broken);
        let count = match self.minutes {
            Some(_) => usize::MAX,
            None => kinds.len(),
        };
        let numbered = kinds.into_iter().cycle().take(count).zip(0_u64..);
        numbered.map(move |((bound, replica), number)| Round {
            bound,
            replica,
            seed: seed.wrapping_add(number),
            lasts,
            broken,
        })
    }

    fn lasts(&self) -> Duration {
        match (self.minutes, self.bound) {
            (None, None) => SHORT,
            (Some(_), _) | (_, Some(_)) => LONG,
        }
    }

    fn kinds(&self) -> Vec<(Duration, Replica)> {
        let bounds = match self.bound {
            Some(bound) => vec![bound],
            None => BOUNDS.map(Duration::from_millis).to_vec(),
        };
        let of = |replica| bounds.iter().map(move |bound| (*bound, replica));
        match (self.only_failover, self.bound, self.minutes) {
            (true, _, _) => of(Replica::Watched).collect(),
            (false, Some(_), None) => of(Replica::None).collect(),
            (false, None, None) => {
                let failover = [(BOUND_OF_FAILOVER, Replica::Watched)];
                of(Replica::None).chain(failover).collect()
            }
            (false, _, Some(_)) => {
                let mut all: Vec<_> = of(Replica::None).collect();
                all.extend(of(Replica::Watched));
                all.extend(of(Replica::None));
                all
            }
        }
    }
}

fn parse(mut arguments: Parser) -> Result<Wanted, lexopt::Error> {
    let mut request = Request::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Wanted::Help),
            Arg::Long("process") => return Ok(Wanted::Process(arguments.value()?.string()?)),
            Arg::Long("minutes") => request.minutes = Some(arguments.value()?.parse()?),
            Arg::Long("bound") => {
                request.bound = Some(Duration::from_millis(arguments.value()?.parse()?));
            }
            Arg::Long("failover") => request.only_failover = true,
            Arg::Long("seed") => request.seed = Some(arguments.value()?.parse()?),
            Arg::Long("break") => {
                let name = arguments.value()?.string()?;
                let broken = Broken::named(&name);
                request.broken = Some(broken.ok_or("the breaks are `loose` and `deaf`")?);
            }
            Arg::Long("json") => request.json = Some(PathBuf::from(arguments.value()?)),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Wanted::Run(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &[&str]) -> Request {
        let Wanted::Run(request) = parse(Parser::from_args(words)).unwrap() else {
            panic!("{words:?}");
        };
        request
    }

    #[test]
    fn arguments_say_which_rounds_there_are() {
        let all: Vec<_> = request(&[]).rounds(5).collect();
        assert_eq!(all.len(), BOUNDS.len() + 1);
        assert_eq!(all[1].seed, 6);
        assert_eq!(all[4].replica, Replica::Watched);
        let long: Vec<_> = request(&["--minutes", "60"]).rounds(5).take(13).collect();
        let watched: Vec<_> = long
            .iter()
            .map(|one| one.replica == Replica::Watched)
            .collect();
        assert_eq!(watched.iter().position(|is_watched| *is_watched), Some(4));
        assert_eq!(watched.iter().filter(|is_watched| **is_watched).count(), 4);
        assert!(parse(Parser::from_args(["--break", "nothing"])).is_err());
    }

    /// With what it says itself.
    #[test]
    fn a_round_is_played_again() {
        for replica in [Replica::None, Replica::Watched] {
            let round = Round {
                bound: Duration::from_millis(100),
                replica,
                seed: 77,
                lasts: LONG,
                broken: None,
            };
            let command = round.replay();
            let words: Vec<_> = command.split(' ').skip(3).collect();
            let request = request(&words);
            let again: Vec<_> = request.rounds(request.seed.unwrap()).collect();
            assert_eq!(again, [round]);
        }
    }
}
