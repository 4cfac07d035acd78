//! Runnable programs of the deployments with a server. In a crate of their own, so that whoever runs
//! one of the others compiles no client of a server.
