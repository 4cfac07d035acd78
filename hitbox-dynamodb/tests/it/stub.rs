//! A server that answers as a test wants: what a real one cannot be made to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
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
    /// The reply begins, and goes on for ever.
    Endless,
    /// Something that is not HTTP.
    Noise,
    /// The connection is closed.
    HangUp,
    /// A reply with this date.
    Dated(&'static str, Value),
    /// A reply that takes so long.
    Late(Duration, Value),
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
    counts: Arc<Counts>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// How often the network has died.
    deaths: AtomicUsize,
    /// Of replies without end.
    bytes: AtomicUsize,
}

/// Counts a connection for as long as it is open.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_open.fetch_max(open, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stub {
    /// `answer` gets the operation ("GetItem"), the body, and how many requests came before.
    pub(crate) async fn start(
        answer: impl Fn(&str, Value, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let counts = Arc::new(Counts::default());
        let (answer, counter) = (Arc::new(answer), Arc::clone(&counts));
        let serving = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let (answer, counter) = (Arc::clone(&answer), Arc::clone(&counter));
                tokio::spawn(async move {
                    let _open = Open::new(&counter);
                    let born = counter.deaths.load(Ordering::SeqCst);
                    let answer = |operation: &str, body: Value| {
                        let before = counter.requests.fetch_add(1, Ordering::SeqCst);
                        // As packets are dropped: neither end is told.
                        match counter.deaths.load(Ordering::SeqCst) == born {
                            true => answer(operation, body, before),
                            false => Answer::Silence,
                        }
                    };
                    // A client that goes away is no failure.
                    let _ = serve(connection, answer, &counter.bytes).await;
                });
            }
        });
        Self {
            endpoint,
            counts,
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
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// How many connections there have been, and how many at a time.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (
            count(&self.counts.connections),
            count(&self.counts.most_open),
        )
    }

    /// How many bytes of replies without end have been taken since the last time.
    pub(crate) fn take_endless_bytes(&self) -> usize {
        self.counts.bytes.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// From now on nothing is said on the connections that there are. New ones work.
    pub(crate) fn kill_connections(&self) {
        self.counts.deaths.fetch_add(1, Ordering::SeqCst);
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
    endless_bytes: &AtomicUsize,
) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    while let Some((operation, body)) = request(&mut connection).await? {
        match answer(&operation, body) {
            Answer::Reply(status, body) => reply(&mut connection, status, "", &body).await?,
            Answer::Dated(date, body) => {
                let date = format!("date: {date}\r\n");
                reply(&mut connection, 200, &date, &body).await?;
            }
            Answer::Late(delay, body) => {
                tokio::time::sleep(delay).await;
                reply(&mut connection, 200, "", &body).await?;
            }
            Answer::Endless => {
                let head = "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n";
                connection.write_all(head.as_bytes()).await?;
                let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, " ".repeat(1 << 16));
                loop {
                    connection.write_all(chunk.as_bytes()).await?;
                    endless_bytes.fetch_add(chunk.len(), Ordering::SeqCst);
                }
            }
            Answer::Noise => {
                connection.write_all(b"220 mail.example ESMTP\r\n").await?;
                return Ok(());
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

async fn reply(
    connection: &mut BufReader<TcpStream>,
    status: u16,
    header: &str,
    body: &Value,
) -> std::io::Result<()> {
    let body = body.to_string();
    let reply = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.0\r\n{header}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(reply.as_bytes()).await
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
