//! Everything of the crate imported: nothing of the standard library is shadowed.

#![allow(unused_imports, reason = "what is imported is the subject")]

use hitbox_backend::*;

#[test]
fn the_standard_librarys_core_stays_itself() {
    assert_eq!(core::mem::size_of::<u64>(), 8);
    let key: CacheKey = core::str::FromStr::from_str(":v0:id=42").expect("a text form");
    assert_eq!(key, CacheKey::from_pair("id", "42"));
}
