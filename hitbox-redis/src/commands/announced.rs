//! Changes that are announced.

use std::sync::Arc;

use hitbox_core::{CacheKey, Stamp};
use redis::{Cmd, RedisError};
use tokio::time::Instant;

use crate::{
    announcer::Announcer,
    commands::{
        batched::{Batched, Replies},
        learned::ALWAYS_TAKEN,
        request::{Change, Expected, Several, doubted},
        transaction::{Outcome, Transactions},
    },
    connection::link::Link,
    error::{Cause, Failure, Reply},
};

/// So many changes go together at most: nobody else is served until they are made.
const MOST_TOGETHER: usize = 1_000;

/// A change, and what is announced of it.
pub(crate) struct Announced {
    pub(crate) change: Change,
    pub(crate) key: CacheKey,
    pub(crate) stamp: Stamp,
    pub(crate) announcer: Arc<Announcer>,
}

/// Changes as one transaction, and what it takes to make others of them.
pub(crate) struct Together {
    transaction: Transactions,
    changed: Vec<(CacheKey, Stamp)>,
    longest: usize,
    announcer: Option<Arc<Announcer>>,
}

impl Batched for Announced {
    type Packed = Together;

    fn length(&self) -> usize {
        self.change.longest + self.key.as_text().len()
    }

    fn pack(changes: Vec<Self>) -> Together {
        let announcer = changes.first().map(|first| Arc::clone(&first.announcer));
        let longest = changes.iter().map(|change| change.change.longest);
        let longest = longest.max().unwrap_or(0);
        let changed = changes.iter().map(|change| (&change.key, change.stamp));
        let news = announcer.as_ref().map(|announcer| announcer.news(changed));
        let mut changed = Vec::with_capacity(changes.len());
        let mut transaction = Transactions::new(longest);
        let commands = changes.into_iter().map(|announced| {
            changed.push((announced.key, announced.stamp));
            (announced.change.command, announced.change.expected)
        });
        transaction.add(commands, news.unwrap_or_default());
        Together {
            transaction,
            changed,
            longest,
            announcer,
        }
    }

    async fn exchange(
        packed: Arc<Together>,
        link: Link,
        until: Instant,
        doubt: Option<Failure>,
    ) -> Replies {
        let count = packed.changed.len();
        let Some(announcer) = &packed.announcer else {
            return Vec::new();
        };
        let mut course = Course {
            together: &packed,
            announcer,
            link: &link,
            until,
            doubt,
        };
        let replies = course.run().await;
        debug_assert_eq!(replies.len(), count, "each change has its reply");
        replies
    }
}

/// How changes are made, from the first attempt to the last.
struct Course<'a> {
    together: &'a Together,
    announcer: &'a Announcer,
    link: &'a Link,
    until: Instant,
    doubt: Option<Failure>,
}

impl Course<'_> {
    async fn run(&mut self) -> Replies {
        let count = self.together.changed.len();
        let sent = self.send(&self.together.transaction).await;
        let outcome = sent.and_then(|mut outcomes| outcomes.pop().ok_or(unexpected()));
        let replies = match outcome {
            Ok(Outcome::Done(replies)) => replies,
            Ok(Outcome::Refused { changes, otherwise }) if count == 1 => {
                let refused = changes.into_iter().next().flatten();
                vec![self.one_refused(0, refused, otherwise).await]
            }
            // One that is refused must not fail the others.
            Ok(Outcome::Refused { .. }) => self.one_by_one().await,
            Ok(outcome) => {
                let failed = self.failed(outcome).await;
                vec![Err(failed); count]
            }
            Err(failure) => vec![Err(failure); count],
        };
        let (doubt, address) = (self.doubt.as_ref(), self.link.address());
        let replies = replies.into_iter();
        let replies = replies.map(|reply| doubted(reply, doubt));
        replies
            .map(|reply| reply.map_err(|failure| failure.at(address)))
            .collect()
    }

    /// Each change in a transaction of its own.
    async fn one_by_one(&mut self) -> Replies {
        let count = self.together.changed.len();
        let mut each = Transactions::new(self.together.longest);
        let changes = self.together.transaction.changes();
        for ((command, expected), (key, stamp)) in changes.zip(&self.together.changed) {
            let news = self.announcer.news([(key, *stamp)]);
            each.add([(command.clone(), expected)], news);
        }
        let outcomes = match self.send(&each).await {
            Ok(outcomes) => outcomes,
            Err(failure) => return vec![Err(failure); count],
        };
        let mut replies = Vec::with_capacity(count);
        for (number, outcome) in outcomes.into_iter().enumerate() {
            replies.push(match outcome {
                Outcome::Done(mut replies) => replies.pop().unwrap_or(Err(unexpected())),
                Outcome::Refused { changes, otherwise } => {
                    let refused = changes.into_iter().next().flatten();
                    self.one_refused(number, refused, otherwise).await
                }
                outcome @ (Outcome::Unannounced(_) | Outcome::UnexpectedReply) => {
                    Err(self.failed(outcome).await)
                }
            });
        }
        replies
    }

    /// A change that has not been made. A full server queues nothing, not even a remove.
    async fn one_refused(
        &mut self,
        number: usize,
        refused: Option<RedisError>,
        otherwise: RedisError,
    ) -> Reply {
        let error = refused.unwrap_or(otherwise);
        let changes = &mut self.together.transaction.changes();
        match changes.nth(number) {
            Some((command, Expected::Count)) if error.code() == Some("OOM") => {
                self.remove_with_gap(command.clone()).await
            }
            _ => Err(error.into()),
        }
    }

    /// Removes, and tells all who listen that there may have been a change, in one write: that needs no memory.
    async fn remove_with_gap(&mut self, remove: Cmd) -> Reply {
        let change = |command, expected| Change {
            command,
            longest: self.together.longest,
            expected,
        };
        let log = &self.announcer.log;
        let changes = vec![
            change(remove, Expected::Count),
            change(log.clear(), Expected::Count),
        ];
        let request = Several::of(changes);
        let doubt = self.doubt.take();
        let answer = self.link.send(&request, self.until, doubt).await;
        self.doubt = answer.doubt;
        let [removed, cleared] = answer.reply?.try_into().map_err(|_| unexpected())?;
        if let Err(error) = cleared
            && self.link.one(&log.remove(), self.until).await.is_err()
        {
            return Err(Cause::Unannounced(error).into());
        }
        Expected::Count.check(removed?)
    }

    /// Others have to be told by a gap of what they were not told otherwise.
    async fn failed(&self, outcome: Outcome) -> Failure {
        let log = &self.announcer.log;
        if let Outcome::Unannounced(_) = &outcome
            && self.link.one(&log.clear(), self.until).await.is_err()
        {
            let _whoever_listens_gets_errors = self.link.one(&log.remove(), self.until).await;
        }
        match outcome.into() {
            Err(failure) => failure,
            Ok(_) => unexpected(),
        }
    }

    async fn send(&mut self, transactions: &Transactions) -> Result<Vec<Outcome>, Failure> {
        let doubt = self.doubt.take();
        let answer = self.link.send(transactions, self.until, doubt).await;
        self.doubt = answer.doubt;
        let outcomes = transactions.outcomes(answer.reply?);
        Ok(outcomes)
    }
}

fn unexpected() -> Failure {
    Cause::UnexpectedReply.into()
}

/// The replies to changes, in their order. What is long goes by itself.
pub(crate) async fn announced_in_turn(
    link: &Link,
    changes: Vec<Announced>,
    until: Instant,
) -> Replies {
    let mut replies = Vec::with_capacity(changes.len());
    let mut run = Vec::new();
    for change in changes {
        let is_long = change.change.longest >= ALWAYS_TAKEN;
        if is_long || run.len() == MOST_TOGETHER {
            replies.extend(together(link, std::mem::take(&mut run), until).await);
        }
        if is_long {
            replies.extend(together(link, vec![change], until).await);
        } else {
            run.push(change);
        }
    }
    replies.extend(together(link, run, until).await);
    replies
}

pub(crate) async fn together(link: &Link, changes: Vec<Announced>, until: Instant) -> Replies {
    if changes.is_empty() {
        return Vec::new();
    }
    let packed = Arc::new(Announced::pack(changes));
    Announced::exchange(packed, link.clone(), until, None).await
}
