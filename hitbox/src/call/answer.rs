//! What a call gives: the value, an entry, or either of them as an option.

use std::{marker::PhantomData, sync::Arc};

use hitbox_backend::{BoxContext, CacheKey, CacheValue, Known, ResponseSource};

use crate::{
    Entry, LoadError,
    entry::Answer,
    error::Cause,
    statistics::Outcome,
    status::{Status, Why},
};

/// What a call has come to.
#[derive(Debug)]
pub struct Reply<V> {
    pub(crate) value: CacheValue<Known<V>>,
    pub(crate) source: ResponseSource,
    pub(crate) answer: Answer,
}

impl<V> Clone for Reply<V> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            source: self.source.clone(),
            answer: self.answer.clone(),
        }
    }
}

/// What a call counts as.
pub(super) fn outcome<V>(reply: &Result<Reply<V>, LoadError>) -> Outcome {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) if error.is_absent() => return Outcome::Absent,
        Err(_) => return Outcome::Failed,
    };
    match (reply.value.data(), reply.answer.status()) {
        (Known::Absent, _) => Outcome::Absent,
        (_, Status::Hit) => Outcome::Hit,
        (_, Status::Loaded) => Outcome::Loaded,
        (_, Status::Joined) => Outcome::Joined,
        (_, Status::Stale(Why::Refreshing)) => Outcome::Refreshing,
        (_, Status::Stale(Why::NotRefreshed)) => Outcome::NotRefreshed,
        (_, Status::Stale(Why::LoadFailed)) => Outcome::LoadFailed,
        (_, Status::Stale(Why::LoadSlow)) => Outcome::LoadSlow,
        (_, Status::Stale(Why::Throttled)) => Outcome::Throttled,
    }
}

impl<V> Reply<V> {
    /// Nothing loads the value anew, if it is stale.
    pub(super) fn not_refreshed(mut self) -> Self {
        if let Answer::Refreshing = self.answer {
            self.answer = Answer::NotRefreshed;
        }
        self
    }
}

/// The form in which a call gives what it has come to.
pub trait Output<V>: sealed::Sealed {
    /// What is awaited.
    type Output;

    /// Of what is fresh and was there.
    #[doc(hidden)]
    fn of_hit(key: &CacheKey, value: CacheValue<Known<V>>, context: BoxContext) -> Self::Output;

    /// Of anything else.
    #[doc(hidden)]
    fn of(key: &CacheKey, reply: Result<Reply<V>, LoadError>) -> Self::Output;
}

/// The value alone.
#[derive(Debug)]
pub enum OfValue {}

/// The value with what is known of it.
#[derive(Debug)]
pub enum OfEntry {}

/// `None` where there is no such thing.
#[derive(Debug)]
pub struct OfOptional<O>(PhantomData<O>);

impl<V> Output<V> for OfValue {
    type Output = Result<Arc<V>, LoadError>;

    #[inline]
    fn of_hit(key: &CacheKey, value: CacheValue<Known<V>>, _context: BoxContext) -> Self::Output {
        present(key, value.into_inner())
    }

    fn of(key: &CacheKey, reply: Result<Reply<V>, LoadError>) -> Self::Output {
        present(key, reply?.value.into_inner())
    }
}

impl<V> Output<V> for OfEntry {
    type Output = Result<Entry<V>, LoadError>;

    fn of_hit(key: &CacheKey, value: CacheValue<Known<V>>, context: BoxContext) -> Self::Output {
        let reply = Reply {
            value,
            source: context.source().clone(),
            answer: Answer::Hit,
        };
        Self::of(key, Ok(reply))
    }

    fn of(key: &CacheKey, reply: Result<Reply<V>, LoadError>) -> Self::Output {
        let Reply {
            value,
            source,
            answer,
        } = reply?;
        let value = value.try_map(|known| present(key, known))?;
        Ok(Entry::new(value, source, answer))
    }
}

impl<V, O, T> Output<V> for OfOptional<O>
where
    O: Output<V, Output = Result<T, LoadError>>,
{
    type Output = Result<Option<T>, LoadError>;

    #[inline]
    fn of_hit(key: &CacheKey, value: CacheValue<Known<V>>, context: BoxContext) -> Self::Output {
        optional(O::of_hit(key, value, context))
    }

    fn of(key: &CacheKey, reply: Result<Reply<V>, LoadError>) -> Self::Output {
        optional(O::of(key, reply))
    }
}

#[inline]
fn present<V>(key: &CacheKey, known: Known<V>) -> Result<Arc<V>, LoadError> {
    match known {
        Known::Present(value) => Ok(value),
        Known::Absent => Err(LoadError::new(key.clone(), Cause::Absent)),
    }
}

#[inline]
fn optional<T>(outcome: Result<T, LoadError>) -> Result<Option<T>, LoadError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OfValue {}
    impl Sealed for super::OfEntry {}
    impl<O> Sealed for super::OfOptional<O> {}
}
