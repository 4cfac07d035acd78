//! `Backend` for references, boxes and shared pointers.

use std::sync::Arc;

use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Raw, clock::Moment,
};

use crate::{
    Backend, CacheKeyFormat, Capabilities, Fencing, Invalidations, ReadAttempt, Rejection,
    WriteAttempt, coherence::Announces, compression::Compressor, format::Format, tags::SharedTags,
};

/// Asynchronous methods of `Backend`, each forwarded to `$inner`: they return its future, which an `async fn` would put into one
/// of its own, and that into a box. So they are written as `async_trait` makes them.
macro_rules! forward_futures {
    ($this:ident => $inner:expr; $(
        $name:ident<$($life:lifetime),*>($($argument:ident: $type:ty),*) -> $output:ty;
    )*) => {$(
        fn $name<'backend, $($life,)* 'async_trait>(
            &'backend $this,
            $($argument: $type),*
        ) -> futures::future::BoxFuture<'async_trait, $output>
        where
            'backend: 'async_trait,
            $($life: 'async_trait,)*
            Self: 'async_trait,
        {
            $inner.$name($($argument),*)
        }
    )*};
}

macro_rules! forward_reads {
    ($this:ident => $inner:expr) => {
        $crate::forward::forward_futures! {
            $this => $inner;
            read<'key>(key: &'key hitbox_core::CacheKey) -> $crate::ReadOutcome;
            read_with<'key, 'context>(
                key: &'key hitbox_core::CacheKey,
                context: &'context mut hitbox_core::BoxContext
            ) -> $crate::ReadOutcome;
            read_many<'keys>(keys: &'keys [hitbox_core::CacheKey]) -> Vec<$crate::ReadOutcome>;
            read_many_with<'keys, 'contexts>(
                keys: &'keys [hitbox_core::CacheKey],
                contexts: &'contexts mut [hitbox_core::BoxContext]
            ) -> Vec<$crate::ReadOutcome>;
        }
    };
}

/// All that is no read.
macro_rules! forward_changes {
    ($this:ident => $inner:expr) => {
        $crate::forward::forward_futures! {
            $this => $inner;
            write<'key>(
                key: &'key hitbox_core::CacheKey,
                value: hitbox_core::CacheValue<hitbox_core::Raw>
            ) -> $crate::BackendResult<()>;
            write_many<>(
                entries: Vec<(hitbox_core::CacheKey, hitbox_core::CacheValue<hitbox_core::Raw>)>
            ) -> Vec<$crate::BackendResult<()>>;
            refill<'key>(
                key: &'key hitbox_core::CacheKey,
                value: hitbox_core::CacheValue<hitbox_core::Raw>
            ) -> $crate::BackendResult<()>;
            refill_many<>(
                entries: Vec<(hitbox_core::CacheKey, hitbox_core::CacheValue<hitbox_core::Raw>)>
            ) -> Vec<$crate::BackendResult<()>>;
            remove<'key>(
                key: &'key hitbox_core::CacheKey
            ) -> $crate::BackendResult<$crate::DeleteStatus>;
            remove_many<'keys>(
                keys: &'keys [hitbox_core::CacheKey]
            ) -> Vec<$crate::BackendResult<$crate::DeleteStatus>>;
            begin_load<'key>(
                key: &'key hitbox_core::CacheKey
            ) -> $crate::BackendResult<$crate::Begun>;
            write_if<'key>(
                key: &'key hitbox_core::CacheKey,
                value: hitbox_core::CacheValue<hitbox_core::Raw>,
                condition: $crate::Condition
            ) -> $crate::BackendResult<$crate::Conditional>;
            write_many_if<>(
                entries: Vec<(
                    hitbox_core::CacheKey,
                    hitbox_core::CacheValue<hitbox_core::Raw>,
                    $crate::Condition,
                )>
            ) -> Vec<$crate::BackendResult<$crate::Conditional>>;
        }
        $crate::forward::forward_loads_and_ends!($this => $inner);
    };
}

/// What a wrapper has to say nothing about, whatever it is for.
macro_rules! forward_loads_and_ends {
    ($this:ident => $inner:expr) => {
        $crate::forward::forward_futures! {
            $this => $inner;
            expire<'key>(key: &'key hitbox_core::CacheKey) -> $crate::BackendResult<()>;
            close<>(within: std::time::Duration) -> $crate::Leftovers;
        }
    };
}

pub(crate) use {forward_changes, forward_futures, forward_loads_and_ends};

macro_rules! forward_backend {
    ($pointer:ty) => {
        #[deny(
            clippy::missing_trait_methods,
            reason = "a default body would bypass what the inner backend overrides"
        )]
        impl<B: Backend + ?Sized> Backend for $pointer {
            forward_reads!(self => (**self));
            forward_changes!(self => (**self));
            fn try_read<'a>(
                &'a self,
                key: &'a CacheKey,
                context: &mut BoxContext,
                moment: &Moment,
            ) -> ReadAttempt<'a> {
                (**self).try_read(key, context, moment)
            }
            fn try_write<'a>(
                &'a self,
                key: &'a CacheKey,
                value: CacheValue<Raw>,
            ) -> WriteAttempt<'a> {
                (**self).try_write(key, value)
            }
            fn try_refill<'a>(
                &'a self,
                key: &'a CacheKey,
                value: CacheValue<Raw>,
            ) -> WriteAttempt<'a> {
                (**self).try_refill(key, value)
            }
            fn is_non_blocking(&self) -> bool {
                (**self).is_non_blocking()
            }
            fn fencing(&self) -> Fencing {
                (**self).fencing()
            }
            fn invalidations(&self, key: &CacheKey) -> Invalidations {
                (**self).invalidations(key)
            }
            fn announces(&self) -> Option<Announces> {
                (**self).announces()
            }
            fn shared_tags(&self) -> Option<SharedTags> {
                (**self).shared_tags()
            }
            fn label(&self) -> BackendLabel {
                (**self).label()
            }
            fn value_format(&self) -> &dyn Format {
                (**self).value_format()
            }
            fn key_format(&self) -> &CacheKeyFormat {
                (**self).key_format()
            }
            fn compressor(&self) -> &dyn Compressor {
                (**self).compressor()
            }
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
                (**self).find_format(id)
            }
            fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
                (**self).find_compressor(id)
            }
            fn reject(&self, key: &CacheKey, rejection: Rejection) {
                (**self).reject(key, rejection);
            }
        }
    };
}

forward_backend!(&B);
forward_backend!(Box<B>);
forward_backend!(Arc<B>);
