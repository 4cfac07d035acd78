use std::{future::Future, io, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
};
use tokio::time::timeout;

/// How long to wait.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For a reply.
    pub(crate) response: Duration,
}

#[cfg(feature = "cluster")]
impl Limits {
    /// For a connection and a reply over it.
    pub(crate) fn longest(self) -> Duration {
        self.connect + self.response
    }
}

/// Opens a connection that many tasks can send on at a time.
pub(crate) async fn connect(client: &Client, limits: Limits) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits.connect))
        // The link has a timer for each request already; another would cost each as much again.
        .set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    // Also here: the client's own limit is not for the name look-up, nor for the login.
    match timeout(limits.connect, connecting).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(RedisError::from(io::Error::new(
            io::ErrorKind::TimedOut,
            "no connection in time",
        ))),
    }
}

/// What can be sent on a connection.
pub(crate) trait Request: Sync {
    type Reply: Send;

    fn send(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> impl Future<Output = RedisResult<Self::Reply>> + Send;
}

impl Request for Cmd {
    type Reply = Value;

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        self.query_async(connection).await
    }
}

/// One reply for each command. The pipeline must have been told to ignore errors, or the first
/// would take the place of all replies.
impl Request for Pipeline {
    type Reply = Vec<RedisResult<Value>>;

    async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Self::Reply> {
        self.query_async(connection).await
    }
}
