//! The rules are the suite's, so that every explorer checks the same.

pub(crate) use hitbox_backend::conformance::{Event, History};
