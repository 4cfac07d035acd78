//! Runnable programs, one per deployment.
