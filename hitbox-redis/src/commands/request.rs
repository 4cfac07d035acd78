//! What can be sent on a connection, and what may be done when it comes to nothing.

use std::{future::Future, iter};

use redis::{Arg, Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};

use crate::error::{Cause, Failure, Reply, words::says_that_another_took_over};

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

    fn expects(&self) -> Expected;

    /// The key, if it reads the value of one.
    fn read_key(&self) -> Option<&[u8]>;
}

/// What is replied to a command that is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// A value, or none.
    Value,
    Done,
    Count,
    /// Whether a condition held.
    Conditional,
    /// What it is worth is seen later.
    Anything,
}

impl Expected {
    pub(crate) fn check(self, reply: Value) -> Reply {
        let fits = match self {
            Self::Value => matches!(reply, Value::BulkString(_) | Value::Nil),
            Self::Done => matches!(reply, Value::Okay),
            Self::Count => matches!(reply, Value::Int(_)),
            Self::Conditional => matches!(reply, Value::Okay | Value::Nil | Value::Int(_)),
            Self::Anything => true,
        };
        if fits {
            Ok(reply)
        } else {
            Err(Cause::UnexpectedReply.into())
        }
    }
}

/// One that reads.
impl Request for Cmd {
    type Reply = Value;

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn longest(&self) -> usize {
        strings(self).map(<[u8]>::len).max().unwrap_or(0)
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

    fn expects(&self) -> Expected {
        match self.read_key() {
            Some(_) => Expected::Value,
            None => Expected::Anything,
        }
    }

    fn read_key(&self) -> Option<&[u8]> {
        let mut strings = strings(self);
        strings.next().filter(|name| *name == b"GET")?;
        strings.next()
    }
}

fn strings(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    let mut arguments = command.args_iter();
    iter::from_fn(move || {
        arguments.next().map(|argument| match argument {
            Arg::Simple(bytes) => bytes,
            Arg::Cursor | _ => &[],
        })
    })
}

/// A command that changes something.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) command: Cmd,
    /// Of the longest string in it.
    pub(crate) longest: usize,
    pub(crate) expected: Expected,
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

    fn expects(&self) -> Expected {
        self.expected
    }

    fn read_key(&self) -> Option<&[u8]> {
        None
    }
}

/// Several commands, and one reply for each.
pub(crate) struct Several {
    pipeline: Pipeline,
    effect: Effect,
    longest: usize,
    expected: Vec<Expected>,
}

impl Several {
    pub(crate) fn of<S: Single>(commands: Vec<S>) -> Self {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        // Or the first error would take the place of all replies.
        pipeline.ignore_errors();
        let (mut effect, mut longest) = (Effect::Reads, 0);
        let expected = commands.iter().map(Single::expects).collect();
        for command in commands {
            effect = effect.and(command.effect());
            longest = longest.max(command.longest());
            pipeline.add_command(command.into_command());
        }
        Self {
            pipeline,
            effect,
            longest,
            expected,
        }
    }

    /// A command to a node that is about to get its slot.
    #[cfg(feature = "cluster")]
    pub(crate) fn asking(command: impl Single) -> Self {
        let (effect, longest) = (command.effect(), command.longest());
        let expected = vec![Expected::Anything, command.expects()];
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.ignore_errors();
        pipeline.cmd("ASKING").add_command(command.into_command());
        Self {
            pipeline,
            effect,
            longest,
            expected,
        }
    }

    pub(crate) fn expects(&self) -> &[Expected] {
        &self.expected
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
    pub(crate) fn one(self, expected: Expected) -> Reply {
        let reply = self.reply.and_then(|reply| expected.check(reply));
        doubted(reply, self.doubt.as_ref())
    }
}

impl Answer<Vec<RedisResult<Value>>> {
    /// The replies to the commands that expect these.
    pub(crate) fn each(self, expected: &[Expected]) -> Vec<Reply> {
        let Self { reply, doubt } = self;
        let failure = match reply {
            Ok(replies) if replies.len() == expected.len() => {
                let replies = replies.into_iter().zip(expected).map(|(reply, expected)| {
                    reply
                        .map_err(Failure::from)
                        .and_then(|reply| expected.check(reply))
                });
                return replies
                    .map(|reply| doubted(reply, doubt.as_ref()))
                    .collect();
            }
            Ok(_) => Cause::UnexpectedReply.into(),
            Err(failure) => failure,
        };
        vec![doubted(Err(failure), doubt.as_ref()); expected.len()]
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
