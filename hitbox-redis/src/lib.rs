//! A hitbox cache backend in a shared [Redis](https://redis.io) or [Valkey](https://valkey.io)
//! server: every process sees the same values, and they outlive each of them.
//!
//! ```no_run
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//!
//! use hitbox_backend::CacheBackend;
//! use hitbox_core::{CacheKey, CacheValue, Stamp};
//! use hitbox_redis::RedisBackend;
//!
//! let cache = RedisBackend::builder()
//!     .url("redis://127.0.0.1:6379")
//!     .namespace("shop")
//!     .build()?;
//!
//! let key = CacheKey::from_pair("user", "42");
//! let began = Stamp::now(); // before the user is loaded
//! let name = Arc::new(String::from("Ada"));
//! let value = CacheValue::loaded(name, began).ttl(Duration::from_secs(300));
//! cache.set(&key, value).await?;
//!
//! let cached = cache.get::<String>(&key).await?;
//! assert_eq!(cached.unwrap().data().as_str(), "Ada");
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # Commands
//!
//! A read is one `GET`, a write one `SET` (with `PXAT` for a value that expires), a removal one
//! `UNLINK`; bulk calls are one `MGET` or one pipeline. A new connection sends `AUTH` and `SELECT` where they
//! are asked for, `CLIENT SETNAME` and `CLIENT SETINFO` (it does not matter if the server refuses them), `EXISTS` of
//! [a key](#coherent-copies-in-process), and `TIME`; a cluster is asked for its `CLUSTER SLOTS`.
//!
//! The server must be Redis 6.2, Valkey, or later. The tests run on Redis 7.0.15, which Debian 12 packages,
//! and on Valkey 9. There is no package of Redis 6.2 to run them on: that it has these commands and options is
//! by its documentation, and a test sees that a user who may use no others is served.
//!
//! While eight or more reads are on their way to a server, those that tasks send at the same time go
//! together, as one `MGET` of up to 64 keys and about 256 KiB; likewise writes and removals, as one pipeline
//! in the order in which they came. None waits for others to come, only for the tasks that are about
//! to run. A key that holds something other than a string is a miss, and counted as
//! [`Foreign`](hitbox_backend::Rejection::Foreign) only where it is read by itself. The nodes of a cluster get
//! each command by itself. Where a server refuses an `MGET` (the user may not use it, or not on one of the
//! keys, or the server is a node of a cluster, which may not serve the slot of the first), each key is sent as
//! a `GET`, and what is refused of one key fails no other. A server that refuses every `MGET` is not sent
//! another.
//!
//! # Expiry and clocks
//!
//! The server keeps expiry, by its clock, to the millisecond; what this process's clock takes for expired is
//! not returned either. Each new connection compares the clocks. Where they differ by more than a second, that
//! is logged once, [`Statistics::clock_skew_millis`] tells it, and the moment that is sent is translated, so
//! that a value lives as long as it was given. A server that does not let this user ask for `TIME` is taken
//! to have the right one.
//!
//! # One connection
//!
//! All clones of a backend share one connection (and one beside it, for what breaks it), on which any number of tasks send at the same
//! time. It is opened when first used, by a task of its own, and opened anew when it breaks or has
//! left everything unanswered for two seconds; between failed attempts lies a pause that doubles up
//! to one second. While there is no connection, calls fail at once.
//!
//! No call takes longer than [`deadline`](RedisBackendBuilder::deadline), whatever the server does. A reply that
//! has been coming in for longer, which nobody waits for any more, ends the connection. So a reply without end
//! takes no more memory once its call has ended; until then it takes what comes in, but of one string no more
//! than [`largest_value`](RedisBackendBuilder::largest_value) or 64 MiB.
//!
//! A command whose connection turns out to be broken is sent once more, on the next. A read may be sent as
//! often as one likes. Of a write or removal the first attempt may still be on its way, and take effect last.
//! So if the second attempt makes the change, the answer is the first attempt's error, with
//! [`repeated`](hitbox_backend::BackendError::repeated) to tell what was made. It is `Ok` only where the
//! connection had ended before the first attempt was sent.
//!
//! A read under which that one breaks, too, goes alone: one after another, on a connection beside the shared
//! one, which is opened for that. A server may hang up on a client that has more bytes to come than its
//! `client-output-buffer-limit`; this is how one value that is too long, or several that are together, fails no
//! other. A key whose reply breaks a connection that it has to itself fails, is
//! [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable), and goes alone for a minute from then on. So
//! do values of 1 KiB or more that were read with it; of those, 256 KiB may be on their way at a time. At most
//! 4,096 keys are remembered. A write or removal that is under way when the shared connection breaks is in
//! doubt, as above. Where the shorter values of a bulk read are too much together, it is for a minute that bulk
//! reads of so many keys go beside the shared connection, in parts.
//!
//! A server that says that it is not, or not yet, the right one (`READONLY`, `MASTERDOWN`, `LOADING`,
//! `NOREPLICAS`, `CLUSTERDOWN`, `MOVED`, `NOAUTH`) is left: the connection is replaced, which looks the name
//! up again, and the command is sent there. So writes go on when a name or a proxy leads to a new primary. While
//! there is none, this is done five times a second at most, and calls fail with a retryable error.
//!
//! A server ends a connection on which a longer string comes in than its `proto-max-bulk-len`, 512 MiB if
//! nobody has changed it. A call with a key or a value that is too long for it is not sent again; it is
//! [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge), and the next of that length is refused without
//! being sent. What has 1 MiB or more, which is the least limit that a server can be given, goes by itself.
//! Where the server, or what is in front of it, hangs up without a word, it takes two broken connections until
//! keys and values of that length are refused, for a minute.
//!
//! # Credentials
//!
//! A user name and a password are given in the URL or by themselves. Those that change while the backend lives
//! come from a [`CredentialsProvider`], which is asked for each connection; so a password that is rotated costs
//! a reconnect, when the server ends the connections of the old one. While a login is refused, or the provider
//! fails, calls fail and the next attempt asks again.
//!
//! Where the provider says when what it gives ends, an open connection logs in anew before, on the spot: nothing
//! that is on its way breaks. If that fails, the connection stays as it is until the server ends it, and it is
//! tried again.
//!
//! # Sentinel
//!
//! With [the feature](#features) `sentinel`, the server may be a master by its name: whenever a connection is
//! opened, all sentinels are asked at once where the master is, and the first server that one of them names, and
//! that says of itself (`ROLE`) that it is a master, is the one. So one sentinel that answers is enough, and one
//! that is down, hangs, or is behind the others holds up nobody. A user who may not ask `ROLE` is sent to whatever
//! the sentinels name.
//!
//! The connection is replaced when it breaks, when a demoted master answers `READONLY`, and when a sentinel says
//! that the master has moved (`+switch-master`): one of them is listened to for that, another one every 30
//! seconds, with a look at what all of them say. Meanwhile calls fail at once, with retryable errors; what is
//! in doubt is as above. When the sentinels have a new master, the attempt to connect does not wait for its turn.
//! How long that takes is up to `down-after-milliseconds` of the sentinels, and their election.
//!
//! A failover loses what the old master had not passed on yet, or was sent by clients that did not know. A cache
//! that must not serve what was overwritten in these seconds has to let values expire.
//!
//! # Coherent copies in process
//!
//! A backend that [announces](RedisBackendBuilder::announce) adds to a log of news whatever it changes, a stream in the same
//! server and database, and compositions that are coherent on a [`RedisBackplane`] ask what is in it: see
//! [`hitbox_backend::coherence`]. A change and its news are one transaction (`MULTI`, the change, `XADD`, `EXEC`) in one
//! write; changes that go together are one transaction, with one `XADD` for as many keys as 64 KiB hold, 1,000 changes at
//! the most. If the server refuses one of them, each is sent in a transaction of its own. A change that was made, and whose
//! news were refused, is an error that is not definite, and the log is emptied, which is a gap for all. A full server queues
//! nothing: a remove then goes without a transaction, and the log is emptied in the same write.
//!
//! | Key | What |
//! |---|---|
//! | `hitbox:{NAMESPACE}:news` | the log: a stream, trimmed to about [`max_entries`](RedisBackplaneBuilder::max_entries) |
//! | `hitbox:{NAMESPACE}:coherent` | says for a minute that somebody announces; renewed by changes, every 20 seconds |
//!
//! Each new connection of a backend that does not announce looks for the second (`EXISTS`), and logs an error, once, if it
//! is there. A user who may not look is not told.
//!
//! A listener has to be allowed `XREAD`, `XRANGE`, `XREVRANGE` and `XADD` on the log; who announces, `MULTI`, `EXEC` and
//! `XADD`, too, and `XTRIM` for the sake of full servers (without, `UNLINK` takes its place). A listener asks on a connection of
//! its own, with `XREAD .. BLOCK` and `XRANGE` in one write, at least four times for each bound. With sentinels both follow
//! the master; what a failover loses is not announced, but a log that is shorter than it was is a gap. A demoted master that
//! is still asked by its address answers what it has: give sentinels, or a name that leads to the master.
//!
//! A change of 1 MiB or more that the server finds too long is in doubt where it is announced, and not at once
//! [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge): it takes two broken connections to know it.
//!
//! # Runtimes
//!
//! A call needs a tokio runtime with timer and I/O; without, it is
//! [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration). The connection belongs to
//! the runtime that it was opened in. When that ends before the backend does, the connection is opened anew
//! on a thread of the backend's own, and stays there: with several runtimes that come and go, the end of one
//! costs the others a reconnect. A call that was begun in a runtime that has ended, and goes on elsewhere,
//! is [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable) if its reply is not there yet: the
//! timer of its deadline has gone. A runtime that is merely not driven holds up the others for a deadline at
//! most.
//!
//! # Features
//!
//! - `cluster`: Redis Cluster. There is one connection to each master, and a bulk call is one
//!   pipeline to each. While some nodes are down, the keys of the others stay usable.
//! - `sentinel`: a master that sentinels watch.
//! - `tls`: `rediss://`, over rustls. Where the application has not installed a crypto provider for
//!   rustls, building a backend with such a URL installs ring, for the whole process. With a
//!   `client_certificate`, the server sees who the client is.

mod announcer;
mod backend;
mod builder;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod connection;
mod credentials;
mod error;
mod inner;
mod lease;
mod place;
mod plane;
#[cfg(feature = "sentinel")]
mod sentinel;
mod statistics;
mod tags;

pub use backend::RedisBackend;
pub use builder::RedisBackendBuilder;
pub use credentials::{Credentials, CredentialsProvider};
pub use plane::{RedisBackplane, RedisBackplaneBuilder};
pub use statistics::Statistics;
