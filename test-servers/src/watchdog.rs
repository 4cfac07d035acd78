use std::{
    io,
    process::{Child, Command, Stdio},
};

/// Runs a command if this process ends without having dropped the watchdog: killed, aborted, or by
/// Ctrl-C.
///
/// It is a shell that waits for the end of its input, which the system closes together with this
/// process, however that ends.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    pub(crate) fn start(command: &[String]) -> io::Result<Self> {
        let shell = Command::new("sh")
            // Ctrl-C reaches the whole process group; the watchdog is to outlive it.
            .args(["-c", r#"trap '' INT TERM HUP; read -r _; exec "$@""#, "sh"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Before its input closes, or it would run the command.
        let _ended_already = self.shell.kill();
        let _reaped = self.shell.wait();
    }
}
