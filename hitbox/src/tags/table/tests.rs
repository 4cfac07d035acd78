use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

const ROOMY: usize = 1 << 20;

fn tags(tags: &[&str]) -> TagSet {
    TagSet::of(tags).unwrap()
}

fn complete(hard: u64, soft: u64) -> Found {
    Found {
        marks: Marks { hard, soft },
        knowledge: Knowledge::Complete,
    }
}

fn partial(hard: u64, soft: u64) -> Found {
    Found {
        knowledge: Knowledge::Partial,
        ..complete(hard, soft)
    }
}

#[test]
fn a_value_has_the_marks_of_its_tags_and_of_everything() {
    let table = Table::new(ROOMY, 0);
    table.raise("t", Severity::Hard, 10);
    table.raise("u", Severity::Soft, 20);
    table.raise("t", Severity::Hard, 5);
    let (t, both, neither) = (tags(&["t"]), tags(&["t", "u"]), tags(&["v"]));
    assert_eq!(table.find(1, Coverage::Tags(&t)), complete(10, 0));
    assert_eq!(table.find(1, Coverage::Tags(&both)), complete(10, 20));
    assert_eq!(table.find(1, Coverage::Tags(&neither)), complete(0, 0));
    assert_eq!(table.find(1, Coverage::Nothing), complete(0, 0));
    assert_eq!(table.find(1, Coverage::AnyTag), complete(10, 20));
    table.raise_all(Severity::Soft, 30);
    assert_eq!(table.find(1, Coverage::Nothing), complete(0, 30));
    assert_eq!(table.find(1, Coverage::Tags(&t)), complete(10, 30));
    table.raise_all(Severity::Hard, 40);
    assert_eq!(table.find(1, Coverage::AnyTag), complete(40, 30));
}

#[test]
fn what_is_newer_than_all_is_seen_at_once() {
    let table = Table::new(ROOMY, 7);
    assert!(!table.is_newer_than_all(7) && table.is_newer_than_all(8));
    table.raise("t", Severity::Soft, 10);
    table.raise_all(Severity::Hard, 9);
    assert!(!table.is_newer_than_all(10) && table.is_newer_than_all(11));
    table.learn("u", Some(Marks::of(Severity::Hard, 12)), table.gap());
    assert!(!table.is_newer_than_all(12) && table.is_newer_than_all(13));
}

#[test]
fn of_what_came_before_it_began_it_knows_what_it_has_learned() {
    let table = Table::new(ROOMY, 100);
    let t = tags(&["t"]);
    assert_eq!(table.find(100, Coverage::Tags(&t)), partial(0, 0));
    assert_eq!(table.find(100, Coverage::Nothing), partial(0, 0));
    assert_eq!(table.find(101, Coverage::Tags(&t)), complete(0, 0));
    // It is invalidated here, which says nothing of what was done before.
    table.raise("t", Severity::Soft, 110);
    assert_eq!(table.known("t"), None);
    table.learn_of_all(
        Marks::of(Severity::Hard, 50),
        Marks::of(Severity::Soft, 60),
        table.gap(),
    );
    assert_eq!(table.find(100, Coverage::Nothing), complete(50, 0));
    assert_eq!(table.find(100, Coverage::AnyTag), complete(50, 110));
    assert_eq!(table.find(100, Coverage::Tags(&t)), partial(50, 110));
    table.learn("t", Some(Marks::of(Severity::Hard, 90)), table.gap());
    assert_eq!(table.find(100, Coverage::Tags(&t)), complete(90, 110));
    assert_eq!(
        table.known("t"),
        Some(Marks {
            hard: 90,
            soft: 110
        })
    );
}

#[test]
fn a_tag_of_which_nothing_is_stored_was_invalidated_at_any_moment_that_is_not_known() {
    let table = Table::new(ROOMY, 100);
    table.learn("t", None, table.gap());
    assert_eq!(table.known("t"), Some(Marks::of(Severity::Hard, 100)));
    // A mark that could not be stored: what is stored may be older.
    table.lose(120);
    table.learn("u", Some(Marks::of(Severity::Hard, 90)), table.gap());
    assert_eq!(table.known("u"), Some(Marks::of(Severity::Hard, 120)));
}

#[test]
fn the_tags_go_whose_marks_are_the_oldest() {
    // So that each shard has room for two.
    let table = Table::new(SHARDS * 2 * (OVERHEAD + 4), 0);
    let names: Vec<String> = (0..1_000).map(|tag| format!("{tag:0>4}")).collect();
    for (mark, name) in (1..).zip(&names) {
        table.raise(name, Severity::Hard, mark);
        assert!(table.bytes() <= SHARDS * table.room);
    }
    let floor = table.floor();
    assert!(floor > 900, "{floor}");
    for (mark, name) in (1..).zip(&names) {
        let name = tags(&[name]);
        let found = table.find(mark, Coverage::Tags(&name));
        // Whatever went: it is known to be invalidated, or nobody knows.
        assert!(found == complete(mark, 0) || found == partial(0, 0) && mark <= floor);
    }
    assert_eq!(
        table.find(floor + 1, Coverage::Tags(&tags(&["x"]))),
        complete(0, 0)
    );
}

#[test]
fn a_tag_that_was_forgotten_and_comes_back_is_known_from_then_on() {
    let table = Table::new(0, 0);
    table.raise("t", Severity::Hard, 10);
    assert_eq!((table.floor(), table.bytes()), (10, 0));
    let table = Table {
        room: ROOMY,
        ..table
    };
    table.raise("t", Severity::Soft, 20);
    let t = tags(&["t"]);
    assert_eq!(table.find(10, Coverage::Tags(&t)), partial(0, 20));
    assert_eq!(table.find(11, Coverage::Tags(&t)), complete(0, 20));
}

#[test]
fn after_a_gap_nothing_is_known_but_what_is_newer() {
    let table = Table::new(ROOMY, 0);
    let t = tags(&["t"]);
    table.raise("t", Severity::Hard, 10);
    table.learn_of_all(Marks::NONE, Marks::NONE, table.gap());
    let before = table.gap();
    table.note_gap(20);
    assert!(!table.is_newer_than_all(20) && table.is_newer_than_all(21));
    assert_eq!(table.find(5, Coverage::Tags(&t)), partial(0, 0));
    assert_eq!(table.find(20, Coverage::Nothing), partial(0, 0));
    table.raise("t", Severity::Hard, 30);
    assert_eq!(table.find(20, Coverage::Tags(&t)), partial(30, 0));
    assert_eq!(table.find(21, Coverage::Tags(&t)), complete(30, 0));
    // What was asked for before the gap says nothing of it.
    table.learn_of_all(Marks::NONE, Marks::NONE, before);
    let learnt = table.learn("u", Some(Marks::NONE), before);
    assert_eq!((learnt, table.known("u")), (Marks::NONE, None));
    assert_eq!(table.find(20, Coverage::Nothing), partial(0, 0));
    table.learn_of_all(Marks::of(Severity::Hard, 15), Marks::NONE, table.gap());
    assert_eq!(table.find(20, Coverage::Nothing), complete(15, 0));
    // Also if that is answered only now.
    table.learn_of_all(Marks::NONE, Marks::NONE, before);
    assert_eq!(table.find(20, Coverage::Nothing), complete(15, 0));
}

/// All that was ever done, against a table with little room.
#[test]
fn what_the_table_says_for_certain_is_so() {
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    println!("seed: {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut certain = 0;
    for _ in 0..200 {
        let start = random.u64(0..20);
        let table = Table::new(random.usize(0..=SHARDS * 3 * OVERHEAD), start);
        let mut done: Vec<(u8, Marks)> = Vec::new();
        for mark in 1..200 {
            let severity = [Severity::Hard, Severity::Soft][random.usize(0..2)];
            let tag = random.u8(0..12);
            let name = tag.to_string();
            let is_before = mark <= start;
            match random.u8(0..20) {
                0 if !is_before => table.raise_all(severity, mark),
                0 | 1 => {
                    // As a store has it, which keeps all.
                    let of_tag = done.iter().filter(|(of, _)| *of == tag);
                    let stored = of_tag.fold(Marks::NONE, |all, (_, one)| all.combine(*one));
                    table.learn(&name, Some(stored), table.gap());
                    continue;
                }
                _ if is_before => {}
                _ => table.raise(&name, severity, mark),
            }
            let of = if random.u8(..) == 0 { u8::MAX } else { tag };
            let marks = Marks::of(severity, mark);
            done.push((if of == u8::MAX { tag } else { of }, marks));
            if done.last().is_some() && !is_before && table.of_all().newest() == mark {
                done.pop();
                done.extend((0..12).map(|tag| (tag, marks)));
            }
            let (age, of) = (
                random.u64(1..=mark + 1),
                [random.u8(0..12), random.u8(0..12)],
            );
            let set = TagSet::of(of.map(|tag| tag.to_string())).unwrap();
            let covering = done.iter().filter(|(tag, _)| of.contains(tag));
            let truth = covering.fold(Marks::NONE, |all, (_, one)| all.combine(*one));
            if table.is_newer_than_all(age) {
                assert!(truth.newest() < age, "seed {seed}");
                continue;
            }
            let found = table.find(age, Coverage::Tags(&set));
            let of_all = table.all.find(age, table.since()).knowledge;
            if found.knowledge == Knowledge::Complete {
                certain += 1;
                assert_eq!(found.marks.hard >= age, truth.hard >= age, "seed {seed}");
                assert_eq!(found.marks.soft >= age, truth.soft >= age, "seed {seed}");
            } else {
                let floor = table.floor();
                assert!(age <= floor || of_all == Knowledge::Partial, "seed {seed}");
            }
        }
    }
    assert!(certain > 2_000, "{certain}");
}
