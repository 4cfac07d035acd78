use hitbox_core::clock;

use crate::{
    directory::Directory,
    recovery::{self, OpenSettings},
    store::Store,
};

/// Copies the live entries of `store` into fresh files of sled's, which take the place of the old
/// ones. Long values stay in the files that they are in.
///
/// Only while nobody else uses the store: sled's files cannot be replaced under an open database,
/// and holding every caller up for the copy would be a stall of seconds.
pub(crate) fn rebuild(
    store: Store,
    directory: &Directory,
    settings: &OpenSettings,
) -> sled::Result<Store> {
    let rebuilt = recovery::open_store(&directory.rebuilt(), store.files(), settings)?;
    store.copy_live_to(&rebuilt, clock::now())?;
    // Both closed before their files move: sled opens further files by path.
    drop(store);
    drop(rebuilt);
    directory.swap_in_rebuilt()?;
    recovery::open_files(directory, settings)
}
