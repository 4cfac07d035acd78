use std::{
    fs, io,
    net::TcpListener,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use super::{START_LIMIT, StartError, process::Process, source::Source, wire};

/// How to start a [`RedisServer`].
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    arguments: Vec<String>,
}

impl RedisOptions {
    /// The server's defaults, without persistence.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A setting of the server, as in its configuration file: `setting("maxmemory", "3mb")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.arguments.push(format!("--{name}"));
        self.arguments.extend(value.split(' ').map(str::to_owned));
        self
    }

    pub(super) fn sets(&self, name: &str) -> bool {
        let flag = format!("--{name}");
        self.arguments.contains(&flag)
    }
}

/// A Redis or Valkey server that belongs to whoever started it, on a port of its own, with an empty
/// data directory.
///
/// It ends when this is dropped, and when this process ends in any way.
#[derive(Debug)]
pub struct RedisServer {
    source: Source,
    port: u16,
    /// What comes before all settings.
    first: Vec<String>,
    arguments: Vec<String>,
    /// `None` after it was killed.
    process: Option<Process>,
    _directory: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`StartError`], which says what to install if there is no server program.
    pub async fn start(options: RedisOptions) -> Result<Self, StartError> {
        let source = tokio::task::spawn_blocking(Source::find)
            .await
            .map_err(io::Error::other)??;
        Self::start_from(source, options).await
    }

    pub(super) async fn start_from(
        source: Source,
        options: RedisOptions,
    ) -> Result<Self, StartError> {
        let directory = tempfile::tempdir()?;
        let mut arguments = options.arguments;
        // Snapshots and logs would only slow tests down.
        for (name, value) in [("save", ""), ("appendonly", "no")] {
            arguments.extend([format!("--{name}"), value.to_owned()]);
        }
        if let (Source::Program { .. }, Some(path)) = (&source, directory.path().to_str()) {
            arguments.extend(["--dir".to_owned(), path.to_owned()]);
        }
        let mut server = Self {
            source,
            port: free_port()?,
            first: Vec::new(),
            arguments,
            process: None,
            _directory: directory,
        };
        server.restart().await?;
        Ok(server)
    }

    /// A sentinel with these lines in its configuration, a file to which it adds what it finds out.
    pub(super) async fn start_sentinel(
        source: Source,
        lines: &[String],
    ) -> Result<Self, StartError> {
        let (directory, port) = (tempfile::tempdir()?, free_port()?);
        let path = directory.path().join("sentinel.conf");
        let dir = format!("dir {}\nport {port}\n", directory.path().display());
        fs::write(&path, dir + &lines.join("\n") + "\n")?;
        let mut server = Self {
            source,
            port,
            first: vec![path.display().to_string()],
            arguments: vec!["--sentinel".to_owned()],
            process: None,
            _directory: directory,
        };
        server.restart().await?;
        Ok(server)
    }

    /// What it says to a command whose arguments contain no spaces: the first line, or a string.
    ///
    /// # Errors
    ///
    /// If it does not run, or says nothing within two seconds.
    pub async fn say(&self, command: &str) -> io::Result<String> {
        wire::send(self.port, command).await
    }

    /// `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What is running, in words: `Valkey 9.1.2 (/usr/bin/valkey-server)`.
    #[must_use]
    pub fn description(&self) -> String {
        self.source.to_string()
    }

    /// Kills the server, as a crash would. Its data is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the server again on the same port, after killing it if it runs.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.kill();
        let mut process = Process::start(&self.source, self.port, &self.first, &self.arguments)?;
        let started = Instant::now();
        loop {
            // Also an error is an answer: the server may want a password.
            let answered = answers(self.port).await;
            // After asking: if the port was taken meanwhile, somebody else has answered.
            if let Some(status) = process.ended() {
                return Err(StartError::NotStarted(format!("it ended: {status}")));
            }
            if answered {
                break;
            }
            if started.elapsed() > START_LIMIT {
                return Err(StartError::NotStarted(format!(
                    "no answer within {START_LIMIT:?}"
                )));
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Stops the server where it stands: connections stay open, and nothing is answered.
    ///
    /// # Errors
    ///
    /// If it does not run, or the signal cannot be sent.
    pub fn pause(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    ///
    /// If it does not run, or the signal cannot be sent.
    pub fn resume(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        self.process
            .as_ref()
            .ok_or_else(|| io::Error::other("the server does not run"))?
            .signal(signal)
    }
}

async fn answers(port: u16) -> bool {
    let reply = wire::send(port, "PING").await;
    reply.is_ok_and(|line| line.starts_with(['+', '-']) && !line.starts_with("-LOADING"))
}

/// A port that nobody listens on, below those that systems hand out to outgoing connections: a
/// client that keeps trying to connect to one of those while nobody listens ends up connected to
/// itself.
///
/// # Errors
///
/// If there is none.
pub fn free_port() -> io::Result<u16> {
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        let port = fastrand::u16(12_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free port found"))
}
