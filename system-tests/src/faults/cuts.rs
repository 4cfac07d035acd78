//! Replies that break off after byte N, for every N.

use std::{sync::Arc, time::Duration};

use futures::future::{join, join_all, try_join_all};
use hitbox_backend::Backend;
use test_servers::proxy::{Ending, Fault};
use tokio::time::sleep;
use xtask::Failure;

use super::{
    caller::{Caller, Done, key},
    disturbed::{Arrangement, Disturbed},
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    stage::{Server, Stage},
};

/// How many places are tried at a time, each lane with a proxy and a backend of its own.
const LANES: usize = 4;

/// Read at the same time, over the connection that is cut.
const READ: [&str; 3] = ["one", "two", "three"];

/// Begins the names of what is written or removed.
const CHANGED: &str = "changed";

/// Whose replies break off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victims {
    /// Those on every connection, also on one that is opened for another attempt.
    All,
    /// Those on the connections that are open.
    Open,
}

/// What is answered when the reply breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Reads and a write at the same time: the others wait behind the first on the same connection.
    Several,
    /// A bulk read of the same names.
    ReadMany,
    Write,
    Remove,
}

impl Call {
    const ALL: [Self; 4] = [Self::Several, Self::ReadMany, Self::Write, Self::Remove];

    /// Makes it. Returns what became of the change of `changed`, if it is one.
    async fn make(self, caller: &Caller, changed: &str) -> Option<Done> {
        match self {
            Self::Several => {
                let reads = join_all(READ.iter().map(|name| caller.read(name, 1..=1)));
                let (_, done) = join(reads, caller.write(changed, 2)).await;
                Some(done)
            }
            Self::ReadMany => {
                caller.read_many(&READ, 1..=1).await;
                None
            }
            Self::Write => Some(caller.write(changed, 2).await),
            Self::Remove => Some(caller.remove(changed).await),
        }
    }

    /// The newest version that there may be of what it has changed.
    const fn newest(self) -> u64 {
        match self {
            Self::Several | Self::ReadMany | Self::Write => 2,
            Self::Remove => 1,
        }
    }
}

/// One way to cut.
#[derive(Clone, Copy)]
struct Cut {
    server: Server,
    arrangement: Arrangement,
    victims: Victims,
    ending: Ending,
    call: Call,
}

impl Cut {
    fn all() -> impl Iterator<Item = Self> {
        let arrangements = [Arrangement::Alone, Arrangement::DEFAULT, Arrangement::RACE];
        let mut all = Vec::new();
        for server in Server::ALL {
            for arrangement in arrangements {
                for victims in [Victims::All, Victims::Open] {
                    for ending in [Ending::Close, Ending::Reset] {
                        all.extend(Call::ALL.map(|call| Self {
                            server,
                            arrangement,
                            victims,
                            ending,
                            call,
                        }));
                    }
                }
            }
        }
        all.into_iter()
    }

    fn belongs_to(self, depth: Depth) -> bool {
        let worst = self.victims == Victims::All && self.ending == Ending::Reset;
        let mildest = self.victims == Victims::All && self.ending == Ending::Close;
        let alone = self.arrangement == Arrangement::Alone;
        match (depth, self.call) {
            (Depth::Long, Call::Several) => true,
            // Which way a connection ends is tried often enough.
            (Depth::Long, _) => self.ending == Ending::Reset || alone && mildest,
            // All that open connections can do to a backend by itself, and the worst to a composition.
            (Depth::Short, Call::Several) => {
                let open = self.victims == Victims::Open && self.ending == Ending::Reset;
                alone && (mildest || open) || worst && self.arrangement == Arrangement::DEFAULT
            }
            (Depth::Short, Call::ReadMany) => alone && worst,
            (Depth::Short, Call::Write | Call::Remove) => {
                worst && (alone || self.arrangement == Arrangement::DEFAULT)
            }
        }
    }
}

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let wanted = Cut::all().filter(|cut| cut.belongs_to(depth));
    wanted.map(scenario).collect()
}

fn scenario(cut: Cut) -> Scenario {
    let whom = match cut.victims {
        Victims::All => "every connection",
        Victims::Open => "the open connection",
    };
    let how = match cut.ending {
        Ending::Close => "closed",
        Ending::Reset => "reset",
    };
    let to = match cut.call {
        Call::Several => "",
        Call::ReadMany => " to a bulk read",
        Call::Write => " to a write",
        Call::Remove => " to a remove",
    };
    let name = format!(
        "{}: {whom} {how} at byte N of the reply{to}",
        cut.arrangement.of(cut.server)
    );
    Scenario::new(
        name,
        move |stage| async move { everywhere(&stage, cut).await },
    )
}

async fn everywhere(stage: &Arc<Stage>, cut: Cut) -> Result<Outcome, Failure> {
    let length = reply_length(stage, cut).await?;
    let step = match cut.server {
        Server::Redis => 1,
        Server::DynamoDb => stage.depth.of(17, 1),
    };
    let end = match (cut.server, cut.call) {
        // Beyond the first reply too: others wait behind it on the same connection.
        (Server::Redis, Call::Several) => length * stage.depth.of(1, 2),
        _ => length,
    };
    let lanes = (0..LANES).map(|lane| {
        let places = (0..=end).step_by(step).skip(lane).step_by(LANES);
        along(stage, cut, places)
    });
    let mut whole = Record::default();
    for record in try_join_all(lanes).await? {
        whole.absorb(record);
    }
    Ok(Outcome::Ran(whole))
}

/// How long the reply is that breaks off: of several the first one, to the read of one value.
async fn reply_length(stage: &Stage, cut: Cut) -> Result<usize, Failure> {
    let disturbed = Disturbed::new(stage, cut.server, Arrangement::Alone).await?;
    for name in READ {
        disturbed.put(name, 1).await?;
    }
    disturbed.put(CHANGED, 1).await?;
    disturbed.until_up().await?;
    let before = disturbed.proxy.reply_bytes();
    match cut.call {
        Call::Several => _ = disturbed.layer.read(&key(READ[0])).await?,
        Call::ReadMany | Call::Write | Call::Remove => {
            cut.call.make(&disturbed.caller, CHANGED).await;
        }
    }
    // The proxy counts what it has passed on a moment after the caller has it.
    sleep(Duration::from_millis(50)).await;
    let length = usize::try_from(disturbed.proxy.reply_bytes() - before)?;
    match disturbed.caller.into_record().violations() {
        [] if length > 0 => Ok(length),
        violations => Err(format!("a reply of {length} bytes; {violations:?}").into()),
    }
}

async fn along(
    stage: &Stage,
    cut: Cut,
    places: impl Iterator<Item = usize>,
) -> Result<Record, Failure> {
    let disturbed = Disturbed::new(stage, cut.server, cut.arrangement).await?;
    for name in READ {
        disturbed.put(name, 1).await?;
    }
    let after = disturbed.caller.another();
    for place in places {
        cut_at(&disturbed, &after, cut, place)
            .await
            .map_err(|failure| format!("at byte {place}: {failure}"))?;
    }
    let mut record = disturbed.caller.into_record();
    record.absorb_afterwards(after.into_record());
    Ok(record)
}

async fn cut_at(
    disturbed: &Disturbed,
    after: &Caller,
    cut: Cut,
    place: usize,
) -> Result<(), Failure> {
    let changed = format!("{CHANGED} {place}");
    disturbed.put(&changed, 1).await?;
    for name in READ {
        disturbed.evict(name).await?;
    }
    let open = disturbed.proxy.connections();
    disturbed.proxy.follow(move |connection| match cut.victims {
        Victims::Open if connection >= open => Fault::Nothing,
        Victims::Open | Victims::All => Fault::EndAfter(place, cut.ending),
    });
    let done = cut.call.make(&disturbed.caller, &changed).await;

    disturbed.proxy.heal();
    let recovery = disturbed.until_up().await?;
    after.record().recovered(recovery);
    for name in READ {
        disturbed.evict(name).await?;
        after.finds(name, 1).await;
    }
    disturbed.evict(&changed).await?;
    if let Some(done) = done {
        let oldest = disturbed.arrangement.oldest_after(&done, 1, 2);
        after.read(&changed, oldest..=cut.call.newest()).await;
    }
    Ok(())
}
