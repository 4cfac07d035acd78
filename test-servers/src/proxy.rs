//! A TCP proxy that disturbs the connections that go through it.

mod connection;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use connection::Connection;

/// What the proxy does to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Passes everything on.
    #[default]
    Nothing,
    /// Passes everything on this much later, in both directions.
    Latency(Duration),
    /// Holds back what comes in this direction, with the connection open. What was held back is
    /// passed on once the fault is another.
    Hang(Direction),
    /// Passes on this many bytes of replies, counted from when the fault was set or the connection
    /// was opened, and ends the connection when there are more.
    EndAfter(usize, Ending),
    /// Ends the connection at once, or as soon as it is opened.
    End(Ending),
    /// Passes everything on in pieces of one byte.
    Slices,
}

/// The ways that bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Replies,
    /// Both.
    Both,
}

/// How a connection ends for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, as if the server had closed it.
    Close,
    /// With a reset, as if the server's machine had forgotten it.
    Reset,
}

/// The faults in force: by the connection's number.
#[derive(Clone)]
struct Script {
    fault: Arc<dyn Fn(u64) -> Fault + Send + Sync>,
    /// Tells this script from those before it.
    number: u64,
}

/// A proxy in front of a server on this machine. It passes everything on until it is told
/// otherwise, and ends with its connections when it is dropped.
///
/// It runs on the tokio runtime that it was started on.
pub struct Proxy {
    address: SocketAddr,
    script: watch::Sender<Script>,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    reply_bytes: AtomicU64,
}

impl Proxy {
    /// A proxy on a random port of the loopback interface, in front of `server`.
    ///
    /// # Errors
    ///
    /// If no port can be listened on.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script = watch::Sender::new(Script {
            fault: Arc::new(|_| Fault::Nothing),
            number: 0,
        });
        let counts = Arc::<Counts>::default();
        let accepting = accept(listener, server, script.subscribe(), Arc::clone(&counts));
        Ok(Self {
            address,
            script,
            counts,
            accepting: tokio::spawn(accepting),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this to every connection, open or to come.
    pub fn set(&self, fault: Fault) {
        self.follow(move |_| fault);
    }

    /// Passes everything on again, and what was held back.
    pub fn heal(&self) {
        self.set(Fault::Nothing);
    }

    /// Does to each connection, open or to come, what the script says for its number. The first one
    /// that was accepted is number 0.
    pub fn follow(&self, script: impl Fn(u64) -> Fault + Send + Sync + 'static) {
        self.script.send_modify(|current| {
            current.fault = Arc::new(script);
            current.number += 1;
        });
    }

    /// How many connections have been accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of replies have been passed on.
    #[must_use]
    pub fn reply_bytes(&self) -> u64 {
        self.counts.reply_bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("connections", &self.connections())
            .field("reply_bytes", &self.reply_bytes())
            .finish_non_exhaustive()
    }
}

/// Ends all connections when it is dropped.
async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    script: watch::Receiver<Script>,
    counts: Arc<Counts>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // The client has gone again, or the process is out of descriptors for a while.
                    tokio::task::yield_now().await;
                    continue;
                };
                let number = counts.connections.fetch_add(1, Ordering::SeqCst);
                let (script, counts) = (script.clone(), Arc::clone(&counts));
                connections.spawn(serve(Connection { number, client, script, counts }, server));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve(mut connection: Connection, server: SocketAddr) {
    if let Fault::End(ending) = connection.fault() {
        return connection.end(ending).await;
    }
    let ending = match TcpStream::connect(server).await {
        Ok(server) => connection.relay(server).await,
        Err(_nobody_there) => Ending::Reset,
    };
    connection.end(ending).await;
}
