//! What stands around a type, and is nothing to serde; and types with parameters.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    marker::PhantomData,
    sync::{Mutex, RwLock},
};

pairs! {
    newtype_as_value: [Same, Same] { struct T(u64); } => (u64), T(7);
    value_as_newtype: [Same, Same] (u64) => { struct T(u64); }, 7;
    newtype_of_newtype: [Same, Same] { struct I(u64); struct T(I); } => { #[serde(rename = "Other")] struct T(u64); }, T(I(7));
    newtype_of_wider: [Miss, Same] { struct T(u32); } => { struct T(u64); }, T(7);
    newtype_as_tuple_of_one: [Miss, Miss] { struct T(u32); } => ((u32,)), T(7);
    newtype_as_struct: [Miss, Miss] { struct T(u32); } => { struct T { a: u32 } }, T(7);
    newtype_of_sequence: [Same, Same] { struct T(Vec<u8>); } => (Vec<u8>), T(vec![1, 2]);
    newtype_of_option: [Miss, Same] { struct T(Option<u8>); } => (u8), T(Some(1));
    newtype_of_unit: [Same, Same] { struct T(()); } => (()), T(());
    newtype_in_field: [Same, Same] { struct I(u8); struct T { a: I } } => { struct T { a: u8 } }, T { a: I(1) };
    transparent_as_value: [Same, Same] { #[serde(transparent)] struct T { a: u64 } } => (u64), T { a: 7 };
    transparent_as_struct: [Miss, Miss] { #[serde(transparent)] struct T { a: u64 } } => { struct T { a: u64 } }, T { a: 7 };
    transparent_with_marker: [Same, Same] { #[serde(transparent)] struct T { a: u64, of: PhantomData<u8> } } => (u64),
        T { a: 7, of: PhantomData };
    marker_as_unit: [Same, Same] (PhantomData<u8>) => (()), PhantomData;
    marker_of_other: [Same, Same] (PhantomData<u8>) => (PhantomData<String>), PhantomData;
    marker_field_less: [Miss, Part] { struct T { a: u8, of: PhantomData<u8> } } => { struct T { a: u8 } },
        T { a: 1, of: PhantomData };
    marker_field_more: [Miss, Miss] { struct T { a: u8 } } => { struct T { a: u8, of: PhantomData<u8> } }, T { a: 1 };
    boxed: [Same, Same] (Box<u32>) => (u32), Box::new(7);
    boxed_at_depth: [Same, Same] (Vec<Box<(u8, Box<u8>)>>) => (Vec<(u8, u8)>), vec![Box::new((1, Box::new(2)))];
    boxed_of_other: [Miss, Same] (Box<u32>) => (Box<i32>), Box::new(7);
    locked: [Same, Same] (Mutex<u32>) => (RwLock<u32>), Mutex::new(7);
    cow_of_slice: [Same, Same] (Cow<'static, [u8]>) => (Vec<u8>), vec![1, 2].into();
    cow_of_other: [Miss, Miss] (Cow<'static, str>) => (Cow<'static, [u8]>), "text".into();
    cow_in_field: [Same, Same] { struct T { a: Cow<'static, str> } } => { struct T { a: String } }, T { a: "text".into() };
    generic_of_wider: [Miss, Same] { struct Page<E> { of: Vec<E>, next: u8 } struct T(Page<u32>); }
        => { struct Page<E> { of: Vec<E>, next: u8 } struct T(Page<u64>); }, T(Page { of: vec![1], next: 2 });
    generic_in_itself: [Miss, Miss] { struct Of<E> { of: E } struct T(Of<Of<u8>>); }
        => { struct Of<E> { of: E } struct T(Of<u8>); }, T(Of { of: Of { of: 1 } });
    generic_as_concrete: [Same, Same] { struct Of<E> { of: E } struct T(Of<u8>); } => { struct T { of: u8 } }, T(Of { of: 1 });
    generic_parameters_turned: [Miss, Same] { struct Two<A, B> { a: A, b: B } struct T(Two<u8, u16>); }
        => { struct Two<A, B> { a: A, b: B } struct T(Two<u16, u8>); }, T(Two { a: 1, b: 2 });
    generic_with_default: [Same, Same] { struct Of<E = u8> { of: E } struct T(Of); } => { struct T { of: u8 } }, T(Of { of: 1 });
    generic_over_collection: [Miss, Miss] { struct Of<C> { of: C } struct T(Of<Vec<u8>>); }
        => { struct Of<C> { of: C } struct T(Of<BTreeMap<u8, u8>>); }, T(Of { of: vec![1, 2] });
    used_at_two_types: [Miss, Same] { struct Of<E> { of: E } struct T { a: Of<u8>, b: Of<u16> } }
        => { struct Of<E> { of: E } struct T { a: Of<u8>, b: Of<u8> } }, T { a: Of { of: 1 }, b: Of { of: 2 } };
}
