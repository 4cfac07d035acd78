//! What the server does for a read or a write: commands, and time of its CPU.

use crate::{
    Case, Extent, Failure, Runner, Target, Unit,
    bodies::{Size, Text},
    runtime,
    sampling::{self, Sample},
};

use super::{
    MANY, Operation,
    client::{Client, Stage},
};

/// Of each side between two looks at the server.
const TIMES: u64 = 4_000;

/// What the server says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// Commands carried out, but for those that ask it.
    Commands,
    /// Nanoseconds of its CPU.
    Cpu,
}

impl Figure {
    const fn unit(self) -> Unit {
        match self {
            Self::Commands => Unit::Count,
            Self::Cpu => Unit::CpuNanoseconds,
        }
    }

    async fn of(self, client: &Client) -> Result<f64, Failure> {
        let section = match self {
            Self::Commands => "commandstats",
            Self::Cpu => "cpu",
        };
        let mut command = redis::cmd("INFO");
        command.arg(section);
        let told: String = command.query_async(&mut client.connection.clone()).await?;
        Ok(match self {
            Self::Commands => commands(&told),
            Self::Cpu => seconds(&told) * 1e9,
        })
    }
}

/// From `cmdstat_get:calls=12,usec=...`.
fn commands(told: &str) -> f64 {
    let calls = told.lines().filter_map(|line| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse::<f64>().ok()?;
        (command != "info").then_some(calls)
    });
    calls.sum()
}

/// From `used_cpu_sys:1.5` and `used_cpu_user:0.5`.
fn seconds(told: &str) -> f64 {
    let used = told.lines().filter_map(|line| {
        let (name, seconds) = line.split_once(':')?;
        let ours = ["used_cpu_sys", "used_cpu_user"].contains(&name);
        ours.then(|| seconds.trim().parse::<f64>().ok())?
    });
    used.sum()
}

/// What `figure` grows by for one operation, in samples of both sides in turn.
fn measure(
    figure: Figure,
    operation: Operation,
    tasks: usize,
    extent: Extent,
) -> Result<Vec<Sample>, Failure> {
    let samples = match extent {
        Extent::Quick => 10,
        Extent::Full => 40,
    };
    let stage = Stage::new(runtime()?)?;
    let observer = stage.raw()?;
    let mut ours = operation.ours::<Text>(&stage, tasks, Size::ONE_KB)?;
    let mut floor = operation.floor::<Text>(&stage, tasks, Size::ONE_KB)?;
    let look = |runner: &mut Runner| {
        runner.prepare()?;
        let before = stage.runtime.block_on(figure.of(&observer))?;
        runner.run(TIMES)?;
        let after = stage.runtime.block_on(figure.of(&observer))?;
        Ok::<_, Failure>((after - before) / TIMES as f64)
    };
    look(&mut ours)?;
    look(&mut floor)?;
    let sample = |number| sampling::in_turn(number, || look(&mut ours), || look(&mut floor));
    (0..samples).map(sample).collect()
}

fn case(figure: Figure, operation: Operation, tasks: usize) -> Case {
    let what = match figure {
        Figure::Commands => "commands for one",
        Figure::Cpu => "CPU of the server for one",
    };
    let plural = if tasks == 1 { "task" } else { "tasks" };
    let name = format!("redis/{}/{what}/{tasks} {plural}", operation.name());
    Case::measured(name, figure.unit(), move |extent| {
        measure(figure, operation, tasks, extent)
    })
}

pub(super) fn cases() -> Vec<Case> {
    let cpu = |tasks| case(Figure::Cpu, Operation::Read, tasks).target(Target::at_most(1.02));
    let mut cases = vec![cpu(MANY).quick(), cpu(1)];
    // How many losers of a race have got to the server when it is asked is left to chance.
    let counted = |operation: &Operation| !matches!(operation, Operation::Race(_));
    for operation in Operation::ALL.into_iter().filter(counted) {
        let commands = case(Figure::Commands, operation, 1);
        cases.push(commands.target(Target::exactly()).quick());
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_is_added_up() {
        let told = "# Commandstats\r\ncmdstat_get:calls=12,usec=3\r\ncmdstat_info:calls=5,usec=1\r\n\
                    cmdstat_client|setinfo:calls=2,usec=1\r\n";
        assert_eq!(commands(told), 14.0);
        let told =
            "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:0.25\r\nused_cpu_sys_children:9.0\r\n";
        assert_eq!(seconds(told), 1.75);
    }
}
