//! Enums that are represented otherwise than by a variant with a content. In a format without names none
//! can be read, so none may be written, and what is there is of another type.

use std::collections::BTreeMap;

pairs! {
    untagged: [NotStorable, Same] { #[serde(untagged)] enum T { N(u32), S(String) } } => (u32), T::N(7);
    untagged_text: [NotStorable, Same] { #[serde(untagged)] enum T { N(u32), S(String) } } => (String), T::S("a".into());
    untagged_struct: [NotStorable, Same] { #[serde(untagged)] enum T { A { a: u8 }, B { b: u8 } } } => { struct T { b: u8 } },
        T::B { b: 1 };
    untagged_unit: [NotStorable, Same] { #[serde(untagged)] enum T { No, Yes(u8) } } => (Option<u8>), T::No;
    as_untagged: [Miss, Same] (u32) => { #[serde(untagged)] enum T { N(u32), S(String) } }, 7;
    as_untagged_of_none: [Miss, Miss] (bool) => { #[serde(untagged)] enum T { N(u32), S(String) } }, true;
    struct_as_untagged: [Miss, Same] { struct T { b: u8 } } => { #[serde(untagged)] enum T { A { a: u8 }, B { b: u8 } } },
        T { b: 1 };
    untagged_turned: [NotStorable, Same] { #[serde(untagged)] enum T { N(u32), I(i32) } }
        => { #[serde(untagged)] enum T { I(i32), N(u32) } }, T::N(7);
    untagged_in_field: [NotStorable, Same] { #[serde(untagged)] enum U { N(u32), S(String) } struct T { a: u8, u: U } }
        => { struct T { a: u8, u: u64 } }, T { a: 1, u: U::N(7) };
    as_untagged_in_field: [Miss, Same] { struct T { a: u8, u: u64 } }
        => { #[serde(untagged)] enum U { N(u32), S(String) } struct T { a: u8, u: U } }, T { a: 1, u: 7 };
    one_variant_untagged: [NotStorable, Same] { enum T { A(u8), #[serde(untagged)] Else(String) } } => (String), T::Else("a".into());
    as_one_variant_untagged: [Miss, Same] (String) => { enum T { A(u8), #[serde(untagged)] Else(String) } }, "a".into();

    within: [NotStorable, Same] { #[serde(tag = "kind")] enum T { A { a: u8 }, B } } => { struct T { kind: String, a: u8 } },
        T::A { a: 1 };
    within_of_unit: [NotStorable, Same] { #[serde(tag = "kind")] enum T { A { a: u8 }, B } } => (BTreeMap<String, String>), T::B;
    within_of_newtype: [NotStorable, Same] { struct I { a: u8 } #[serde(tag = "kind")] enum T { A(I), B } }
        => { #[serde(tag = "kind")] enum T { B, A { a: u8 } } }, T::A(I { a: 1 });
    as_within: [Miss, Same] { struct T { kind: String, a: u8 } } => { #[serde(tag = "kind")] enum T { A { a: u8 }, B } },
        T { kind: "A".into(), a: 1 };
    as_within_of_none: [Miss, Miss] { struct T { kind: String, a: u8 } } => { #[serde(tag = "kind")] enum T { A { a: u8 }, B } },
        T { kind: "C".into(), a: 1 };
    within_under_other_name: [NotStorable, Miss] { #[serde(tag = "kind")] enum T { A { a: u8 }, B } }
        => { #[serde(tag = "type")] enum T { A { a: u8 }, B } }, T::A { a: 1 };
    outside_as_within: [Miss, Miss] { enum T { A { a: u8 }, B } } => { #[serde(tag = "kind")] enum T { A { a: u8 }, B } },
        T::A { a: 1 };
    within_as_outside: [NotStorable, Miss] { #[serde(tag = "kind")] enum T { A { a: u8 }, B } } => { enum T { A { a: u8 }, B } },
        T::A { a: 1 };
    struct_with_tag: [NotStorable, Part] { #[serde(tag = "kind")] struct T { a: u8 } } => { struct T { a: u8 } }, T { a: 1 };
    struct_without_tag: [Miss, Same] { struct T { kind: String, a: u8 } } => { #[serde(tag = "kind")] struct T { a: u8 } },
        T { kind: "T".into(), a: 1 };

    beside: [NotStorable, Same] { #[serde(tag = "t", content = "c")] enum T { A(u8), B } } => { struct T { t: String, c: u8 } },
        T::A(1);
    beside_of_unit: [NotStorable, Part] { #[serde(tag = "t", content = "c")] enum T { A(u8), B } }
        => { struct T { t: String, c: Option<u8> } }, T::B;
    beside_turned: [NotStorable, Same] { #[serde(tag = "t", content = "c")] enum T { A(u8), B(u8) } }
        => { #[serde(tag = "t", content = "c")] enum T { B(u8), A(u8) } }, T::A(1);
    beside_names_turned: [NotStorable, Miss] { #[serde(tag = "t", content = "c")] enum T { A(u8), B } }
        => { #[serde(tag = "c", content = "t")] enum T { A(u8), B } }, T::A(1);
    as_beside: [Miss, Same] { struct T { t: String, c: u8 } } => { #[serde(tag = "t", content = "c")] enum T { A(u8), B } },
        T { t: "A".into(), c: 1 };
    beside_as_within: [NotStorable, Miss] { #[serde(tag = "t", content = "c")] enum T { A { a: u8 }, B } }
        => { #[serde(tag = "t")] enum T { A { a: u8 }, B } }, T::A { a: 1 };
    outside_as_beside: [Miss, Miss] { enum T { A(u8), B } } => { #[serde(tag = "t", content = "c")] enum T { A(u8), B } }, T::A(1);

    sequence_as_untagged: [Miss, Miss] (Vec<u8>) => { #[serde(untagged)] enum T { A { a: u8, b: u8 } } }, vec![1, 2];
    tuple_as_within: [Miss, Miss] ((String, u8)) => { #[serde(tag = "kind")] enum T { A { a: u8 }, B } }, ("A".into(), 1);
    tuple_as_within_of_unit: [Miss, Miss] ((String,)) => { #[serde(tag = "kind")] enum T { A { a: u8 }, B } }, ("B".into(),);
    tuple_as_within_of_newtype: [Miss, Miss] ((String, u8)) => { struct I { a: u8 } #[serde(tag = "kind")] enum T { A(I), B } },
        ("A".into(), 1);
    tuple_as_optional_within: [Miss, Miss] ((String, u8)) => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } struct T(Option<I>); },
        ("A".into(), 1);
    tuples_as_withins: [Miss, Miss] (Vec<(String, u8)>) => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } struct T(Vec<I>); },
        vec![("A".into(), 1)];
    tuples_as_mapped_withins: [Miss, Miss] (BTreeMap<u8, (String, u8)>)
        => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } struct T(BTreeMap<u8, I>); }, BTreeMap::from([(1, ("A".into(), 1))]);
    tuple_as_within_in_field: [Miss, Miss] { struct T { i: (String, u8) } }
        => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } struct T { i: I } }, T { i: ("A".into(), 1) };
    tuple_as_within_in_tuple: [Miss, Miss] ((u8, (String, u8)))
        => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } struct T(u8, I); }, (1, ("A".into(), 1));
    tuple_as_within_outside: [Miss, Miss] { enum T { V((String, u8)) } }
        => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } enum T { V(I) } }, T::V(("A".into(), 1));
    tuple_as_within_beside: [NotStorable, Miss] { #[serde(tag = "t", content = "c")] enum T { V((String, u8)) } }
        => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } #[serde(tag = "t", content = "c")] enum T { V(I) } },
        T::V(("A".into(), 1));
    tuple_as_struct_with_tag: [Miss, Miss] ((String, u8)) => { #[serde(tag = "kind")] struct T { a: u8 } }, ("T".into(), 1);

    // What serde has put aside to look at it again it reads by itself: no format sees what is asked for.
    tuple_as_untagged_within: [Miss, Limit(r#"{"kind":"A","a":1}"#)] ((String, u8))
        => { #[serde(tag = "kind")] enum I { A { a: u8 }, B } #[serde(untagged)] enum T { I(I), N(u8) } }, ("A".into(), 1);
    tuple_as_untagged_struct: [Miss, Limit(r#"{"a":1,"b":2}"#)] ((u8, u8)) => { struct I { a: u8, b: u8 } #[serde(untagged)] enum T { I(I), N(u8) } }, (1, 2);
    tuple_as_struct_within: [Miss, Limit(r#"{"kind":"A","i":{"a":1,"b":2}}"#)] { struct T { kind: String, i: (u8, u8) } }
        => { struct I { a: u8, b: u8 } #[serde(tag = "kind")] enum T { A { i: I }, B } }, T { kind: "A".into(), i: (1, 2) };
    tuple_as_struct_in_flattened: [Miss, Limit(r#"{"i":{"a":1,"b":2},"c":3}"#)] { struct T { i: (u8, u8), c: u8 } }
        => { struct I { a: u8, b: u8 } struct F { i: I } struct T { #[serde(flatten)] f: F, c: u8 } }, T { i: (1, 2), c: 3 };
    tuple_as_struct_beside: [Miss, Limit(r#"{"t":"V","c":{"a":1,"b":2}}"#)] { struct T { c: (u8, u8), t: String } }
        => { struct I { a: u8, b: u8 } #[serde(tag = "t", content = "c")] enum T { V(I) } }, T { c: (1, 2), t: "V".into() };
    tuple_as_beside: [Miss, Miss] ((String, u8)) => { #[serde(tag = "t", content = "c")] enum T { A(u8), B } }, ("A".into(), 1);
    sequence_as_flattened: [Miss, Miss] (Vec<u8>) => { struct I { a: u8 } struct T { #[serde(flatten)] i: I, b: u8 } }, vec![1, 2];

    any_json: [NotStorable, Same] (serde_json::Value) => { struct T { a: u8 } }, serde_json::json!({ "a": 1 });
    as_any_json: [Miss, Same] { struct T { a: u8 } } => (serde_json::Value), T { a: 1 };
}
