use hitbox_core::CacheKey;

use super::target::Target;

/// The random numbers of one call: the same for the same seed, operation, key and number of the
/// call, in every process.
///
/// Neither a generator shared by all calls (its numbers would go to whichever call comes first) nor
/// the key's own hash (seeded per process) would replay under concurrency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, target: Target, key: &CacheKey, call: u64) -> Self {
        let target = match target {
            Target::Reads => 1,
            Target::Writes => 2,
            Target::Removes => 3,
        };
        let parts = [target, fnv_1a(key.as_text().as_bytes()), call];
        Self(parts.into_iter().fold(mix(seed), |state, part| {
            mix(state.wrapping_add(GAMMA) ^ part)
        }))
    }

    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// At least 0 and below 1.
    pub(super) fn unit(&mut self) -> f64 {
        // The 53 bits that a f64 holds exactly.
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_counts() {
        let one = CacheKey::from_pair("id", "1");
        let two = CacheKey::from_pair("id", "2");
        let mut rolls: Vec<u64> = [
            Dice::new(7, Target::Reads, &one, 1),
            Dice::new(8, Target::Reads, &one, 1),
            Dice::new(7, Target::Writes, &one, 1),
            Dice::new(7, Target::Reads, &two, 1),
            Dice::new(7, Target::Reads, &one, 2),
        ]
        .map(|mut dice| dice.roll())
        .to_vec();
        rolls.sort_unstable();
        rolls.dedup();
        assert_eq!(rolls.len(), 5);
    }

    /// Seeds are written down and replayed later: another sequence would be a breaking change.
    #[test]
    fn the_sequence_is_pinned() {
        let mut dice = Dice::new(7, Target::Reads, &CacheKey::from_pair("id", "42"), 1);
        assert_eq!(
            [dice.roll(), dice.roll()],
            [0x2a9a_4297_6bb0_0156, 0x0c9f_dcc4_f639_c2da]
        );
    }
}
