//! Several instances of the service: processes of their own, which share nothing but Redis and the notes.

use std::{
    env,
    io::{self, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
};

use tokio::sync::oneshot;

use crate::arguments::Arguments;

/// The other instances. They end when this is dropped, or this process is: their standard input ends.
pub(crate) struct Others(Vec<Child>);

impl Others {
    pub(crate) fn start(arguments: &Arguments, first: SocketAddr) -> io::Result<Self> {
        let program = env::current_exe()?;
        let mut others = Self(Vec::new());
        for number in 1..arguments.instances {
            let port = match arguments.listen.rsplit_once(':') {
                Some((_, "0")) => 0,
                _ => first.port().saturating_add(number),
            };
            let child = Command::new(&program)
                .arg("--another")
                .arg("--listen")
                .arg(SocketAddr::new(first.ip(), port).to_string())
                .arg("--fresh")
                .arg(arguments.lives.fresh.as_secs().to_string())
                .arg("--keep")
                .arg(arguments.lives.keep.as_secs().to_string())
                .arg("--notes")
                .arg(&arguments.notes)
                .env("REDIS_URL", &arguments.redis)
                .stdin(Stdio::piped())
                .spawn()?;
            others.0.push(child);
        }
        Ok(others)
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
        }
        for child in &mut self.0 {
            let _it_has_said_why = child.wait();
        }
    }
}

/// Resolves when the process that has started this one ends, or wants this one to.
pub(crate) fn first_has_ended() -> impl Future<Output = ()> + Send + 'static {
    let (ending, ended) = oneshot::channel();
    // Not a task: reading waits for as long as there is nothing to be read, and so would the runtime's end.
    thread::spawn(move || {
        let _until_it_ends = io::stdin().read_to_end(&mut Vec::new());
        // Nobody listens only if this process has ended already.
        let _ = ending.send(());
    });
    async move {
        let _told = ended.await;
    }
}
