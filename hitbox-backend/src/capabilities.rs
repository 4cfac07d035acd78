use std::time::Duration;

/// What a backend can do, as data: read by compositions, by the conformance suite, and by anyone
/// who chooses a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The largest payload the backend stores, in bytes, after its own compression. A write of a
    /// larger one is refused. `None`: no limit of its own.
    pub largest_value: Option<usize>,
    /// The largest payload that typed access decompresses and decodes, in bytes, and the largest value that
    /// it decodes to, in bytes of memory. A larger one is a miss, and typed access does not write it. (Unless
    /// it is of a type that decodes by looking, as with serde's `untagged`, and takes more than a KiB for each
    /// byte of its payload.) Bounds what a corrupt or hostile stored form can make a reader allocate.
    ///
    /// Of a value, each element of a sequence counts, each entry of a map (and 16 bytes with it) and each
    /// box, as large as its type is; strings and bytes count with the payload, which is no shorter. The
    /// standard collections make room for more than they hold, and hold it twice while they grow: a decode
    /// allocates no more than five times this in all, and 8 MiB. A collection that does not ask how many
    /// elements there are (`LinkedList`) may make a node for each, so an element of it counts 8 bytes at least.
    /// What a type's own `Deserialize` allocates by itself does not count, nor does what the memory allocator
    /// adds to a short box: `VecDeque<Box<u8>>` has been seen to take 5.1 times this with glibc, and may take
    /// seven times (`docs/stored-form.md` has the figures).
    pub largest_decoded: usize,
    /// How precisely expiry is kept: a value is gone no later than its expiry plus this.
    pub expiry_granularity: Duration,
    /// Whether what it stores is bytes: those of the object that typed access is given, as the
    /// [`value_format`](crate::Backend::value_format) encodes it. Where no layer keeps bytes, typed access encodes
    /// nothing, every type can be cached, and there is no limit on what a value decodes to.
    ///
    /// Default: true. A backend that says false is given objects without bytes, and keeps what it is
    /// given: objects, and bytes where somebody writes those.
    pub keeps_bytes: bool,
    /// Whether it keeps the [metadata](hitbox_core::Encoded::meta) of what it stores, such as that there is no such
    /// thing. Who would write a value with metadata to a backend that does not is refused.
    ///
    /// Default: false. A [`byte_store::Codec`](crate::byte_store::Codec) keeps them in the stored form, and says so.
    pub keeps_metadata: bool,
    /// Whether values survive a restart of the process.
    pub persistent: bool,
    /// Whether other processes see the same values.
    pub shared: bool,
    /// Whether [leases](crate::load) of loads are in the store, where other processes see them. A composition then fills
    /// that layer first, and only under the lease; and it copies nothing there that a write has failed to store, since it does
    /// not know what another process has done meanwhile: it removes the key.
    ///
    /// Default: false.
    pub gives_leases: bool,
}

impl Capabilities {
    /// The default of [`largest_decoded`](Self::largest_decoded): 64 MiB.
    pub const DEFAULT_LARGEST_DECODED: usize = 64 << 20;

    /// What a composition of two backends can do. Its `largest_value` is the larger of the two: a
    /// value between them is stored by one layer, if the write policy is content with that.
    #[must_use]
    pub fn combine(&self, other: &Self) -> Self {
        Self {
            // What one layer refuses the other may still take.
            largest_value: match (self.largest_value, other.largest_value) {
                (Some(one), Some(two)) => Some(one.max(two)),
                (None, _) | (_, None) => None,
            },
            largest_decoded: self.largest_decoded.max(other.largest_decoded),
            expiry_granularity: self.expiry_granularity.max(other.expiry_granularity),
            keeps_bytes: self.keeps_bytes || other.keeps_bytes,
            keeps_metadata: self.keeps_metadata && other.keeps_metadata,
            persistent: self.persistent || other.persistent,
            shared: self.shared || other.shared,
            gives_leases: self.gives_leases || other.gives_leases,
        }
    }
}

impl Default for Capabilities {
    /// No limit on values, 64 MiB when decoding, expiry exact to the millisecond, bytes without
    /// metadata, neither persistent nor shared.
    fn default() -> Self {
        Self {
            largest_value: None,
            largest_decoded: Self::DEFAULT_LARGEST_DECODED,
            expiry_granularity: Duration::from_millis(1),
            keeps_bytes: true,
            keeps_metadata: false,
            persistent: false,
            shared: false,
            gives_leases: false,
        }
    }
}
