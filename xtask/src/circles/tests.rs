use std::fs;

use super::*;

/// The circles of a crate of these files, as they are told.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let circles = of(&folder.path().join("lib.rs")).unwrap();
    circles.iter().map(Circle::to_string).collect()
}

#[test]
fn files_that_import_each_other_are_named_with_the_lines() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
        ("a.rs", "\nuse crate::b::{B, Other as _};\npub struct A;"),
        (
            "b.rs",
            "pub struct B;\npub trait Other {}\nfn b(_: super::c::C) {}",
        ),
        ("c.rs", "pub struct C(crate::d::D, crate::a::A);"),
        ("d.rs", "pub struct D;"),
    ]);
    let told = "a.rs, b.rs, c.rs\n  a.rs:2 -> b.rs\n  b.rs:3 -> c.rs\n  c.rs:1 -> a.rs";
    assert_eq!(found, [told]);
}

#[test]
fn a_facade_hides_no_circle() {
    let found = circles(&[
        (
            "lib.rs",
            "mod a;\nmod room;\npub use a::*;\npub use room::B;",
        ),
        ("a.rs", "pub struct A(crate::B);"),
        ("room/mod.rs", "mod b;\npub use b::B;"),
        ("room/b.rs", "use crate::A;\npub struct B(Option<Box<A>>);"),
    ]);
    let told = "a.rs, room/b.rs\n  a.rs:1 -> room/b.rs\n  room/b.rs:1 -> a.rs";
    assert_eq!(found, [told]);
}

#[test]
fn a_facade_makes_no_circle() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod room;\npub use room::B;"),
        (
            "a.rs",
            "use super::room;\npub struct A(room::B, [u8; room::c::SIZE]);",
        ),
        ("room/mod.rs", "mod b;\npub mod c;\npub(crate) use b::B;"),
        (
            "room/b.rs",
            "use super::c::{self, SIZE};\npub struct B([u8; SIZE], [u8; c::SIZE]);",
        ),
        ("room/c.rs", "pub const SIZE: usize = 1;"),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_facade_that_uses_what_it_hands_on_imports_it() {
    let found = circles(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod b;\npub use b::B;\npub struct Room(B);"),
        ("room/b.rs", "pub struct B(Option<Box<super::Room>>);"),
    ]);
    let told = "room/b.rs, room.rs\n  room.rs:2 -> room/b.rs\n  room/b.rs:1 -> room.rs";
    assert_eq!(found, [told]);
}

#[test]
fn tests_and_modules_within_a_file_make_no_circle() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;"),
        (
            "a.rs",
            "pub struct A;\nmod within { use super::A; }\n#[cfg(test)]\nuse crate::b::B;\n\
             #[cfg(test)]\nmod tests { use crate::b::B; }\n#[cfg(all(test, unix))] mod more;",
        ),
        ("b.rs", "pub struct B(super::a::A);"),
    ]);
    assert_eq!(found, Vec::<String>::new());
}
