//! What is logged, and what is not (G4, G10). A program of its own: tracing remembers per process who
//! wants an event, so all tests in it have to want every one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chaos;
mod discretion;
mod full_record;
mod metadata;
mod page;
mod quiet;
mod whose;
