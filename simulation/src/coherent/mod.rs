//! Processes over one store and one log of news, in virtual time: whether an L1 is ever staler than its bound.
//!
//! Whether a copy may be served and kept is decided by the code of hitbox-backend (`coherence::Hearing`). Processes, links,
//! the store and the log are models: messages are late, hang and are lost, processes stand still, the log loses entries.

mod call;
mod campaign;
mod changes;
mod events;
mod history;
mod judge;
mod listening;
mod mistake;
mod process;
mod reads;
mod scene;
mod server;
mod truth;

pub(super) use campaign::{Asked, Summary, run};
