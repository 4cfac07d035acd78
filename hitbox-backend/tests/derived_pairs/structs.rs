//! Structs, by the order, the names and the kinds of their fields, and at any depth.

use std::collections::BTreeMap;

pairs! {
    same_fields: [Same, Same] { struct T { a: u8, b: String } } => { #[serde(rename = "Account")] struct T { a: u8, b: String } },
        T { a: 1, b: "two".into() };
    fields_turned: [Miss, Same] { struct T { a: u32, b: u32 } } => { struct T { b: u32, a: u32 } }, T { a: 1, b: 2 };
    field_of_other_name: [Miss, Miss] { struct T { a: u32 } } => { struct T { b: u32 } }, T { a: 1 };
    optional_field_of_other_name: [Miss, Part] { struct T { a: Option<u32> } } => { struct T { b: Option<u32> } },
        T { a: Some(1) };
    names_turned: [Miss, Same] { struct T { a: u32, b: u32 } }
        => { struct T { #[serde(rename = "b")] a: u32, #[serde(rename = "a")] b: u32 } }, T { a: 1, b: 2 };
    field_of_other_case: [Miss, Miss] { struct T { name: u8 } } => { #[serde(rename_all = "PascalCase")] struct T { name: u8 } }, T { name: 1 };
    field_of_wider_kind: [Miss, Same] { struct T { a: u8, b: i32 } } => { struct T { a: u8, b: i64 } }, T { a: 1, b: 2 };
    field_of_other_kind: [Miss, Miss] { struct T { a: u8, b: u8 } } => { struct T { a: u8, b: bool } }, T { a: 1, b: 1 };
    field_more: [Miss, Miss] { struct T { a: u8 } } => { struct T { a: u8, b: u8 } }, T { a: 1 };
    field_less: [Miss, Part] { struct T { a: u8, b: u8 } } => { struct T { a: u8 } }, T { a: 1, b: 2 };
    field_less_in_sequence: [Miss, Part] { struct R { a: u8, b: u8 } struct T(Vec<R>); }
        => { struct R { a: u8 } struct T(Vec<R>); }, T(vec![R { a: 1, b: 2 }, R { a: 3, b: 4 }]);
    unit_field_more: [Miss, Miss] { struct T { a: u8 } } => { struct T { a: u8, b: () } }, T { a: 1 };
    unit_field_less: [Miss, Part] { struct T { a: u8, b: () } } => { struct T { a: u8 } }, T { a: 1, b: () };
    struct_as_tuple: [Miss, Miss] { struct T { a: u8, b: u8 } } => ((u8, u8)), T { a: 1, b: 2 };
    tuple_as_struct: [Miss, Miss] ((u8, u8)) => { struct T { a: u8, b: u8 } }, (1, 2);
    sequence_as_struct: [Miss, Miss] (Vec<u8>) => { struct T { a: u8, b: u8 } }, vec![1, 2];
    tuple_struct_as_struct: [Miss, Miss] { struct T(u8, u8); } => { struct T { a: u8, b: u8 } }, T(1, 2);
    tuple_struct_as_tuple: [Same, Same] { struct T(u8, u8); } => ((u8, u8)), T(1, 2);
    tuple_struct_as_array: [Same, Same] { struct T(u8, u8); } => ([u8; 2]), T(1, 2);
    tuple_struct_turned: [Miss, Miss] { struct T(u8, String); } => { struct T(String, u8); }, T(1, "a".into());
    struct_as_value: [Miss, Miss] { struct T { a: u8 } } => (u8), T { a: 1 };
    value_as_struct: [Miss, Miss] (u8) => { struct T { a: u8 } }, 1;
    empty_struct_as_unit: [Miss, Miss] { struct T {} } => (()), T {};
    empty_structs: [Same, Same] { struct T {} } => { #[serde(rename = "Other")] struct T {} }, T {};
    empty_struct_as_larger: [Miss, Part] { struct T {} } => { struct T { #[serde(default)] a: u8 } }, T {};
    unit_struct_as_unit: [Same, Same] { struct T; } => (()), T;
    raw_name: [Same, Same] { struct T { r#type: u8 } } => { struct T { #[serde(rename = "type")] kind: u8 } }, T { r#type: 1 };
    nested_as_flat: [Miss, Miss] { struct I { b: u8 } struct T { a: u8, i: I } } => { struct T { a: u8, b: u8 } },
        T { a: 1, i: I { b: 2 } };
    flat_as_nested: [Miss, Miss] { struct T { a: u8, b: u8 } } => { struct I { b: u8 } struct T { a: u8, i: I } },
        T { a: 1, b: 2 };
    nested_elsewhere: [Miss, Miss] { struct I { a: u8, b: u8 } struct T { i: I, c: u8 } }
        => { struct I { b: u8, c: u8 } struct T { a: u8, i: I } }, T { i: I { a: 1, b: 2 }, c: 3 };
    same_struct_twice_or_two: [Same, Same] { struct I { a: u8 } struct T { x: I, y: I } }
        => { struct I { a: u8 } struct J { a: u8 } struct T { x: I, y: J } }, T { x: I { a: 1 }, y: I { a: 2 } };
    one_of_two_differs: [Miss, Same] { struct I { a: u8 } struct T { x: I, y: I } }
        => { struct I { a: u8 } struct J { a: i8 } struct T { x: I, y: J } }, T { x: I { a: 1 }, y: I { a: 2 } };
    name_three_deep: [Miss, Miss] { struct A { b: u8 } struct B { a: A } struct T { b: Vec<Option<B>> } }
        => { struct A { c: u8 } struct B { a: A } struct T { b: Vec<Option<B>> } },
        T { b: vec![None, Some(B { a: A { b: 1 } })] };
    kind_three_deep: [Miss, Miss] { struct A { b: u8 } struct B { a: A } struct T { b: BTreeMap<u8, B> } }
        => { struct A { b: bool } struct B { a: A } struct T { b: BTreeMap<u8, B> } },
        T { b: BTreeMap::from([(7, B { a: A { b: 1 } })]) };
    order_three_deep: [Miss, Same] { struct A { x: i8, y: i8 } struct B { a: (A, A) } struct T { b: [B; 1] } }
        => { struct A { y: i8, x: i8 } struct B { a: (A, A) } struct T { b: [B; 1] } },
        T { b: [B { a: (A { x: 1, y: 2 }, A { x: 3, y: 4 }) }] };
    twelve_fields_two_turned: [Miss, Same]
        { struct T { a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8 } }
        => { struct T { a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, k: u8, j: u8, l: u8 } },
        T { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10, k: 11, l: 12 };
    boundary_of_names: [Miss, Miss] { struct T { ab: u8, c: u8 } } => { struct T { a: u8, bc: u8 } }, T { ab: 1, c: 2 };
}
