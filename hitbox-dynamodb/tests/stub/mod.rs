//! A server that answers as a test wants: what a real one cannot be made to do.
#![allow(
    dead_code,
    reason = "shared by several test binaries, none of which uses all of it"
)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exception for tests does not reach the functions they share"
)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The answer to one request.
pub(crate) enum Answer {
    Reply(u16, Value),
    /// The connection stays open and nothing is said.
    Silence,
    /// The reply begins, and does not go on.
    Half,
    /// The connection is closed.
    HangUp,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::Reply(200, body)
    }

    /// An error as DynamoDB reports it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::error_saying(status, code, "as the test wants it")
    }

    pub(crate) fn error_saying(status: u16, code: &str, message: &str) -> Self {
        let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
        Self::Reply(
            status,
            serde_json::json!({"__type": code, "message": message}),
        )
    }
}

/// Ends when it is dropped.
pub(crate) struct Stub {
    endpoint: String,
    requests: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Stub {
    /// `answer` gets the operation ("GetItem"), the body, and how many requests came before.
    pub(crate) async fn start(
        answer: impl Fn(&str, Value, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let (answer, counter) = (Arc::clone(&answer), Arc::clone(&counter));
                tokio::spawn(async move {
                    let answer = |operation: &str, body: Value| {
                        answer(operation, body, counter.fetch_add(1, Ordering::SeqCst))
                    };
                    // A client that goes away is no failure.
                    let _ = serve(connection, answer).await;
                });
            }
        });
        Self {
            endpoint,
            requests,
            serving,
        }
    }

    /// Takes connections and never says a word.
    pub(crate) async fn silent() -> Self {
        Self::start(|_, _, _| Answer::Silence).await
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    connection: TcpStream,
    answer: impl Fn(&str, Value) -> Answer,
) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    while let Some((operation, body)) = request(&mut connection).await? {
        match answer(&operation, body) {
            Answer::Reply(status, body) => {
                let body = body.to_string();
                let reply = format!(
                    "HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.0\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                connection.write_all(reply.as_bytes()).await?;
            }
            Answer::Silence => std::future::pending().await,
            Answer::Half => {
                let reply = "HTTP/1.1 200 -\r\ncontent-length: 100\r\n\r\n{\"Item\":";
                connection.write_all(reply.as_bytes()).await?;
                std::future::pending::<()>().await;
            }
            Answer::HangUp => return Ok(()),
        }
    }
    Ok(())
}

/// The operation and the body of the next request; `None` when the client is done.
async fn request(
    connection: &mut BufReader<TcpStream>,
) -> std::io::Result<Option<(String, Value)>> {
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "x-amz-target" => operation = value.rsplit('.').next().unwrap().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok(Some((operation, serde_json::from_slice(&body).unwrap())))
}
