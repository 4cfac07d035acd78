//! Puts faults to links, the server and processes, all three at the same time, as the seed has it.

use std::time::Duration;

use fastrand::Rng;
use test_servers::proxy::{Direction, Ending, Fault as OfProxy};
use tokio::time::sleep;
use xtask::Failure;

use super::{
    fault::{Done, Fault, Forgetting, Window},
    fleet::{Fleet, Links},
    record::now,
    server::Server,
    worker::PROCESSES,
};

const ALL: u32 = (1 << PROCESSES) - 1;

/// A link is late by no more than this: what is on its way longer might arrive after what was sent later, by another way.
const LATEST: Duration = Duration::from_millis(40);

/// What is drawn from a seed, in times that suit a bound.
pub(super) struct Dice {
    random: Rng,
    bound: Duration,
}

impl Dice {
    pub(super) const fn new(random: Rng, bound: Duration) -> Self {
        Self { random, bound }
    }

    fn fork(&mut self) -> Self {
        Self::new(self.random.fork(), self.bound)
    }

    /// Between so many bounds, but in these milliseconds.
    fn time(&mut self, bounds: [f64; 2], millis: [u64; 2]) -> Duration {
        let [least, most] = bounds;
        let bounds = least + (most - least) * self.random.f64();
        let [shortest, longest] = millis.map(Duration::from_millis);
        self.bound.mul_f64(bounds).clamp(shortest, longest)
    }
}

/// Until `end`, by [`now`]: faults, one after the other of each kind, until the round is over.
pub(super) async fn disturb(
    server: &mut Server,
    links: &[Links],
    fleet: &mut Fleet,
    mut dice: Dice,
    end: u64,
) -> Result<Done, Failure> {
    let (of_links, of_processes) = (dice.fork(), dice.fork());
    let (by_links, by_server, by_processes) = tokio::join!(
        disturb_links(links, of_links, end),
        disturb_server(server, dice, end),
        disturb_processes(fleet, of_processes, end),
    );
    let mut done = by_server?;
    done.windows.extend(by_links);
    done.windows.extend(by_processes?);
    Ok(done)
}

/// Each of these in turn, in an order that changes from time to time.
struct Deck<'f> {
    all: &'f [Fault],
    left: Vec<Fault>,
}

impl<'f> Deck<'f> {
    const fn of(all: &'f [Fault]) -> Self {
        Self {
            all,
            left: Vec::new(),
        }
    }

    fn draw(&mut self, random: &mut Rng) -> Fault {
        if self.left.is_empty() {
            self.left.extend(self.all);
            random.shuffle(&mut self.left);
        }
        // There is one: no deck is empty.
        self.left.pop().unwrap_or(self.all[0])
    }
}

async fn disturb_links(links: &[Links], mut dice: Dice, end: u64) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut deck = Deck::of(&Fault::OF_LINKS);
    while !links.is_empty() && now() < end {
        sleep(dice.time([0.2, 1.5], [10, 400])).await;
        let fault = deck.draw(&mut dice.random);
        let processes = dice.random.u32(1..=ALL);
        let hurt = || {
            let numbered = links.iter().enumerate();
            numbered.filter_map(|(number, links)| (processes & 1 << number != 0).then_some(links))
        };
        let from = now();
        for links in hurt() {
            let (of_store, of_listener) = put(fault, &mut dice);
            links.store.set(of_store);
            links.listener.set(of_listener);
        }
        sleep(dice.time([0.3, 4.0], [30, 1_500])).await;
        for links in hurt() {
            links.store.heal();
            links.listener.heal();
        }
        windows.push(Window {
            fault,
            processes,
            from,
            until: now(),
        });
    }
    windows
}

/// What a fault does to the link of the store, and to that of the listener.
fn put(fault: Fault, dice: &mut Dice) -> (OfProxy, OfProxy) {
    // Requests arrive, whatever becomes of the replies.
    let hang = OfProxy::Hang(Direction::Replies);
    let cut = OfProxy::End(match dice.random.bool() {
        true => Ending::Close,
        false => Ending::Reset,
    });
    let late = OfProxy::Latency(dice.time([0.1, 1.0], [2, LATEST.as_millis() as u64]));
    let very_late = OfProxy::Latency(dice.time([0.1, 1.5], [2, 300]));
    let nothing = OfProxy::Nothing;
    match fault {
        Fault::ListenerHangs => (nothing, hang),
        Fault::ListenerCut => (nothing, cut),
        Fault::ListenerLate => (nothing, very_late),
        Fault::StoreHangs => (hang, nothing),
        Fault::StoreCut => (cut, nothing),
        Fault::StoreLate => (late, nothing),
        Fault::Partition => (hang, hang),
        Fault::ClientsKilled
        | Fault::ProcessPaused
        | Fault::ProcessReplaced
        | Fault::ServerPaused
        | Fault::ServerRestarted
        | Fault::Flushed
        | Fault::LogDeleted
        | Fault::LogTrimmed
        | Fault::FailedOver => (nothing, nothing),
    }
}

async fn disturb_server(server: &mut Server, mut dice: Dice, end: u64) -> Result<Done, Failure> {
    let mut done = Done::default();
    let faults = match server {
        Server::One(_) => &Fault::OF_SERVER[..],
        Server::Watched(_) => {
            sleep(dice.time([4.0, 8.0], [500, 3_000])).await;
            let window = put_to_server(Fault::FailedOver, server, &mut dice).await?;
            done.forgetting = Some(Forgetting {
                from: window.from,
                until: window.until,
            });
            done.windows.push(window);
            &Fault::OF_MASTER
        }
    };
    let mut deck = Deck::of(faults);
    while now() < end {
        sleep(dice.time([1.0, 4.0], [100, 700])).await;
        let fault = deck.draw(&mut dice.random);
        let window = put_to_server(fault, server, &mut dice).await?;
        done.windows.push(window);
    }
    Ok(done)
}

async fn put_to_server(
    fault: Fault,
    server: &mut Server,
    dice: &mut Dice,
) -> Result<Window, Failure> {
    let from = now();
    match fault {
        Fault::ClientsKilled => server.say("CLIENT KILL TYPE normal").await?,
        Fault::ServerPaused => server.pause(dice.time([0.5, 3.0], [50, 900])).await?,
        Fault::ServerRestarted => server.restart(dice.time([0.0, 1.0], [0, 200])).await?,
        Fault::Flushed => server.say("FLUSHALL").await?,
        Fault::LogDeleted => server.delete_log().await?,
        Fault::LogTrimmed => server.trim_log(dice.random.usize(..4)).await?,
        Fault::FailedOver => server.fail_over().await?,
        Fault::ListenerHangs
        | Fault::ListenerCut
        | Fault::ListenerLate
        | Fault::StoreHangs
        | Fault::StoreCut
        | Fault::StoreLate
        | Fault::Partition
        | Fault::ProcessPaused
        | Fault::ProcessReplaced => return Err(format!("no fault of a server: {fault:?}").into()),
    }
    Ok(Window {
        fault,
        processes: ALL,
        from,
        until: now(),
    })
}

async fn disturb_processes(
    fleet: &mut Fleet,
    mut dice: Dice,
    end: u64,
) -> Result<Vec<Window>, Failure> {
    let mut windows = Vec::new();
    let mut deck = Deck::of(&Fault::OF_PROCESSES);
    loop {
        sleep(dice.time([1.0, 5.0], [200, 800])).await;
        if now() >= end {
            return Ok(windows);
        }
        let number = dice.random.usize(..PROCESSES);
        let from = now();
        let fault = deck.draw(&mut dice.random);
        let processes = if fault == Fault::ProcessReplaced {
            fleet.replace(number)?;
            ALL
        } else {
            let time = dice.time([0.5, 5.0], [40, 1_500]);
            fleet.pause(number, time).await?;
            1 << number
        };
        windows.push(Window {
            fault,
            processes,
            from,
            until: now(),
        });
    }
}
