//! The processes, and the links between them and the server.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use test_servers::{proxy::Proxy, redis::RedisSentinels};
use tokio::time::sleep;
use xtask::Failure;

use super::{
    record::now,
    server::Server,
    settings::{Broken, Place, Settings},
    worker::PROCESSES,
};

/// How long a process may take to end after it was told to.
const END_LIMIT: u64 = 20_000_000_000;

/// The links of one process.
pub(super) struct Links {
    pub(super) store: Proxy,
    pub(super) listener: Proxy,
}

impl Links {
    /// Those of all processes; none where sentinels say where the server is.
    pub(super) async fn of(server: &mut Server) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        if let Server::One(_) = server {
            let address = server.address()?;
            for _ in 0..PROCESSES {
                all.push(Self {
                    store: Proxy::start(address).await?,
                    listener: Proxy::start(address).await?,
                });
            }
        }
        Ok(all)
    }
}

/// All processes.
pub(super) struct Fleet {
    plan: Plan,
    processes: Vec<Process>,
    /// Which process has written which.
    pub(super) journals: Vec<(usize, PathBuf)>,
}

/// What all processes of a fleet have in common, and each one's place.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) bound: Duration,
    pub(super) broken: Option<Broken>,
    pub(super) directory: PathBuf,
    places: Vec<Place>,
}

impl Plan {
    pub(super) fn new(
        seed: u64,
        bound: Duration,
        broken: Option<Broken>,
        directory: &Path,
        links: &[Links],
        server: &Server,
    ) -> Self {
        let places = match server {
            Server::One(_) => {
                let url = |proxy: &Proxy| format!("redis://{}", proxy.address());
                let place = |links: &Links| Place::Links {
                    store: url(&links.store),
                    listener: url(&links.listener),
                };
                links.iter().map(place).collect()
            }
            Server::Watched(watched) => {
                vec![Place::Sentinels(RedisSentinels::urls(watched)); PROCESSES]
            }
        };
        Self {
            seed,
            bound,
            broken,
            directory: directory.to_owned(),
            places,
        }
    }
}

impl Fleet {
    pub(super) fn start(plan: Plan) -> Result<Self, Failure> {
        let mut fleet = Self {
            processes: Vec::new(),
            journals: Vec::new(),
            plan,
        };
        for number in 0..PROCESSES {
            let process = fleet.spawn(number, 0)?;
            fleet.processes.push(process);
        }
        Ok(fleet)
    }

    fn spawn(&mut self, number: usize, incarnation: u32) -> Result<Process, Failure> {
        let plan = &self.plan;
        let journal = plan.directory.join(format!("{number}-{incarnation}"));
        let seed = plan.seed ^ (number as u64) << 8 ^ u64::from(incarnation) << 16;
        let place = plan.places.get(number).ok_or("a process without a place")?;
        let settings = Settings {
            number,
            incarnation,
            seed,
            bound: plan.bound,
            broken: plan.broken,
            place: place.clone(),
            journal: journal.clone(),
        };
        let mut child = Command::new(env::current_exe()?)
            .args(["coherence", "--process", &settings.to_json()])
            .stdin(Stdio::piped())
            .spawn()?;
        self.journals.push((number, journal));
        Ok(Process {
            input: child.stdin.take(),
            child,
            incarnation,
        })
    }

    pub(super) async fn pause(&self, number: usize, time: Duration) -> Result<(), Failure> {
        let process = &self.processes[number];
        process.signal(Signal::STOP)?;
        sleep(time).await;
        process.signal(Signal::CONT)
    }

    /// Kills a process, and starts another one in its place.
    pub(super) fn replace(&mut self, number: usize) -> Result<(), Failure> {
        let process = &mut self.processes[number];
        process.child.kill()?;
        // Only then can nothing of it be under way that another one would overtake.
        process.child.wait()?;
        let incarnation = process.incarnation + 1;
        let process = self.spawn(number, incarnation)?;
        self.processes[number] = process;
        Ok(())
    }

    /// Tells all processes to end, and waits until they have. What they have written.
    pub(super) async fn end(mut self) -> Result<Vec<(usize, PathBuf)>, Failure> {
        for process in &mut self.processes {
            process.input = None;
        }
        let told = now();
        for (number, process) in self.processes.iter_mut().enumerate() {
            let status = loop {
                if let Some(status) = process.child.try_wait()? {
                    break status;
                }
                if now() - told > END_LIMIT {
                    return Err(format!("process {number} does not end").into());
                }
                sleep(Duration::from_millis(2)).await;
            };
            if !status.success() {
                return Err(format!("process {number} has failed: {status}").into());
            }
        }
        Ok(self.journals)
    }
}

/// A process, which is killed when this is dropped.
struct Process {
    child: Child,
    /// It goes on until this is closed, also if that is by the death of this process.
    input: Option<ChildStdin>,
    incarnation: u32,
}

impl Process {
    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
