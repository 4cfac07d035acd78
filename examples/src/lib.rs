//! Runnable programs that need no server. Those that need one are in `servers`.

/// The README's example is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
