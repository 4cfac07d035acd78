//! Changes and their news, all or nothing.

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};

use crate::{
    commands::request::{Effect, Expected, Request},
    error::{Cause, Failure, Reply},
};

/// Transactions that are sent in one write. A server carries out each without a break, but for changes of it that fail one
/// by one.
pub(crate) struct Transactions {
    pipeline: Pipeline,
    sizes: Vec<Size>,
    longest: usize,
}

/// Of a transaction: what is expected of its changes, and how many commands announce them.
struct Size {
    changes: Vec<Expected>,
    news: usize,
}

/// What has come of a transaction.
pub(crate) enum Outcome {
    /// The changes have been announced. A reply may be an error.
    Done(Vec<Reply>),
    /// The changes may have been made, and have not been announced.
    Unannounced(RedisError),
    /// Nothing was done.
    Refused {
        /// What is wrong with each change, if anything is.
        changes: Vec<Option<RedisError>>,
        /// What is wrong with it otherwise.
        otherwise: RedisError,
    },
    UnexpectedReply,
}

impl Transactions {
    pub(crate) fn new(longest: usize) -> Self {
        let mut pipeline = Pipeline::new();
        // Or the first error would take the place of all replies.
        pipeline.ignore_errors();
        Self {
            pipeline,
            sizes: Vec::new(),
            longest,
        }
    }

    pub(crate) fn add(
        &mut self,
        changes: impl IntoIterator<Item = (Cmd, Expected)>,
        news: Vec<Cmd>,
    ) {
        let mut size = Size {
            changes: Vec::new(),
            news: news.len(),
        };
        // Not as the client's own transactions, which do not tell which of their commands was refused.
        self.pipeline.cmd("MULTI");
        for (command, expected) in changes {
            self.pipeline.add_command(command);
            size.changes.push(expected);
        }
        for command in news {
            self.pipeline.add_command(command);
        }
        self.pipeline.cmd("EXEC");
        self.sizes.push(size);
    }

    /// The changes of the first transaction.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Cmd, Expected)> {
        let expected = self.sizes.first().map(|size| size.changes.as_slice());
        let commands = self.pipeline.cmd_iter().skip(1);
        commands.zip(expected.unwrap_or_default().iter().copied())
    }

    /// What the replies say of each.
    pub(crate) fn outcomes(&self, replies: Vec<RedisResult<Value>>) -> Vec<Outcome> {
        let mut replies = replies.into_iter();
        let sizes = self.sizes.iter();
        sizes
            .map(|size| {
                let begun = replies.next();
                let queued = replies.by_ref().take(size.changes.len() + size.news);
                let queued = queued.map(Result::err).collect();
                match (begun, replies.next()) {
                    (Some(begun), Some(done)) => size.outcome(begun, queued, done),
                    _ => Outcome::UnexpectedReply,
                }
            })
            .collect()
    }
}

impl Size {
    fn outcome(
        &self,
        begun: RedisResult<Value>,
        mut queued: Vec<Option<RedisError>>,
        done: RedisResult<Value>,
    ) -> Outcome {
        // What was sent as a transaction was not one.
        if let Err(error) = begun {
            return Outcome::Unannounced(error);
        }
        let count = self.changes.len();
        match done {
            Ok(Value::Array(replies)) if replies.len() == queued.len() => self.done(replies),
            Ok(_) => Outcome::UnexpectedReply,
            Err(aborted) => {
                let news = queued.split_off(count).into_iter().flatten().next();
                Outcome::Refused {
                    changes: queued,
                    otherwise: news.unwrap_or(aborted),
                }
            }
        }
    }

    fn done(&self, mut replies: Vec<Value>) -> Outcome {
        for news in replies.split_off(self.changes.len()) {
            if let Value::ServerError(error) = news {
                return Outcome::Unannounced(error.into());
            }
        }
        let replies = replies.into_iter().zip(&self.changes);
        let replies = replies.map(|(reply, expected)| {
            if let Value::ServerError(error) = reply {
                return Err(Failure::from(RedisError::from(error)));
            }
            expected.check(reply)
        });
        Outcome::Done(replies.collect())
    }
}

impl Request for Transactions {
    type Reply = Vec<RedisResult<Value>>;

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn longest(&self) -> usize {
        self.longest
    }

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Self::Reply> {
        self.pipeline.query_async(connection).await
    }

    /// The last of them was refused, and so were the others.
    fn is_misplaced(reply: &RedisResult<Self::Reply>) -> bool {
        let Ok(replies) = reply else {
            return false;
        };
        replies.last().is_some_and(Result::is_err) && replies.iter().any(Cmd::is_misplaced)
    }
}

impl From<Outcome> for Result<Vec<Reply>, Failure> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done(replies) => Ok(replies),
            Outcome::Unannounced(error) => Err(Cause::Unannounced(error).into()),
            Outcome::Refused { otherwise, .. } => Err(otherwise.into()),
            Outcome::UnexpectedReply => Err(Cause::UnexpectedReply.into()),
        }
    }
}
