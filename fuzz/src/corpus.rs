//! The inputs that are kept in the repository: `fuzz/corpus/TARGET/*`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::Target;

/// The folder of this crate.
#[must_use]
pub fn home() -> PathBuf {
    // At run time first: a target directory may be shared by several checkouts.
    env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The folder of a target's corpus.
#[must_use]
pub fn folder(target: &Target) -> PathBuf {
    home().join("corpus").join(target.name)
}

/// A target's corpus, with the names of the files, in their order.
///
/// # Errors
///
/// If the folder or a file cannot be read.
pub fn load(target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        let path = entry?.path();
        files.push((file_name(&path), fs::read(&path)?));
    }
    // Folders have no order of their own, and the seed must say everything.
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
