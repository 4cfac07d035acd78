//! The seeds of the histories of a campaign.

/// The seed of history `number`.
///
/// The first history has the campaign's own seed, so that the seed of any history, given to a campaign of
/// one, repeats it. The others are mixed: if they counted on from there, campaigns whose seeds are
/// neighbours would have the same histories.
pub(super) const fn seed_of(campaign: u64, number: u64) -> u64 {
    match number {
        0 => campaign,
        _ => mix(mix(campaign).wrapping_add(number)),
    }
}

/// A step of splitmix64: a bijection in which every bit of `number` changes about half of all bits.
const fn mix(number: u64) -> u64 {
    let sum = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let once = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The first outputs of the published generator for the seed zero.
    #[test]
    fn it_mixes_as_splitmix64_does() {
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(gamma), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_seed_that_is_given_anew_has_the_same_history_first() {
        let printed = seed_of(7, 1_000);
        assert_eq!(seed_of(printed, 0), printed);
    }

    #[test]
    fn campaigns_whose_seeds_are_neighbours_share_no_history() {
        let seeds = |campaign| (0..10_000).map(move |number| seed_of(campaign, number));
        let distinct: HashSet<_> = (100..105).flat_map(seeds).collect();
        assert_eq!(distinct.len(), 50_000);
    }
}
