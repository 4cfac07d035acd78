//! Taking a lease, keeping it, and storing a value under it.

use std::sync::Arc;

use hitbox_backend::{
    BackendError, BackendResult, Begun, Condition, Conditional, Lease, Operation, Repeated,
    byte_store::Prepared,
};
use hitbox_core::{CacheKey, CacheValue, Raw};
use redis::Value;

use super::{
    held::{Basis, Beginning, RedisLease},
    marker::Marker,
};
use crate::{
    commands::{
        self,
        conditional::{Comparing, Life, is_done, life_left, set_if, set_if_absent, unlink_if},
        exchange::Subject,
    },
    error::{Cause, Failure, Reply, words::is_syntax_error},
    inner::Inner,
};

/// What came of an attempt to store a marker.
enum Attempt {
    Stored,
    /// Somebody else's stands there, and is renewed.
    Elsewhere,
    /// It stands where a value is.
    Value(Beginning),
    /// Something that is no string, or an empty one.
    Foreign,
}

impl Inner {
    /// The lease of a load.
    pub(crate) async fn begin_load(self: &Arc<Self>, key: &CacheKey) -> BackendResult<Begun> {
        if !self.gives_leases() {
            return Ok(Begun::Lead(Lease::default()));
        }
        let key = self.codec.stored_key(key);
        let begun = self.begin_load_of(&key).await;
        begun.map_err(|failure| self.error(failure, Operation::Write))
    }

    pub(crate) fn gives_leases(&self) -> bool {
        self.codec.capabilities().gives_leases
    }

    async fn begin_load_of(self: &Arc<Self>, key: &str) -> Result<Begun, Failure> {
        let marker = Marker::new();
        let value = match self.mark(key, marker).await? {
            Attempt::Stored => return Ok(Begun::Lead(RedisLease::of_marker(self, key, marker))),
            Attempt::Elsewhere => return Ok(Begun::Elsewhere(Lease::default())),
            Attempt::Value(value) => value,
            Attempt::Foreign => {
                let lease = RedisLease::in_place_of(self, key, Basis::Anything, None);
                return Ok(Begun::Lead(lease));
            }
        };
        let basis = Basis::Value(value);
        // Who loads a value anew that is there says so beside the key: others may read it meanwhile.
        let beside = format!("{key}#refresh");
        let lease = |marked| RedisLease::in_place_of(self, key, basis, marked);
        Ok(match self.mark(&beside, marker).await? {
            Attempt::Stored => Begun::Found(lease(Some((&beside, marker)))),
            Attempt::Elsewhere => Begun::Elsewhere(lease(None)),
            // Another program's: it does without.
            Attempt::Value(_) | Attempt::Foreign => Begun::Found(lease(None)),
        })
    }

    /// Stores a marker where nothing is, or a marker that nobody renews any more.
    async fn mark(&self, at: &str, marker: Marker) -> Result<Attempt, Failure> {
        let stored = match self.set_if_absent(at, &marker).await {
            Ok(None) => return Ok(Attempt::Stored),
            Ok(Some(stored)) => stored,
            Err(failure) if failure.is_wrong_type() => return Ok(Attempt::Foreign),
            Err(failure) => return Err(failure),
        };
        if stored.is_empty() {
            return Ok(Attempt::Foreign);
        }
        let Some(theirs) = Marker::parse(&stored) else {
            return Ok(Attempt::Value(Beginning::of(&stored)));
        };
        if theirs == marker {
            // An earlier attempt at the same command.
            return Ok(Attempt::Stored);
        }
        let Value::Int(left) = self.exchange.ask(at, life_left(at)).await? else {
            return Err(Cause::UnexpectedReply.into());
        };
        if !theirs.is_abandoned(left) {
            return Ok(Attempt::Elsewhere);
        }
        let taken = self.swap(at, theirs.as_bytes(), marker.as_bytes(), life_of(&marker));
        Ok(match done(taken.await)? {
            true => Attempt::Stored,
            false => Attempt::Elsewhere,
        })
    }

    /// Stores a marker if nothing is there, and says what is else.
    async fn set_if_absent(&self, at: &str, marker: &Marker) -> Result<Option<Vec<u8>>, Failure> {
        let learned = &self.exchange.settings.learned;
        let set = |with_get| set_if_absent(at, marker.as_bytes(), marker.life(), with_get);
        if learned.takes_nx_get() {
            let reply = self.exchange.change_unannounced(at, set(true)).await;
            match last(reply) {
                Ok(Value::Nil) => return Ok(None),
                Ok(Value::BulkString(stored)) => return Ok(Some(stored)),
                Ok(_) => return Err(Cause::UnexpectedReply.into()),
                Err(failure) if failure.server_error().is_some_and(is_syntax_error) => {
                    learned.note_nx_get_refused();
                }
                Err(failure) => return Err(failure),
            }
        }
        // Until nobody has taken away in between what was in the way.
        loop {
            if done(self.exchange.change_unannounced(at, set(false)).await)? {
                return Ok(None);
            }
            let stored = self.exchange.ask(at, commands::get(at)).await?;
            if let Some(stored) = commands::found(stored)? {
                return Ok(Some(stored.to_vec()));
            }
        }
    }

    /// Puts `new` in the place of `old`, which is the whole of what is to be stored there.
    async fn swap(&self, key: &str, old: &[u8], new: &[u8], life: Life) -> Reply {
        let learned = &self.exchange.settings.learned;
        if learned.takes_ifeq() {
            let set = set_if(Comparing::Whole, key, old, new, life);
            match self.exchange.change_unannounced(key, set).await {
                Err(failure) if failure.server_error().is_some_and(is_syntax_error) => {
                    learned.note_ifeq_refused();
                }
                reply => return reply,
            }
        }
        let set = set_if(Comparing::Beginning, key, old, new, life);
        self.exchange.change_unannounced(key, set).await
    }

    /// Gives a marker its whole life again, if it is still there.
    pub(super) async fn renew(&self, at: &str, marker: &Marker) -> Result<bool, Failure> {
        let bytes = marker.as_bytes();
        done(self.swap(at, bytes, bytes, life_of(marker)).await)
    }

    /// Takes a marker away, if it is still there.
    pub(super) async fn take_away(&self, at: &str, marker: &Marker) -> Reply {
        let unlink = unlink_if(at, marker.as_bytes());
        self.exchange.change_unannounced(at, unlink).await
    }

    /// Stores a value under a lease.
    pub(crate) async fn write_if(
        self: &Arc<Self>,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: &Condition,
    ) -> BackendResult<Conditional> {
        let stored_key = self.codec.stored_key(key);
        let lease = match condition {
            Condition::Lease(lease) => lease.held::<RedisLease>(),
            _ => None,
        };
        let lease = lease.filter(|lease| lease.is_of(self) && lease.key == *stored_key);
        let (lease, basis) = match lease.map(|lease| (lease, lease.basis)) {
            None | Some((_, Basis::Anything)) => {
                return self.write(key, value).await.map(|()| Conditional::Written);
            }
            Some(leased) => leased,
        };
        let subject = Subject {
            key,
            stamp: Some(value.created()),
        };
        let prepared = self.prepare(value).await;
        let (reply, outcome) = match prepared {
            Prepared::Put { stored, expire } => {
                let expire = expire.map(|expire| self.at_server(expire.timestamp_millis()));
                let life = expire.map_or(Life::Forever, Life::Until);
                let reply = self
                    .put_if(&stored_key, subject, basis, &stored, life)
                    .await;
                (reply, Ok(()))
            }
            Prepared::Clear { outcome } => {
                (self.clear_if(&stored_key, subject, basis).await, outcome)
            }
        };
        let reply = self.without_what_was(reply, &stored_key, key).await;
        let filled = self.filled(reply);
        if filled.is_ok() {
            lease.note_filled();
        }
        outcome.and(filled)
    }

    async fn put_if(
        &self,
        key: &str,
        subject: Subject<'_>,
        basis: Basis,
        stored: &[u8],
        life: Life,
    ) -> Reply {
        match basis {
            // Others have no copies of what was not there.
            Basis::Marker(marker) => self.swap(key, marker.as_bytes(), stored, life).await,
            Basis::Value(value) => {
                let set = set_if(Comparing::Beginning, key, value.as_bytes(), stored, life);
                self.exchange.change(key, subject, set).await
            }
            Basis::Anything => Err(Cause::UnexpectedReply.into()),
        }
    }

    async fn clear_if(&self, key: &str, subject: Subject<'_>, basis: Basis) -> Reply {
        match basis {
            Basis::Marker(marker) => self.take_away(key, &marker).await,
            Basis::Value(value) => {
                let unlink = unlink_if(key, value.as_bytes());
                self.exchange.change(key, subject, unlink).await
            }
            Basis::Anything => Err(Cause::UnexpectedReply.into()),
        }
    }

    /// What has come of a fill.
    fn filled(&self, reply: Reply) -> BackendResult<Conditional> {
        let failure = match reply {
            Ok(reply) => match is_done(&reply) {
                Ok(true) => return Ok(Conditional::Written),
                Ok(false) => return Ok(Conditional::Refused),
                Err(failure) => failure,
            },
            Err(failure) => failure,
        };
        // If the last attempt was refused, that may be due to the first one.
        let is_made = if let Cause::Repeated { last, .. } = &failure.cause {
            let last = (**last).as_ref();
            last.is_ok_and(|reply| is_done(reply).unwrap_or(false))
        } else {
            false
        };
        let failed: BackendError = self.error(failure, Operation::Write);
        Err(if is_made {
            failed.made_by_repeat(Repeated::Write)
        } else {
            failed
        })
    }
}

fn life_of(marker: &Marker) -> Life {
    Life::For(marker.life())
}

/// What was replied last to a command that may be sent again.
fn last(reply: Reply) -> Reply {
    match reply {
        Err(Failure {
            cause: Cause::Repeated { last, .. },
            ..
        }) => *last,
        reply => reply,
    }
}

fn done(reply: Reply) -> Result<bool, Failure> {
    is_done(&last(reply)?)
}
