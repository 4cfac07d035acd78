//! A typed read of sled, beside a get of sled and decoding what it returns.

use hitbox_benches::{
    Case,
    bodies::{Size, Text},
    keys,
    questions::sled::contest,
    runtime,
};

use super::{name, quick};

pub(crate) fn cases() -> Vec<Case> {
    let of_size = |size| {
        let name = name("read of sled", size, "this checkout");
        let build = move || contest::<Text>(&runtime()?, keys::HOT, size);
        quick(Case::contest(name, build), size)
    };
    Size::USUAL.map(of_size).into()
}
