//! The suite that every adapter must pass.

mod memory;

pub use memory::MemoryBackend;
