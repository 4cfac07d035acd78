//! The caches, each with the operations that it has: reads and writes of [`Text`].

pub(crate) mod cached;
pub(crate) mod foyer;
pub(crate) mod hitbox_0_2;
pub(crate) mod loading;
pub(crate) mod multi_tier;
pub(crate) mod ours;
pub(crate) mod raw;

use std::rc::Rc;

use hitbox_benches::{
    Failure, Runner,
    bodies::{Body, Size, Text},
    keys::{HOT, Order},
};
use tokio::runtime::Runtime;

/// Room for so many entries in process: nothing is evicted.
pub(crate) const ENTRIES: u64 = 10_000;

/// The body under the key with this number.
pub(crate) fn body(index: usize, size: Size) -> Text {
    Text::new(index as u64, size)
}

/// Does `once` with one hot key after another, in the same order for every subject.
pub(crate) fn over_hot<K: 'static>(
    runtime: &Rc<Runtime>,
    keys: Vec<K>,
    mut once: impl AsyncFnMut(&K) -> Result<(), Failure> + 'static,
) -> Runner {
    let mut order = Order::even(HOT);
    Runner::repeating(runtime, async move || once(&keys[order.advance()]).await)
}
