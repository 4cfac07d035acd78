use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use ignore::{DirEntry, WalkBuilder};

/// Files are read whole, several at once.
const LARGEST_FILE: u64 = 64 << 20;

pub(crate) struct Found {
    pub(crate) files: Vec<SourceFile>,
    /// Files that are too large, and what cannot be listed.
    pub(crate) skipped: u64,
}

pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i128,
}

impl SourceFile {
    pub(crate) fn escaped_path(&self) -> String {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        bytes.escape_ascii().to_string()
    }
}

/// The regular files below `root`, in order of their paths.
pub(crate) fn files_below(root: &Path, cache_directory: &Path) -> Found {
    // If there is none yet, there is nothing to leave out.
    let cache_directory = fs::canonicalize(cache_directory).unwrap_or_default();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .ignore(false)
        .filter_entry(move |entry| !is_left_out(entry, &cache_directory))
        .sort_by_file_path(Path::cmp)
        .build();
    let mut found = Found {
        files: Vec::new(),
        skipped: 0,
    };
    for entry in walk {
        match entry.and_then(|entry| source_file(&entry)) {
            Ok(Some(file)) if file.length <= LARGEST_FILE => found.files.push(file),
            Ok(Some(_)) | Err(_) => found.skipped += 1,
            Ok(None) => {}
        }
    }
    found
}

/// `None` for anything but a regular file. Links are not followed: they may lead out of the
/// directory, and in circles.
fn source_file(entry: &DirEntry) -> Result<Option<SourceFile>, ignore::Error> {
    if !entry.file_type().is_some_and(|kind| kind.is_file()) {
        return Ok(None);
    }
    let metadata = entry.metadata()?;
    let modified = match metadata.modified()?.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(error) => -error.duration().as_nanos().cast_signed(),
    };
    Ok(Some(SourceFile {
        path: entry.path().to_owned(),
        length: metadata.len(),
        modified,
    }))
}

fn is_left_out(entry: &DirEntry, cache_directory: &Path) -> bool {
    // What is asked for by name is not left out, whatever it looks like.
    entry.depth() > 0
        && (entry.file_name() == OsStr::new(".git")
            || entry.path() == cache_directory
            || entry.path().join("CACHEDIR.TAG").is_file())
}
