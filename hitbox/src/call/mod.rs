//! Calls of a cache.

mod answer;
mod answering;
mod get_many_or_load;
mod get_or_load;
mod insert;
mod loading;
mod loads;
mod many;
mod way;

pub use answer::{OfEntry, OfOptional, OfValue, Output, Reply};
pub use get_many_or_load::GetManyOrLoad;
pub use get_or_load::GetOrLoad;
pub use insert::Insert;
pub use loads::{Load, LoadMany};
