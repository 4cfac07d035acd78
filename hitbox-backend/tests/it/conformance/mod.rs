//! The suite that adapters must pass, and the backends that it brings.

mod catches;
mod composition;
mod faulty;
mod suite;
