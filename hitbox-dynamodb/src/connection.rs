//! The way to DynamoDB: the client, its connections and credentials, and what a reply says of the clock.

pub(crate) mod client;
pub(crate) mod clock_skew;
pub(crate) mod connections;
pub(crate) mod credentials;
pub(crate) mod link;
pub(crate) mod source;
pub(crate) mod transport;
