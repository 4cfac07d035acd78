//! Enums, by the order and names of their variants, and by what each holds.

pairs! {
    variants_of_other_type: [Same, Same] { enum T { A, B } } => { #[serde(rename = "Other")] enum T { A, B } }, T::B;
    variants_turned: [Miss, Same] { enum T { A, B } } => { enum T { B, A } }, T::A;
    variants_renamed: [Miss, Miss] { enum T { A, B } } => { enum T { A, C } }, T::B;
    other_variant_renamed: [Miss, Same] { enum T { A, B } } => { enum T { A, C } }, T::A;
    variant_more: [Miss, Same] { enum T { A, B } } => { enum T { A, B, C } }, T::B;
    variant_more_in_front: [Miss, Same] { enum T { A, B } } => { enum T { C, A, B } }, T::B;
    variant_less: [Miss, Same] { enum T { A, B, C } } => { enum T { A, B } }, T::B;
    variant_that_is_gone: [Miss, Miss] { enum T { A, B, C } } => { enum T { A, B } }, T::C;
    variant_with_number: [Same, Same] { enum T { A, B } } => { enum T { A = 7, B = 3 } }, T::B;
    variant_of_wider: [Miss, Same] { enum T { A(u8), B } } => { enum T { A(u16), B } }, T::A(1);
    other_variant_of_wider: [Miss, Same] { enum T { A(u8), B(u8) } } => { enum T { A(u8), B(u16) } }, T::A(1);
    variant_of_other_kind: [Miss, Miss] { enum T { A(u8), B } } => { enum T { A(bool), B } }, T::A(1);
    contents_turned: [Miss, Miss] { enum T { A(u8), B(bool) } } => { enum T { A(bool), B(u8) } }, T::A(1);
    names_turned: [Miss, Same] { enum T { A(u8), B(u8) } } => { enum T { B(u8), A(u8) } }, T::A(1);
    unit_as_newtype: [Miss, Miss] { enum T { A, B } } => { enum T { A(u8), B } }, T::A;
    unit_as_newtype_of_unit: [Miss, Miss] { enum T { A, B } } => { enum T { A(()), B } }, T::A;
    unit_as_newtype_of_option: [Miss, Miss] { enum T { A, B } } => { enum T { A(Option<u8>), B } }, T::A;
    newtype_of_unit_as_unit: [Miss, Same] { enum T { A(()), B } } => { enum T { A, B } }, T::A(());
    unit_as_empty_tuple: [Miss, Miss] { enum T { A, B } } => { enum T { A(), B } }, T::A;
    unit_as_empty_struct: [Miss, Miss] { enum T { A, B } } => { enum T { A {}, B } }, T::A;
    empty_tuple_as_empty_struct: [Miss, Miss] { enum T { A(), B } } => { enum T { A {}, B } }, T::A();
    newtype_as_struct: [Miss, Miss] { enum T { A(u8), B } } => { enum T { A { v: u8 }, B } }, T::A(1);
    struct_as_newtype: [Miss, Miss] { enum T { A { v: u8 }, B } } => { enum T { A(u8), B } }, T::A { v: 1 };
    struct_as_newtype_of_struct: [Miss, Same] { enum T { A { v: u8 }, B } } => { struct V { v: u8 } enum T { A(V), B } },
        T::A { v: 1 };
    tuple_as_newtype_of_tuple: [Miss, Same] { enum T { A(u8, u8), B } } => { enum T { A((u8, u8)), B } }, T::A(1, 2);
    tuple_as_struct: [Miss, Miss] { enum T { A(u8, u8), B } } => { enum T { A { x: u8, y: u8 }, B } }, T::A(1, 2);
    tuple_of_wider: [Miss, Same] { enum T { A(u8, u8), B } } => { enum T { A(u8, u16), B } }, T::A(1, 2);
    tuple_longer: [Miss, Miss] { enum T { A(u8, u8), B } } => { enum T { A(u8, u8, u8), B } }, T::A(1, 2);
    tuple_turned: [Miss, Miss] { enum T { A(u8, String), B } } => { enum T { A(String, u8), B } }, T::A(1, "a".into());
    fields_turned: [Miss, Same] { enum T { A { x: u8, y: u8 }, B } } => { enum T { A { y: u8, x: u8 }, B } }, T::A { x: 1, y: 2 };
    field_renamed: [Miss, Miss] { enum T { A { x: u8 }, B } } => { enum T { A { y: u8 }, B } }, T::A { x: 1 };
    field_less: [Miss, Part] { enum T { A { x: u8, y: u8 }, B } } => { enum T { A { x: u8 }, B } }, T::A { x: 1, y: 2 };
    field_of_other_variant: [Miss, Same] { enum T { A, B { x: u8 } } } => { enum T { A, B { y: u8 } } }, T::A;
    only_variant_as_newtype: [Miss, Miss] { enum T { A(u8) } } => { struct T(u8); }, T::A(1);
    only_variant_as_struct: [Miss, Same] { enum T { A(u8) } } => { struct T { #[serde(rename = "A")] a: u8 } }, T::A(1);
    unit_variant_as_text: [Miss, Same] { enum T { A, B } } => (String), T::B;
    text_as_unit_variant: [Miss, Same] (String) => { enum T { A, B } }, "B".into();
    unit_variant_as_number: [Miss, Miss] { enum T { A, B } } => (u32), T::B;
    number_as_unit_variant: [Miss, Miss] (u32) => { enum T { A, B } }, 1;
    unit_variant_as_flag: [Miss, Miss] { enum T { False, True } } => (bool), T::True;
    enum_in_enum: [Miss, Miss] { enum I { A, B } enum T { I(I), C } } => { enum I { A, C } enum T { I(I), C } }, T::I(I::B);
    enum_in_enum_as_flat: [Miss, Miss] { enum I { A, B } enum T { I(I), C } } => { enum T { A, B, C } }, T::I(I::B);
    enum_in_field: [Miss, Miss] { enum I { A, B } struct T { a: Vec<I>, b: u8 } }
        => { enum I { A, C } struct T { a: Vec<I>, b: u8 } }, T { a: vec![I::A, I::B], b: 1 };
    boxed_in_variant: [Same, Same] { enum T { A(Box<(u8, String)>), B } } => { enum T { A((u8, String)), B } },
        T::A(Box::new((1, "a".into())));
    newtype_in_variant: [Same, Same] { struct I(u8); enum T { A(I), B } } => { enum T { A(u8), B } }, T::A(I(1));

    ok_of_other_error: [Miss, Same] (Result<u8, String>) => (Result<u8, u8>), Ok(1);
    error_of_other: [Miss, Miss] (Result<u8, String>) => (Result<u8, u8>), Err("a".into());
    error_of_struct: [Miss, Part] { struct E { code: u8, at: u8 } struct T(Result<u8, E>); }
        => { struct E { code: u8 } struct T(Result<u8, E>); }, T(Err(E { code: 1, at: 2 }));
    result_turned: [Miss, Same] (Result<u8, i8>) => (Result<i8, u8>), Ok(1);
    result_as_enum: [Same, Same] (Result<u8, String>) => { enum T { Ok(u8), Err(String) } }, Ok(1);
    result_as_turned_enum: [Miss, Same] (Result<u8, u8>) => { enum T { Err(u8), Ok(u8) } }, Ok(1);
    result_as_value: [Miss, Miss] (Result<u8, String>) => (u8), Ok(1);
    result_as_option: [Miss, Miss] (Result<u8, ()>) => (Option<u8>), Ok(1);
    result_in_result: [Miss, Miss] (Result<Result<u8, u8>, u8>) => (Result<u8, Result<u8, u8>>), Ok(Ok(1));

    variants_of_other_case: [Miss, Miss] { enum T { First, Second } }
        => { #[serde(rename_all = "snake_case")] enum T { First, Second } }, T::First;
    variant_under_its_name: [Same, Same] { enum T { First, Second } }
        => { enum T { #[serde(rename = "First")] A, #[serde(rename = "Second")] B } }, T::Second;
    variant_names_turned: [Miss, Same] { enum T { A, B } }
        => { enum T { #[serde(rename = "B")] A, #[serde(rename = "A")] B } }, T::A;
    fields_of_other_case: [Miss, Miss] { enum T { A { of_it: u8 } } }
        => { #[serde(rename_all_fields = "camelCase")] enum T { A { of_it: u8 } } }, T::A { of_it: 1 };
    variant_with_alias: [Miss, Same] { enum T { A(u8), #[serde(alias = "C")] B(u8) } } => { enum T { A(u8), B(u8) } }, T::B(1);
    variant_by_alias: [Miss, Declared(r#"{"B":1}"#)] { enum T { A(u8), C(u8) } }
        => { enum T { A(u8), #[serde(alias = "C")] B(u8) } }, T::C(1);
    variant_otherwise: [Miss, Declared(r#""Rest""#)] { enum T { A, B } } => { enum T { A, #[serde(other)] Rest } }, T::B;
    variant_not_otherwise: [Miss, Same] { enum T { A, B } } => { enum T { A, #[serde(other)] Rest } }, T::A;
    variant_skipped_behind: [Miss, Same] { enum T { A, B, C } } => { enum T { A, B, #[serde(skip)] C } }, T::B;
    variant_skipped_in_front: [Miss, Same] { enum T { A, B, C } } => { enum T { #[serde(skip)] A, B, C } }, T::C;
    variant_shifted: [NotStorable, Same] { enum T { #[serde(skip)] A, B, C } } => { enum T { B, C } }, T::C;
    variant_not_read: [NotStorable, NotStorable] { enum T { A, #[serde(skip_deserializing)] B } } => { enum T { A, B } }, T::B;
    variant_not_written: [Same, Same] { enum T { A, #[serde(skip_serializing)] B } } => { enum T { A, B } }, T::A;
}
