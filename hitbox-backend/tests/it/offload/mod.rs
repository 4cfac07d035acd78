//! Background work, within bounds.

mod close;
mod deferred;
mod manager;
