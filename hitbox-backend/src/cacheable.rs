use serde::{Serialize, de::DeserializeOwned};

/// A type that can be cached: serde reads and writes it, and it may cross threads.
///
/// Implemented for every such type; a name for the bounds, nothing to implement.
pub trait Cacheable: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Cacheable for T {}
