//! Replies that break off after byte N, for every N.

use std::sync::Arc;

use futures::future::{join, join_all, try_join_all};
use hitbox_backend::Backend;
use test_servers::proxy::{Ending, Fault};

use super::{
    caller::{Caller, key},
    disturbed::{Arrangement, Disturbed},
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    stage::{Server, Stage},
};
use crate::Failure;

/// How many places are tried at a time, each lane with a proxy and a backend of its own.
const LANES: usize = 4;

/// Read at the same time, over the connection that is cut.
const READ: [&str; 3] = ["one", "two", "three"];

/// Whose replies break off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victims {
    /// Those on every connection, also on one that is opened for another attempt.
    All,
    /// Those on the connections that are open.
    Open,
}

/// One way to cut.
#[derive(Clone, Copy)]
struct Cut {
    server: Server,
    arrangement: Arrangement,
    victims: Victims,
    ending: Ending,
}

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let mut all = Vec::new();
    for server in Server::ALL {
        for arrangement in [Arrangement::Alone, Arrangement::DEFAULT, Arrangement::RACE] {
            for victims in [Victims::All, Victims::Open] {
                for ending in [Ending::Close, Ending::Reset] {
                    // In the short form all that open connections can do to a backend by itself,
                    // and the worst to a composition.
                    let short = match (arrangement, victims, ending) {
                        (Arrangement::Alone, Victims::All, Ending::Close)
                        | (Arrangement::Alone, Victims::Open, Ending::Reset) => true,
                        (_, Victims::All, Ending::Reset) => arrangement == Arrangement::DEFAULT,
                        _ => false,
                    };
                    if short || depth == Depth::Long {
                        all.push(scenario(Cut {
                            server,
                            arrangement,
                            victims,
                            ending,
                        }));
                    }
                }
            }
        }
    }
    all
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
    let name = format!(
        "{}: {whom} {how} at byte N of the reply",
        cut.arrangement.of(cut.server)
    );
    Scenario::new(
        name,
        move |stage| async move { everywhere(&stage, cut).await },
    )
}

async fn everywhere(stage: &Arc<Stage>, cut: Cut) -> Result<Outcome, Failure> {
    let length = reply_length(stage, cut.server).await?;
    let step = match cut.server {
        Server::Redis => 1,
        Server::DynamoDb => stage.depth.of(17, 1),
    };
    let end = match cut.server {
        // Beyond the first reply too: others wait behind it on the same connection.
        Server::Redis => length * stage.depth.of(1, 2),
        Server::DynamoDb => length,
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

/// How long the reply to the read of one value is.
async fn reply_length(stage: &Stage, server: Server) -> Result<usize, Failure> {
    let disturbed = Disturbed::new(stage, server, Arrangement::Alone).await?;
    disturbed.put("one", 1).await?;
    disturbed.until_up().await?;
    let before = disturbed.proxy.reply_bytes();
    disturbed.layer.read(&key("one")).await?;
    Ok(usize::try_from(disturbed.proxy.reply_bytes() - before)?)
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
    let written = format!("written {place}");
    disturbed.put(&written, 1).await?;
    for name in READ {
        disturbed.evict(name).await?;
    }
    let open = disturbed.proxy.connections();
    disturbed.proxy.follow(move |connection| match cut.victims {
        Victims::Open if connection >= open => Fault::Nothing,
        Victims::Open | Victims::All => Fault::EndAfter(place, cut.ending),
    });
    let caller = &disturbed.caller;
    let (_, outcome) = join(
        join_all(READ.iter().map(|name| caller.read(name, 1..=1))),
        caller.write(&written, 2),
    )
    .await;

    disturbed.proxy.heal();
    let recovery = disturbed.until_up().await?;
    after.record().recovered(recovery);
    for name in READ {
        disturbed.evict(name).await?;
        after.finds(name, 1).await;
    }
    disturbed.evict(&written).await?;
    let oldest = disturbed.arrangement.oldest_after(&outcome, 1, 2);
    after.read(&written, oldest..=2).await;
    Ok(())
}
