//! The hash that shapes are made with.

/// FNV-1a, 64 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Fnv(u64);

impl Fnv {
    pub(in crate::format) const START: Self = Self(0xCBF2_9CE4_8422_2325);
    const PRIME: u64 = 0x0000_0100_0000_01B3;

    pub(in crate::format) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }

    pub(in crate::format) fn number(&mut self, number: usize) {
        // Sixty-four bits everywhere: a 32-bit machine must come to the same fingerprint.
        self.bytes(&(number as u64).to_le_bytes());
    }

    pub(in crate::format) fn names(&mut self, names: &[&str]) {
        self.number(names.len());
        for name in names {
            self.number(name.len());
            self.bytes(name.as_bytes());
        }
    }

    /// Never 0, which stands for "not known".
    pub(in crate::format) fn digest(self) -> u64 {
        self.0.max(1)
    }
}
