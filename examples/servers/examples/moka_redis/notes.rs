//! Notes of reports: files of a directory. A service would have a database in its place.

use std::{fs, io, path::PathBuf};

use tokio::task::spawn_blocking;

#[derive(Clone)]
pub(crate) struct Notes {
    directory: PathBuf,
}

impl Notes {
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// What was noted of the report up to `limit`, if anything was.
    pub(crate) async fn find(self, limit: usize) -> io::Result<Option<String>> {
        let path = self.path(limit);
        blocking(move || match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        })
        .await
    }

    pub(crate) async fn put(&self, limit: usize, note: String) -> io::Result<()> {
        let (path, written) = (self.path(limit), self.directory.join(unused_name()));
        blocking(move || {
            fs::write(&written, note)?;
            // Whoever reads it meanwhile reads all of the one or all of the other.
            fs::rename(written, path)
        })
        .await
    }

    fn path(&self, limit: usize) -> PathBuf {
        self.directory.join(limit.to_string())
    }
}

fn unused_name() -> String {
    format!("{:032x}", fastrand::u128(..))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
