//! A backend as the composition sees it that it is a layer of.

use std::{borrow::Cow, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::{
    BoxContext, CacheKey, CacheValue, Namespace, ObjectType, Raw, Stamp, Wants, clock::Moment,
};

use super::{
    CompositionLayer,
    copies::{Copies, OnceCoherent, Role, Shared},
};
use crate::{
    Attempt, Backend, BackendResult, Begun, Condition, Conditional, DeleteStatus, Fencing, Lease,
    Operation, ReadAttempt, ReadOutcome, Rejection, WriteAttempt,
    backend::{read_through, write_through},
    log::{Health, Name},
    object::{can_keep, decode_as, with_bytes, with_bytes_each},
};

/// The backend of a layer. All operations of the composition go through here, and what comes of them is
/// noted for the log, whatever the policies make of it.
pub(super) struct Member<B> {
    pub(super) backend: B,
    /// What the backend is to be handed keys in, so that it keeps them apart from those of others.
    namespace: Namespace,
    /// Whether its leases are in a store that processes share.
    gives_leases: bool,
    /// Whether those of the other layer are.
    other_gives_leases: bool,
    health: Health,
    /// What it does in a coherent composition.
    role: OnceCoherent,
}

/// What a reader can do with a value of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provided {
    Usable,
    /// It is an object of another type, without bytes.
    OfAnotherType,
    /// Its bytes are none of the wanted type.
    Rejected,
}

impl<B> Member<B> {
    /// Gives it its role in coherence, and gives that back if it has one.
    pub(super) fn make_coherent(&self, role: Role) -> Result<(), Role> {
        self.role.set(role)
    }

    pub(super) fn role(&self) -> Option<&Role> {
        self.role.get()
    }
}

impl<B: Backend> Member<B> {
    pub(super) fn new(
        composition: &Arc<Name>,
        layer: CompositionLayer,
        backend: B,
        namespace: Namespace,
    ) -> Self {
        Self {
            health: Health::new(Arc::clone(composition), layer, backend.label()),
            namespace,
            gives_leases: backend.capabilities().gives_leases,
            other_gives_leases: false,
            backend,
            role: OnceCoherent::new(),
        }
    }

    /// The key as the backend has it.
    pub(super) fn own<'k>(&self, key: &'k CacheKey) -> Cow<'k, CacheKey> {
        if self.namespace.is_none() {
            Cow::Borrowed(key)
        } else {
            Cow::Owned(key.in_namespace(&self.namespace))
        }
    }

    fn own_all<'k>(&self, keys: &'k [CacheKey]) -> Cow<'k, [CacheKey]> {
        if self.namespace.is_none() {
            Cow::Borrowed(keys)
        } else {
            let own = keys.iter().map(|key| key.in_namespace(&self.namespace));
            Cow::Owned(own.collect())
        }
    }

    /// Not where keys have to be made for it, which what has been begun would have to keep.
    pub(super) fn is_non_blocking(&self) -> bool {
        self.namespace.is_none() && self.backend.is_non_blocking() || self.keeps_copies().is_some()
    }

    /// What it holds in a coherent composition, if it holds copies.
    #[inline]
    fn keeps_copies(&self) -> Option<&Shared> {
        match self.role.get()? {
            Role::Copies(shared) => Some(shared),
            Role::Store(_) | Role::CopiesOfStore(_) => None,
        }
    }

    /// The other layer gives leases or does not.
    pub(super) const fn beside(mut self, other_gives_leases: bool) -> Self {
        self.other_gives_leases = other_gives_leases;
        self
    }

    /// Whether what it holds may be copied to the other layer. A copy may not go back to a store that processes share: nobody
    /// knows here what others have done to the key meanwhile.
    pub(super) fn may_be_copied(&self) -> bool {
        self.keeps_copies().is_none() && !self.other_gives_leases
    }

    fn copies_of<T>(
        &self,
        shared: &Shared,
        key: &CacheKey,
        work: impl FnOnce(Copies<'_, B>) -> T,
    ) -> T {
        let own = self.own(key);
        work(Copies {
            shared,
            l1: &self.backend,
            key,
            own: &own,
        })
    }

    /// Applies the news that a key has been changed, to `version` if that was done here.
    pub(super) fn hear(&self, shared: &Shared, key: &CacheKey, version: Option<Stamp>) {
        self.copies_of(shared, key, |copies| copies.hear(version));
    }

    /// Drops a copy of another version than a reader is about to be handed, in a coherent composition.
    pub(super) fn drop_other(&self, key: &CacheKey, version: Stamp) {
        if let Some(shared) = self.keeps_copies() {
            self.copies_of(shared, key, |copies| copies.drop_other(version));
        }
    }

    /// [`Backend::try_read`]. One that is begun leaves it to the caller to note what comes of it.
    #[inline]
    pub(super) fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        if !self.namespace.is_none() {
            return self.try_own_read(key, context, moment);
        }
        let look = self.role.get().map(Role::look);
        let attempt = self.backend.try_read(key, context, moment);
        match attempt {
            Attempt::Ready(mut outcome) => {
                if let Some(look) = look {
                    look.judge(key, &mut outcome, Some(context));
                }
                self.health.note(Operation::Read, key, &outcome);
                Attempt::Ready(outcome)
            }
            Attempt::Pending(rest) => {
                let noted = rest.map(move |(mut outcome, mut context)| {
                    if let Some(look) = look {
                        look.judge(key, &mut outcome, Some(&mut context));
                    }
                    self.health.note(Operation::Read, key, &outcome);
                    (outcome, context)
                });
                Attempt::Pending(noted.boxed())
            }
            Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    /// One that is begun is dropped: it cannot outlive its key.
    #[inline(never)]
    fn try_own_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let own = key.in_namespace(&self.namespace);
        let look = self.role.get().map(Role::look);
        match self.backend.try_read(&own, context, moment) {
            Attempt::Ready(mut outcome) => {
                if let Some(look) = look {
                    look.judge(key, &mut outcome, Some(context));
                }
                self.health.note(Operation::Read, key, &outcome);
                Attempt::Ready(outcome)
            }
            Attempt::Pending(_) | Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    /// Reads without waiting as far as that goes.
    pub(super) async fn read(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let own = self.own(key);
        let look = self.role.get().map(Role::look);
        let mut outcome = read_through(&self.backend, &own, context).await;
        if let Some(look) = look {
            look.judge(key, &mut outcome, Some(context));
        }
        self.health.note(Operation::Read, key, &outcome);
        outcome
    }

    /// Puts the object that the reader wants into a value that the backend has answered with. If the reader
    /// cannot use its bytes, the backend is told.
    #[inline]
    pub(super) fn provide(
        &self,
        key: &CacheKey,
        value: &mut CacheValue<Raw>,
        wants: Wants,
    ) -> Provided {
        match wants.object {
            Some(wanted) if !value.data().holds(wanted) => self.decode(key, value, wanted),
            Some(_) | None => Provided::Usable,
        }
    }

    #[inline(never)]
    fn decode(&self, key: &CacheKey, value: &mut CacheValue<Raw>, wanted: &ObjectType) -> Provided {
        if value.data().is_absent() {
            // Whatever the type that is wanted.
            return Provided::Usable;
        }
        if value.data().encoded().is_none() {
            return Provided::OfAnotherType;
        }
        match self.try_decode(value, wanted) {
            Ok(()) => Provided::Usable,
            Err(rejection) => {
                self.backend.reject(&self.own(key), rejection);
                Provided::Rejected
            }
        }
    }

    fn try_decode(
        &self,
        value: &mut CacheValue<Raw>,
        wanted: &ObjectType,
    ) -> Result<(), Rejection> {
        let decoded = decode_as(wanted, &self.backend, value.data())?;
        *value = value.clone().map(|_| decoded);
        Ok(())
    }

    /// Puts the object that readers want into a value that the backend has answered with, if its bytes can be
    /// decoded. Else nothing happens.
    pub(super) fn decode_if_possible(&self, value: &mut CacheValue<Raw>, wanted: &ObjectType) {
        if !value.data().holds(wanted)
            && !value.data().is_absent()
            && value.data().encoded().is_some()
        {
            let _readers_are_told = self.try_decode(value, wanted);
        }
    }

    /// Whether the backend keeps all that the value has.
    pub(super) fn can_keep(&self, value: &CacheValue<Raw>) -> bool {
        can_keep(&self.backend, value)
    }

    /// Writes in place as far as that goes. What comes of the rest is to be [noted](Self::note_write).
    pub(super) fn begin_write<'a>(
        &'a self,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> WriteAttempt<'a> {
        if let Some(shared) = self.keeps_copies() {
            let outcome = self.copies_of(shared, key, |copies| copies.write(value));
            self.note_write(key, &outcome);
            return Attempt::Ready(outcome);
        }
        if !self.namespace.is_none() {
            return Attempt::WouldBlock(value);
        }
        let attempt = self.backend.try_write(key, value);
        if let Attempt::Ready(outcome) = &attempt {
            self.note_write(key, outcome);
        }
        attempt
    }

    /// Writes. What comes of it is to be [noted](Self::note_write).
    pub(super) fn write_without_note<'a>(
        &'a self,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> BoxFuture<'a, BackendResult<()>> {
        if self.namespace.is_none() {
            self.backend.write(key, value)
        } else {
            Box::pin(async move {
                let own = key.in_namespace(&self.namespace);
                self.backend.write(&own, value).await
            })
        }
    }

    pub(super) fn note_write(&self, key: &CacheKey, outcome: &BackendResult<()>) {
        self.health.note(Operation::Write, key, outcome);
    }

    pub(super) fn try_refill<'a>(
        &'a self,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> WriteAttempt<'a> {
        let note = |outcome: &_| self.health.note_refill(key, outcome);
        if let Some(shared) = self.keeps_copies() {
            let outcome = self.copies_of(shared, key, |copies| copies.refill(value));
            note(&outcome);
            return Attempt::Ready(outcome);
        }
        if !self.namespace.is_none() {
            return Attempt::WouldBlock(value);
        }
        let refilling = match with_bytes(&self.backend, value) {
            Ok(value) => self.backend.try_refill(key, value),
            Err(refusal) => Attempt::Ready(Err(refusal)),
        };
        noted(refilling, note)
    }

    /// Writes without waiting as far as that goes.
    pub(super) async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        if let Some(shared) = self.keeps_copies() {
            let outcome = self.copies_of(shared, key, |copies| copies.write(value));
            self.note_write(key, &outcome);
            return outcome;
        }
        let own = self.own(key);
        let outcome = write_through(&self.backend, &own, value).await;
        self.health.note(Operation::Write, key, &outcome);
        outcome
    }

    /// Refills without waiting as far as that goes.
    pub(super) async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let outcome = self.refill_without_note(key, value).await;
        self.health.note_refill(key, &outcome);
        outcome
    }

    async fn refill_without_note(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<()> {
        if let Some(shared) = self.keeps_copies() {
            return self.copies_of(shared, key, |copies| copies.refill(value));
        }
        // Here, so that a layer that tries again does not encode again.
        let value = with_bytes(&self.backend, value)?;
        let own = self.own(key);
        match self.backend.try_refill(&own, value) {
            Attempt::Ready(outcome) => outcome,
            Attempt::Pending(rest) => rest.await,
            Attempt::WouldBlock(value) => self.backend.refill(&own, value).await,
        }
    }

    pub(super) async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let outcome = self.backend.remove(&self.own(key)).await;
        self.health.note(Operation::Remove, key, &outcome);
        outcome
    }

    pub(super) const fn gives_leases(&self) -> bool {
        self.gives_leases
    }

    /// The lease of a backend that gives leases, or keeps fences of its own.
    pub(super) async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        if !self.gives_leases && self.backend.fencing() == Fencing::Unfenced {
            return Ok(Begun::Lead(Lease::default()));
        }
        let begun = self.backend.begin_load(&self.own(key)).await;
        if self.gives_leases {
            self.health.note(Operation::Write, key, &begun);
        }
        begun
    }

    /// [`Backend::write_if`].
    pub(super) async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let own = self.own(key);
        let outcome = self.backend.write_if(&own, value, condition).await;
        self.health.note(Operation::Write, key, &outcome);
        outcome
    }

    pub(super) async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let keys: Vec<_> = entries.iter().map(|(key, ..)| key.clone()).collect();
        let entries = entries
            .into_iter()
            .map(|(key, value, condition)| (self.own(&key).into_owned(), value, condition));
        let outcomes = self.backend.write_many_if(entries.collect()).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Write, key, outcome);
        }
        outcomes
    }

    /// Expires the key in a backend that keeps fences of its own.
    pub(super) async fn expire(&self, key: &CacheKey) -> BackendResult<()> {
        match self.backend.fencing() {
            Fencing::Unfenced => Ok(()),
            Fencing::Fenced => self.backend.expire(&self.own(key)).await,
        }
    }

    pub(super) async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let own = self.own_all(keys);
        let look = self.role.get().map(Role::look);
        let mut outcomes = self.backend.read_many_with(&own, contexts).await;
        if let Some(look) = look {
            let mut contexts = contexts.iter_mut();
            for (key, outcome) in keys.iter().zip(&mut outcomes) {
                look.judge(key, outcome, contexts.next());
            }
        }
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Read, key, outcome);
        }
        outcomes
    }

    pub(super) async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        if let Some(shared) = self.keeps_copies() {
            let write = |(key, value)| {
                let outcome = self.copies_of(shared, &key, |copies| copies.write(value));
                self.note_write(&key, &outcome);
                outcome
            };
            return entries.into_iter().map(write).collect();
        }
        let keys = keys_of(&entries);
        let outcomes = self.backend.write_many(self.own_entries(entries)).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Write, key, outcome);
        }
        outcomes
    }

    pub(super) async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        if let Some(shared) = self.keeps_copies() {
            let refill = |(key, value)| {
                let outcome = self.copies_of(shared, &key, |copies| copies.refill(value));
                self.health.note_refill(&key, &outcome);
                outcome
            };
            return entries.into_iter().map(refill).collect();
        }
        let keys = keys_of(&entries);
        let (entries, refused) = with_bytes_each(&self.backend, self.own_entries(entries));
        let outcomes = self.backend.refill_many(entries).await;
        let outcomes = refused.settle(&self.backend, outcomes).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note_refill(key, outcome);
        }
        outcomes
    }

    pub(super) async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let outcomes = self.backend.remove_many(&self.own_all(keys)).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Remove, key, outcome);
        }
        outcomes
    }

    fn own_entries(
        &self,
        mut entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<(CacheKey, CacheValue<Raw>)> {
        if !self.namespace.is_none() {
            for (key, _) in &mut entries {
                *key = key.in_namespace(&self.namespace);
            }
        }
        entries
    }
}

/// For the log: the entries themselves are given away.
fn keys_of(entries: &[(CacheKey, CacheValue<Raw>)]) -> Vec<CacheKey> {
    entries.iter().map(|(key, _)| key.clone()).collect()
}

fn noted<'a>(
    writing: WriteAttempt<'a>,
    note: impl Fn(&BackendResult<()>) + Send + 'a,
) -> WriteAttempt<'a> {
    match writing {
        Attempt::Ready(outcome) => {
            note(&outcome);
            Attempt::Ready(outcome)
        }
        Attempt::Pending(rest) => Attempt::Pending(rest.inspect(note).boxed()),
        Attempt::WouldBlock(value) => Attempt::WouldBlock(value),
    }
}
