//! One request and its reply on the way: whether it was sent at all, how long the reply may be, and
//! what its date says of this machine's clock.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_dynamodb::{
    config::http::HttpRequest,
    error::{BoxError, ConnectorError},
};
use aws_smithy_runtime_api::client::{
    connection::CaptureSmithyConnection,
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

use crate::connection::clock_skew::ClockSkew;

/// The longest reply with one item: 400 KB, of which base64 makes a third more, and JSON of a key
/// that is full of escapes up to six times as much.
const LONGEST_REPLY: usize = 4 << 20;

/// The longest reply with many items, which are 16 MB at most.
const LONGEST_BATCH_REPLY: usize = 32 << 20;

/// A connector that watches what goes through it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) connector: SharedHttpConnector,
    pub(crate) proven: Arc<AtomicBool>,
    pub(crate) skew: Arc<ClockSkew>,
}

impl HttpConnector for Watched {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let longest = longest_reply(request.headers().get("x-amz-target"));
        let connection = connection_of(&mut request);
        let reply = self.connector.call(request);
        let (proven, skew) = (Arc::clone(&self.proven), Arc::clone(&self.skew));
        HttpConnectorFuture::new(async move {
            match reply.await {
                Ok(reply) => {
                    proven.store(true, Ordering::Relaxed);
                    skew.note(reply.headers().get("date"));
                    Ok(reply.map(|body| SdkBody::from_body_1_x(Limited::new(body, longest))))
                }
                Err(error) if connection.get().is_none() => Err(not_sent(error)),
                Err(error) => Err(error),
            }
        })
    }
}

fn longest_reply(operation: Option<&str>) -> usize {
    match operation {
        Some(operation) if operation.contains(".Batch") => LONGEST_BATCH_REPLY,
        Some(_) | None => LONGEST_REPLY,
    }
}

/// Tells later which connection the request was given to.
fn connection_of(request: &mut HttpRequest) -> CaptureSmithyConnection {
    if let Some(asked_for_already) = request.extension::<CaptureSmithyConnection>() {
        return asked_for_already.clone();
    }
    let connection = CaptureSmithyConnection::new();
    request.add_extension(connection.clone());
    connection
}

/// Says below an error that the request was never given to a connection.
#[derive(Debug)]
pub(crate) struct NotSent(BoxError);

fn not_sent(error: ConnectorError) -> ConnectorError {
    let (timeout, user, io, other) = (
        error.is_timeout(),
        error.is_user(),
        error.is_io(),
        error.as_other(),
    );
    let error: BoxError = NotSent(error.into()).into();
    if timeout {
        ConnectorError::timeout(error)
    } else if user {
        ConnectorError::user(error)
    } else if io {
        ConnectorError::io(error)
    } else {
        ConnectorError::other(error, other)
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was not sent")
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
