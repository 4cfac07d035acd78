//! What the crate promises, by its public interface. In folders like those of `src`.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod absent;
mod byte_store;
mod chaos;
mod codec;
mod coherence;
mod composition;
mod compression;
mod conformance;
mod format;
mod forwarding;
mod glob_import;
mod objects;
mod offload;
mod stored_form;
mod wrapper;
