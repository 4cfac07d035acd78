//! A backend of one's own: a file for each key, in about eighty lines, and the conformance suite that
//! shows that it keeps the contract.
//!
//! ```text
//! cargo run --example custom_backend
//! ```

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities, Compose,
    Compressor, DeleteStatus, Format, OffloadManager, Operation, ReadOutcome, Rejection,
    StoreSettings,
    byte_store::{Codec, Prepared},
    conformance::Subject,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use hitbox_moka::MokaBackend;

// ---- The backend. --------------------------------------------------------------------------------

struct FilesBackend {
    directory: PathBuf,
    /// All of the contract that is not about files.
    codec: Codec,
}

impl FilesBackend {
    fn new(directory: &Path) -> BackendResult<Self> {
        let mut capabilities = Capabilities::default();
        capabilities.persistent = true;
        Ok(Self {
            directory: directory.to_owned(),
            codec: Codec::new(StoreSettings::new(), "files", capabilities)?,
        })
    }

    /// A file name has a limited length and alphabet, and a key has not. So the name is a digest,
    /// and the file begins with the key, which tells if two keys ever share a digest.
    fn path_of(&self, key: &CacheKey) -> PathBuf {
        let digest = blake3::hash(self.codec.stored_key(key).as_bytes());
        self.directory.join(digest.to_hex().as_str())
    }

    /// In one piece and off the async threads: a rename replaces the old file or does not, also
    /// when the caller is dropped.
    async fn put(&self, path: PathBuf, content: Vec<u8>) -> io::Result<()> {
        let directory = self.directory.clone();
        let write = tokio::task::spawn_blocking(move || {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            io::Write::write_all(&mut file, &content)?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        });
        write.await.map_err(io::Error::other).flatten()
    }

    fn failed(&self, operation: Operation) -> impl Fn(io::Error) -> BackendError {
        move |error| {
            let failed = self.codec.error(BackendErrorKind::Unavailable, operation);
            failed.with_source(error)
        }
    }
}

#[async_trait]
impl Backend for FilesBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let content = match tokio::fs::read(self.path_of(key)).await {
            Ok(content) => Bytes::from(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(Operation::Read)(error)),
        };
        let stored_key = self.codec.stored_key(key);
        if !content.starts_with(stored_key.as_bytes()) {
            self.codec.reject(key, Rejection::Foreign);
            return Ok(None);
        }
        Ok(self.codec.accept(key, content.slice(stored_key.len()..)))
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        match self.codec.prepare_off_thread(value).await {
            Prepared::Put { stored, .. } => {
                let content = [self.codec.stored_key(key).as_bytes(), &stored].concat();
                let written = self.put(self.path_of(key), content).await;
                written.map_err(self.failed(Operation::Write))
            }
            Prepared::Clear { outcome } => self.remove(key).await.and(outcome),
        }
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        // Looks first: an entry that has expired counts as missing.
        let found = self.read(key).await?;
        match tokio::fs::remove_file(self.path_of(key)).await {
            Ok(()) => Ok(DeleteStatus::from(&found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DeleteStatus::Missing),
            Err(error) => Err(self.failed(Operation::Remove)(error)),
        }
    }

    fn label(&self) -> BackendLabel {
        self.codec.label().clone()
    }

    fn value_format(&self) -> &dyn Format {
        self.codec.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.codec.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.codec.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.codec.capabilities().clone()
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.codec.reject(key, rejection);
    }
}

// ---- The proof. ----------------------------------------------------------------------------------

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let files = || FilesBackend::new(directory.path());
    let injected = files()?;
    let alone = Subject::new(Arc::new(files()?)).corrupt_with(move |key, bytes| {
        let content = [key.as_text().as_bytes(), &bytes].concat();
        let path = injected.path_of(&key);
        async move { std::fs::write(path, content).expect("the directory is writable") }
    });
    println!("the backend alone:\n{}", alone.run().await);

    // What conforms composes, and the composition conforms.
    let moka = MokaBackend::builder().max_bytes(1 << 30).build()?;
    let composed = moka.compose(files()?, OffloadManager::builder().build()?);
    let composed = Subject::new(Arc::new(composed));
    println!("behind moka:\n{}", composed.run().await);
    Ok(())
}
