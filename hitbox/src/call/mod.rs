//! Calls of a cache: the futures that its methods return, and the forms in which these give what they have come to.
//!
//! An application awaits them and names none of this, unless it keeps a call before it awaits it.

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
