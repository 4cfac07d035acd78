/// The methods of `Backend` that go as far as they can without waiting, none of which goes anywhere: a call
/// that is over at once leaves no time for a deadline, a circuit breaker, a retry or a fault.
macro_rules! always_wait {
    () => {
        fn try_read<'a>(
            &'a self,
            _key: &'a hitbox_core::CacheKey,
            _context: &mut hitbox_core::BoxContext,
            _moment: &hitbox_core::clock::Moment,
        ) -> $crate::ReadAttempt<'a> {
            $crate::Attempt::WouldBlock(())
        }
        fn try_write<'a>(
            &'a self,
            _key: &'a hitbox_core::CacheKey,
            value: hitbox_core::CacheValue<hitbox_core::Raw>,
        ) -> $crate::WriteAttempt<'a> {
            $crate::Attempt::WouldBlock(value)
        }
        fn try_refill<'a>(
            &'a self,
            _key: &'a hitbox_core::CacheKey,
            value: hitbox_core::CacheValue<hitbox_core::Raw>,
        ) -> $crate::WriteAttempt<'a> {
            $crate::Attempt::WouldBlock(value)
        }
        fn is_non_blocking(&self) -> bool {
            false
        }
    };
}

/// The methods of `Backend` that do no I/O, forwarded to the field `$inner`: a wrapper is in every
/// respect but its own what it wraps, its label included.
///
/// Two parts: one of them is another for a wrapper that can do more.
macro_rules! forward_properties {
    ($inner:ident) => {
        $crate::wrapper::forward_all_but_announces!($inner);
        fn announces(&self) -> Option<$crate::coherence::Announces> {
            self.$inner.announces()
        }
        fn shared_tags(&self) -> Option<$crate::tags::SharedTags> {
            self.$inner.shared_tags()
        }
    };
}

/// [`forward_properties`] without `announces` and `shared_tags`.
macro_rules! forward_all_but_announces {
    ($inner:ident) => {
        fn fencing(&self) -> $crate::Fencing {
            self.$inner.fencing()
        }
        $crate::forward::forward_loads_and_ends!(self => self.$inner);
        fn invalidations(&self, key: &hitbox_core::CacheKey) -> $crate::Invalidations {
            self.$inner.invalidations(key)
        }
        fn label(&self) -> hitbox_core::BackendLabel {
            self.$inner.label()
        }
        fn value_format(&self) -> &dyn $crate::Format {
            self.$inner.value_format()
        }
        fn key_format(&self) -> &$crate::CacheKeyFormat {
            self.$inner.key_format()
        }
        fn compressor(&self) -> &dyn $crate::Compressor {
            self.$inner.compressor()
        }
        fn capabilities(&self) -> $crate::Capabilities {
            self.$inner.capabilities()
        }
        fn find_format(&self, id: hitbox_core::FormatId) -> Option<&dyn $crate::Format> {
            self.$inner.find_format(id)
        }
        fn find_compressor(
            &self,
            id: hitbox_core::CompressorId,
        ) -> Option<&dyn $crate::Compressor> {
            self.$inner.find_compressor(id)
        }
        fn reject(&self, key: &hitbox_core::CacheKey, rejection: $crate::Rejection) {
            self.$inner.reject(key, rejection);
        }
    };
}

pub(crate) use always_wait;
pub(crate) use forward_all_but_announces;
pub(crate) use forward_properties;
