//! Copies in process that are never staler than a bound, whatever other processes do to the store that all share.

mod hearing;

pub use hearing::{Credit, Hearing, Held, Slot};
