use std::{
    io,
    process::{Child, Command, Stdio},
};

use super::source::{IMAGE, Source, output};
use crate::watchdog::Watchdog;

/// A running server program or container. Killed and reaped on drop, and by a watchdog if this
/// process dies first.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    place: Place,
    _watchdog: Watchdog,
}

/// Where signals go.
#[derive(Debug)]
enum Place {
    Process(u32),
    /// The child is only the client that shows the container's output.
    Container(String),
}

impl Process {
    /// `first` is what the program takes before all settings: the file of a sentinel's.
    pub(super) fn start(
        source: &Source,
        port: u16,
        first: &[String],
        arguments: &[String],
    ) -> io::Result<Self> {
        let name = format!("test-redis-{port}-{:x}", fastrand::u32(..));
        let mut command = match source {
            Source::Program { path, .. } => {
                let mut command = Command::new(path);
                command.args(first).args(["--bind", "127.0.0.1"]);
                command
            }
            Source::Docker => {
                let mut command = Command::new("docker");
                let forward = format!("127.0.0.1:{port}:{port}");
                command.args(["run", "--rm", "--name", &name, "--publish", &forward, IMAGE]);
                command.args(["valkey-server", "--protected-mode", "no"]);
                command
            }
        };
        // Ctrl-C is for whoever uses the server and may need it to end in good order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command
            .args(["--port", &port.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let place = match source {
            Source::Program { .. } => Place::Process(child.id()),
            Source::Docker => Place::Container(name),
        };
        let watchdog = Watchdog::start(&place.signal("KILL"))?;
        Ok(Self {
            child,
            place,
            _watchdog: watchdog,
        })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(status.to_string())
    }

    /// Sends a signal: `STOP`, `CONT`, `KILL`.
    pub(super) fn signal(&self, signal: &str) -> io::Result<()> {
        let command = self.place.signal(signal);
        let arguments: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        output(&command[0], &arguments)
            .map(drop)
            .map_err(io::Error::other)
    }
}

impl Place {
    fn signal(&self, signal: &str) -> Vec<String> {
        let flag = format!("-{signal}");
        match self {
            Self::Process(id) => vec!["kill".into(), flag, id.to_string()],
            Self::Container(name) => ["docker", "kill", "--signal", signal, name]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Place::Container(_) = self.place {
            let _ended_already = self.signal("KILL");
        }
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
