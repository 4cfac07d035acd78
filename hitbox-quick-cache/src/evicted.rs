use hitbox_backend::in_process::Held;
use hitbox_core::CacheKey;
use quick_cache::Lifecycle;

/// Hands over what a write has driven out, so that it is dropped and told of without a lock held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandOver;

/// What one write has driven out, in order. Two are what most drive out at most: the value of the same key,
/// and one for its room.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    first: Option<(CacheKey, Held)>,
    second: Option<(CacheKey, Held)>,
    more: Vec<(CacheKey, Held)>,
}

impl Evicted {
    fn push(&mut self, entry: (CacheKey, Held)) {
        if self.first.is_none() {
            self.first = Some(entry);
        } else if self.second.is_none() {
            self.second = Some(entry);
        } else {
            self.more.push(entry);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(CacheKey, Held)> {
        self.first.iter().chain(&self.second).chain(&self.more)
    }
}

impl Lifecycle<CacheKey, Held> for HandOver {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, key: CacheKey, held: Held) {
        evicted.push((key, held));
    }
}
