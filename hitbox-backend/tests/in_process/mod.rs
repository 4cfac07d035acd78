//! What the adapters in process have in common, on one of them: the crate that takes this in has it as `Tested`, and
//! its store as `TestedStore`.
//!
//! `hits` and `memory` ask the allocator, which takes a program of their own.

mod builder;
mod conformance;
mod contract;
mod eviction;
mod expiry;
mod namespaces;
mod sweep;
