//! Types that contain themselves.

use std::collections::BTreeMap;

pairs! {
    list_of_other_name: [Same, Same] { struct T { v: u8, next: Option<Box<T>> } }
        => { #[serde(rename = "List")] struct T { v: u8, next: Option<Box<T>> } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
    list_of_wider: [Miss, Same] { struct T { v: u8, next: Option<Box<T>> } } => { struct T { v: u16, next: Option<Box<T>> } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
    list_turned: [Miss, Same] { struct T { v: u8, next: Option<Box<T>> } } => { struct T { next: Option<Box<T>>, v: u8 } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
    list_that_ends: [Miss, Same] { struct T { v: u8, next: Option<Box<T>> } }
        => { struct L { v: u8, next: Option<()> } struct T { v: u8, next: Option<L> } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
    list_written_out_once: [Same, Same] { struct T { v: u8, next: Option<Box<T>> } }
        => { struct L { v: u8, next: Option<Box<L>> } struct T { v: u8, next: Option<L> } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
    list_of_two_kinds: [Miss, Same] { struct T { v: u8, next: Option<Box<T>> } }
        => { struct L { v: i8, next: Option<Box<T>> } struct T { v: u8, next: Option<Box<L>> } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
    mutual: [Same, Same] { struct T { v: u8, next: Option<Box<T>> } }
        => { struct Odd { v: u8, next: Option<Box<T>> } struct T { v: u8, next: Option<Box<Odd>> } },
        T { v: 1, next: Some(Box::new(T { v: 2, next: Some(Box::new(T { v: 3, next: None })) })) };
    mutual_of_three: [Miss, Miss]
        { struct A { v: u8, b: Vec<B> } struct B { w: bool, c: Option<Box<C>> } struct C { x: u8, t: Vec<T> } struct T { a: Vec<A> } }
        => { struct A { v: u8, b: Vec<B> } struct B { w: bool, c: Option<Box<C>> } struct C { x: bool, t: Vec<T> } struct T { a: Vec<A> } },
        T { a: vec![A { v: 1, b: vec![B { w: true, c: Some(Box::new(C { x: 1, t: vec![] })) }] }] };
    tree: [Same, Same] { struct T(Vec<T>); } => { struct Leaves(Vec<T>); struct T(Vec<Leaves>); }, T(vec![T(vec![]), T(vec![])]);
    tree_as_units: [Miss, Miss] { struct T(Vec<T>); } => (Vec<Vec<()>>), T(vec![T(vec![T(vec![])])]);
    tree_as_finite: [Miss, Same] { struct T(Vec<T>); } => (Vec<Vec<u8>>), T(vec![T(vec![]), T(vec![])]);
    tree_in_map: [Miss, Miss] { struct T { of: BTreeMap<u8, T> } } => { struct T { of: Vec<(u8, T)> } },
        T { of: BTreeMap::from([(1, T { of: BTreeMap::new() })]) };
    tree_in_map_of_other_keys: [Miss, Same] { struct T { of: BTreeMap<u8, T> } } => { struct T { of: BTreeMap<u16, T> } },
        T { of: BTreeMap::from([(1, T { of: BTreeMap::new() })]) };
    binary_tree_turned: [Miss, Same] { enum T { Leaf(u8), Node { l: Box<T>, r: Box<T> } } }
        => { enum T { Leaf(u8), Node { r: Box<T>, l: Box<T> } } },
        T::Node { l: Box::new(T::Leaf(1)), r: Box::new(T::Leaf(2)) };
    expression_of_other_operation: [Miss, Miss] { enum T { N(i8), Add(Box<T>, Box<T>), Neg(Box<T>) } }
        => { enum T { N(i8), Sub(Box<T>, Box<T>), Neg(Box<T>) } },
        T::Neg(Box::new(T::Add(Box::new(T::N(1)), Box::new(T::N(2)))));
    expression_names_turned: [Miss, Same] { enum T { N(i8), Add(Box<T>, Box<T>), Sub(Box<T>, Box<T>) } }
        => { enum T { N(i8), Sub(Box<T>, Box<T>), Add(Box<T>, Box<T>) } },
        T::Sub(Box::new(T::Add(Box::new(T::N(1)), Box::new(T::N(2)))), Box::new(T::N(3)));
    expression_of_lists: [Miss, Same] { enum T { N(u8), All(Vec<T>) } } => { enum T { N(u16), All(Vec<T>) } },
        T::All(vec![T::N(1), T::All(vec![T::N(2)])]);
    recursion_by_parameter: [Miss, Same] { struct L<E> { v: E, next: Option<Box<L<E>>> } struct T(L<u8>); }
        => { struct L<E> { v: E, next: Option<Box<L<E>>> } struct T(L<u16>); },
        T(L { v: 1, next: Some(Box::new(L { v: 2, next: None })) });
    recursion_by_result: [Miss, Same] { struct T { of: Result<u8, Box<T>> } } => { struct T { of: Result<u16, Box<T>> } },
        T { of: Err(Box::new(T { of: Ok(1) })) };
    list_with_last_skipped: [NotStorable, Part]
        { struct T { v: u8, #[serde(skip_serializing_if = "Option::is_none")] next: Option<Box<T>> } }
        => { struct T { v: u8, next: Option<Box<T>> } }, T { v: 1, next: Some(Box::new(T { v: 2, next: None })) };
}
