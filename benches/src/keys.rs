//! Which keys are asked for, and in what order.

use std::{rc::Rc, sync::Arc};

use hitbox_core::{CacheKey, KeyPart};

/// Few enough to stay in the caches of a CPU, as the hot keys of a service do.
pub const HOT: usize = 256;

/// A fixed seed: every run asks for the same keys in the same order.
const SEED: u64 = 42;

/// The key with this number. Each call makes a new one, as each request to a service does: equal to
/// the stored one, not the same.
#[must_use]
pub fn key(index: usize) -> CacheKey {
    let id = format!("{index:016}");
    CacheKey::new("users", 1, [KeyPart::new("id", Some(id))])
}

/// The text of that key, as a service would put it together that has no use for parts.
#[must_use]
pub fn joined(index: usize) -> String {
    format!("users:v1:id={index:016}")
}

/// Keys 0 up to this number.
#[must_use]
pub fn keys(count: usize) -> Vec<CacheKey> {
    (0..count).map(key).collect()
}

/// The key with this number, as a floor has it.
#[must_use]
pub fn text(index: usize) -> Arc<str> {
    key(index).as_text().into()
}

/// The same keys, as a floor has them.
#[must_use]
pub fn texts(count: usize) -> Vec<Arc<str>> {
    (0..count).map(text).collect()
}

/// Numbers of keys in the order in which they are asked for; from the beginning again after the last.
#[derive(Clone, Debug)]
pub struct Order {
    indices: Rc<[u32]>,
    next: usize,
}

impl Order {
    fn new(indices: impl IntoIterator<Item = u32>) -> Self {
        Self {
            indices: indices.into_iter().collect(),
            next: 0,
        }
    }

    /// Each of `count` keys as often as any other, at random.
    #[must_use]
    pub fn even(count: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        let last = u32::try_from(count).unwrap_or(u32::MAX);
        Self::new((0..count.clamp(1 << 12, 1 << 20)).map(|_| random.u32(..last)))
    }

    /// Each of `count` keys once, one after another.
    #[must_use]
    pub fn sequential(count: usize) -> Self {
        Self::new(0..u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// By Zipf's law: the key in place n of popularity 1/n times as often as the first. Which key has
    /// which place is random, or the popular ones would lie side by side in memory.
    #[must_use]
    pub fn zipf(count: usize, length: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut places: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        random.shuffle(&mut places);
        let mut sum = 0.0;
        let mut cumulative = Vec::with_capacity(count);
        for place in 1..=count {
            sum += 1.0 / place as f64;
            cumulative.push(sum);
        }
        Self::new((0..length).map(|_| {
            let drawn = random.f64() * sum;
            let place = cumulative.partition_point(|below| *below < drawn);
            places[place.min(count - 1)]
        }))
    }

    /// The next number.
    pub fn advance(&mut self) -> usize {
        let index = self.indices[self.next];
        self.next += 1;
        if self.next == self.indices.len() {
            self.next = 0;
        }
        index as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_most_popular_key_is_asked_for_twice_as_often_as_the_next() {
        let length = 200_000;
        let mut order = Order::zipf(1_000, length);
        let mut asked = HashMap::new();
        for _ in 0..length {
            *asked.entry(order.advance()).or_insert(0_u32) += 1;
        }
        let mut counts: Vec<u32> = asked.into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_text_of_a_key_is_the_same_however_it_is_made() {
        assert_eq!(joined(42), key(42).as_text());
    }

    #[test]
    fn an_order_begins_again() {
        let mut order = Order::sequential(2);
        let asked = [order.advance(), order.advance(), order.advance()];
        assert_eq!(asked, [0, 1, 0]);
    }
}
