use std::{io, path::Path};

use hitbox_backend::{BackendError, BackendErrorKind, Operation};
use hitbox_core::BackendLabel;

/// A failure of sled as a [`BackendError`].
///
/// Only I/O errors go along as the source: the texts of sled's other errors may show what is
/// stored.
pub(crate) fn from_sled(
    error: sled::Error,
    operation: Operation,
    label: &BackendLabel,
) -> BackendError {
    let (kind, detail) = match error {
        sled::Error::Io(error) => return from_io(error, operation, label),
        sled::Error::Corruption { .. } => (
            BackendErrorKind::Internal,
            "sled found corruption in its files; reopening the backend sets them aside",
        ),
        sled::Error::ReportableBug(_) => (
            BackendErrorKind::Internal,
            "sled found itself in a state it does not know; reopening the backend checks its files",
        ),
        sled::Error::Unsupported(_) => (
            BackendErrorKind::Internal,
            "sled does not support this operation on its files",
        ),
        sled::Error::CollectionNotFound(_) => (
            BackendErrorKind::Internal,
            "a tree is missing from the database",
        ),
    };
    BackendError::new(kind, operation, label.clone()).with_detail(detail)
}

fn from_io(error: io::Error, operation: Operation, label: &BackendLabel) -> BackendError {
    BackendError::new(BackendErrorKind::Unavailable, operation, label.clone())
        .with_detail("the disk could not be read or written")
        .with_source(error)
}

/// Whether an error of sled says that the files are not what sled wrote, so that opening them again
/// would fail again.
pub(crate) fn is_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_) => true,
        // sled runs into the end of a truncated file, or asks for a blob that is not there.
        sled::Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::NotFound
        ),
    }
}

pub(crate) fn unusable_sled(label: &BackendLabel, noticed_by: &str) -> BackendError {
    BackendError::new(
        BackendErrorKind::Unavailable,
        Operation::Open,
        label.clone(),
    )
    .with_detail(format!(
        "not even a fresh database can be opened ({noticed_by}); check the disk below `path`, and \
         whether this process may have more memory and threads"
    ))
}

/// Somebody has the directory open.
pub(crate) fn locked(label: &BackendLabel, path: &Path) -> BackendError {
    held(
        label,
        path,
        "another process, or another backend of this one, holds this directory; close it, or give \
         each its own directory",
    )
}

/// Nobody has the directory open, and sled's files in it are held all the same.
pub(crate) fn not_let_go(label: &BackendLabel, path: &Path) -> BackendError {
    held(
        label,
        path,
        "a backend that is closed still holds this directory, as one does whose disk has failed, \
         until its process ends; once the disk is well, restart the process",
    )
}

fn held(label: &BackendLabel, path: &Path, by: &str) -> BackendError {
    BackendError::new(
        BackendErrorKind::Unavailable,
        Operation::Open,
        label.clone(),
    )
    .with_detail(format!("`path` {}: {by}", path.display()))
}
