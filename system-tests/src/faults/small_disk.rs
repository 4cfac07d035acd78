use std::{
    fs::File,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A file system of a few megabytes in memory, by a way that can be written and by one that cannot.
///
/// It is out of every other process's sight, and ends with this value or with this process: it is
/// unmounted as soon as it is open, and reached through what is open.
#[derive(Debug)]
pub(super) struct SmallDisk {
    writable: Held,
    read_only: Held,
}

/// A directory that is held open.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    _handle: File,
}

impl SmallDisk {
    /// # Errors
    ///
    /// Why this machine does not let this process mount anything.
    pub(super) fn mount(megabytes: usize) -> Result<Self, String> {
        let first = Mount::new("writable", |target| {
            let size = format!("size={megabytes}m");
            run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", target])
        })?;
        let second = Mount::new("read-only", |target| {
            run("mount", &["--bind", first.path()?, target])
        })?;
        let options = ["-o", "remount,bind,ro", second.path()?];
        run("mount", &options)?;
        Ok(Self {
            writable: first.hold()?,
            read_only: second.hold()?,
        })
    }

    pub(super) fn writable(&self) -> &Path {
        &self.writable.path
    }

    pub(super) fn read_only(&self) -> &Path {
        &self.read_only.path
    }
}

/// Something mounted on a directory of its own. Unmounted on drop; what is open stays usable.
struct Mount {
    target: tempfile::TempDir,
}

impl Mount {
    fn new(name: &str, mount: impl FnOnce(&str) -> Result<(), String>) -> Result<Self, String> {
        let target = tempfile::Builder::new()
            .prefix(name)
            .tempdir()
            .map_err(|error| error.to_string())?;
        let path = target.path().to_str().ok_or("no UTF-8 path")?;
        mount(path)?;
        Ok(Self { target })
    }

    fn path(&self) -> Result<&str, String> {
        Ok(self.target.path().to_str().ok_or("no UTF-8 path")?)
    }

    fn hold(self) -> Result<Held, String> {
        let handle = File::open(self.target.path()).map_err(|error| error.to_string())?;
        Ok(Held {
            path: PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd())),
            _handle: handle,
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Ok(path) = self.path() {
            let _stays_behind = run("umount", &["--lazy", path]);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or(program).trim().to_owned())
}
