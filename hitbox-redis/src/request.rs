//! What can be sent on a connection, and what may be done when it comes to nothing.

use std::future::Future;

use redis::{Arg, Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};

use crate::{
    error::{Cause, Failure, Reply},
    words::says_that_another_took_over,
};

/// What a request does to the server.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    /// Nothing: it may be sent as often as one likes.
    Reads,
    /// If it is sent again, the first attempt may take effect after the second, and after what others
    /// have sent since.
    Changes,
}

/// What can be sent on a connection.
pub(crate) trait Request: Sync {
    type Reply: Send;

    fn effect(&self) -> Effect;

    /// The length of the longest string in it, be it a key or a value.
    fn longest(&self) -> usize;

    fn send(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> impl Future<Output = RedisResult<Self::Reply>> + Send;

    /// Whether nothing was done because the server is no longer the right one.
    fn is_misplaced(reply: &RedisResult<Self::Reply>) -> bool;
}

/// One command.
pub(crate) trait Single: Request<Reply = Value> + Send {
    fn into_command(self) -> Cmd;
}

/// One that reads.
impl Request for Cmd {
    type Reply = Value;

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn longest(&self) -> usize {
        let lengths = self.args_iter().map(|argument| match argument {
            Arg::Simple(bytes) => bytes.len(),
            Arg::Cursor | _ => 0,
        });
        lengths.max().unwrap_or(0)
    }

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        self.query_async(connection).await
    }

    fn is_misplaced(reply: &RedisResult<Value>) -> bool {
        reply.as_ref().is_err_and(says_that_another_took_over)
    }
}

impl Single for Cmd {
    fn into_command(self) -> Cmd {
        self
    }
}

/// A command that changes something.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) command: Cmd,
    /// Of the longest string in it.
    pub(crate) longest: usize,
}

impl Request for Change {
    type Reply = Value;

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn longest(&self) -> usize {
        self.longest
    }

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        self.command.query_async(connection).await
    }

    fn is_misplaced(reply: &RedisResult<Value>) -> bool {
        Cmd::is_misplaced(reply)
    }
}

impl Single for Change {
    fn into_command(self) -> Cmd {
        self.command
    }
}

/// Several commands, and one reply for each.
pub(crate) struct Several {
    pipeline: Pipeline,
    effect: Effect,
    longest: usize,
}

impl Several {
    pub(crate) fn of<S: Single>(commands: Vec<S>) -> Self {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        // Or the first error would take the place of all replies.
        pipeline.ignore_errors();
        let (mut effect, mut longest) = (Effect::Reads, 0);
        for command in commands {
            effect = effect.and(command.effect());
            longest = longest.max(command.longest());
            pipeline.add_command(command.into_command());
        }
        Self {
            pipeline,
            effect,
            longest,
        }
    }

    /// A command to a node that is about to get its slot.
    #[cfg(feature = "cluster")]
    pub(crate) fn asking(command: impl Single) -> Self {
        let (effect, longest) = (command.effect(), command.longest());
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.ignore_errors();
        pipeline.cmd("ASKING").add_command(command.into_command());
        Self {
            pipeline,
            effect,
            longest,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pipeline.len()
    }
}

impl Effect {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Reads, Self::Reads) => Self::Reads,
            (Self::Changes, _) | (_, Self::Changes) => Self::Changes,
        }
    }
}

impl Request for Several {
    type Reply = Vec<RedisResult<Value>>;

    fn effect(&self) -> Effect {
        self.effect
    }

    fn longest(&self) -> usize {
        self.longest
    }

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Self::Reply> {
        self.pipeline.query_async(connection).await
    }

    /// If only some are, sending those again would change the order.
    fn is_misplaced(reply: &RedisResult<Self::Reply>) -> bool {
        reply
            .as_ref()
            .is_ok_and(|replies| !replies.is_empty() && replies.iter().all(Cmd::is_misplaced))
    }
}

/// What has come of a request.
pub(crate) struct Answer<R> {
    pub(crate) reply: Result<R, Failure>,
    /// Why an earlier attempt at a change is in doubt.
    pub(crate) doubt: Option<Failure>,
}

impl Answer<Value> {
    /// The reply to the one command.
    pub(crate) fn one(self) -> Reply {
        doubted(self.reply, self.doubt.as_ref())
    }
}

impl Answer<Vec<RedisResult<Value>>> {
    /// The replies to so many commands.
    pub(crate) fn each(self, count: usize) -> Vec<Reply> {
        let Self { reply, doubt } = self;
        let failure = match reply {
            Ok(replies) if replies.len() == count => {
                let replies = replies
                    .into_iter()
                    .map(|reply| reply.map_err(Failure::from));
                return replies
                    .map(|reply| doubted(reply, doubt.as_ref()))
                    .collect();
            }
            Ok(_) => Cause::UnexpectedReply.into(),
            Err(failure) => failure,
        };
        vec![doubted(Err(failure), doubt.as_ref()); count]
    }
}

/// The reply to a change of which an earlier attempt may still take effect.
pub(crate) fn doubted(reply: Reply, doubt: Option<&Failure>) -> Reply {
    let Some(first) = doubt else {
        return reply;
    };
    Err(Failure::from(Cause::Repeated {
        first: Box::new(first.clone()),
        last: Box::new(reply),
    }))
}
