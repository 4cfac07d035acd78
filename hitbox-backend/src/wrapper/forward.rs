/// The methods of `Backend` that do no I/O, forwarded to the field `$inner`: a wrapper is in every
/// respect but its own what it wraps, its label included.
macro_rules! forward_properties {
    ($inner:ident) => {
        fn label(&self) -> $crate::core::BackendLabel {
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
        fn find_format(&self, id: $crate::core::FormatId) -> Option<&dyn $crate::Format> {
            self.$inner.find_format(id)
        }
        fn find_compressor(
            &self,
            id: $crate::core::CompressorId,
        ) -> Option<&dyn $crate::Compressor> {
            self.$inner.find_compressor(id)
        }
        fn reject(&self, key: &$crate::core::CacheKey, rejection: $crate::Rejection) {
            self.$inner.reject(key, rejection);
        }
    };
}

pub(super) use forward_properties;
