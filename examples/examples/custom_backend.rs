//! A backend of one's own: a file for each key, in about sixty lines, and the conformance suite that
//! shows that it keeps the contract.
//!
//! ```text
//! cargo run --example custom_backend
//! ```

use std::{error::Error, io, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Capabilities, Compose, DeleteStatus,
    OffloadManager, Operation, ReadOutcome, Rejection, compression::NoCompression,
    conformance::Subject, stored_form,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use hitbox_moka::MokaBackend;

// ---- The backend. --------------------------------------------------------------------------------

struct FilesBackend {
    directory: PathBuf,
}

impl FilesBackend {
    /// A file name has a limited length and alphabet, and a key has not. So the name is a digest,
    /// and the file begins with the key, which tells if two keys ever share a digest.
    fn path_of(&self, key: &CacheKey) -> PathBuf {
        let digest = blake3::hash(key.as_text().as_bytes());
        self.directory.join(digest.to_hex().as_str())
    }

    fn failed(&self, operation: Operation, error: io::Error) -> BackendError {
        BackendError::new(BackendErrorKind::Unavailable, operation, self.label()).with_source(error)
    }
}

#[async_trait]
impl Backend for FilesBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let content = match tokio::fs::read(self.path_of(key)).await {
            Ok(content) => Bytes::from(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(Operation::Read, error)),
        };
        let name = key.as_text().as_bytes();
        let decoded = match content.strip_prefix(name) {
            Some(_) => stored_form::decode(&content.slice(name.len()..)),
            None => Err(Rejection::Foreign),
        };
        match decoded {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_expired())),
            Err(rejection) => {
                self.reject(key, rejection);
                Ok(None)
            }
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let failed = |error| self.failed(Operation::Write, error);
        let stored = stored_form::encode(&value, &NoCompression)
            .map_err(|error| failed(io::Error::other(error)))?;
        let (path, directory) = (self.path_of(key), self.directory.clone());
        let content = [key.as_text().as_bytes(), &stored].concat();
        // In one piece and off the async threads: a rename replaces the old file or does not, also
        // when this future is dropped.
        let write = tokio::task::spawn_blocking(move || {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            io::Write::write_all(&mut file, &content)?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        });
        write
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(failed)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        // Looks first: an entry that has expired counts as missing.
        let found = self.read(key).await?;
        match tokio::fs::remove_file(self.path_of(key)).await {
            Ok(()) => Ok(DeleteStatus::from(&found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DeleteStatus::Missing),
            Err(error) => Err(self.failed(Operation::Remove, error)),
        }
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("files")
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.persistent = true;
        capabilities
    }
}

// ---- The proof. ----------------------------------------------------------------------------------

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let files = || FilesBackend {
        directory: directory.path().to_owned(),
    };
    let injected = files();
    let alone = Subject::new(Arc::new(files())).corrupt_with(move |key, bytes| {
        let content = [key.as_text().as_bytes(), &bytes].concat();
        let path = injected.path_of(&key);
        async move { std::fs::write(path, content).expect("the directory is writable") }
    });
    println!("the backend alone:\n{}", alone.run().await);

    // What conforms composes, and the composition conforms.
    let moka = MokaBackend::builder().max_bytes(1 << 30).build()?;
    let composed = moka.compose(files(), OffloadManager::builder().build()?);
    let composed = Subject::new(Arc::new(composed));
    println!("behind moka:\n{}", composed.run().await);
    Ok(())
}
