//! What may be absent.

pairs! {
    value_as_option: [Miss, Same] (u32) => (Option<u32>), 7;
    option_as_value: [Miss, Same] (Option<u32>) => (u32), Some(7);
    none_as_value: [Miss, Miss] (Option<u32>) => (u32), None;
    none_of_other: [Miss, Same] (Option<u32>) => (Option<String>), None;
    option_as_wider: [Miss, Same] (Option<u8>) => (Option<u64>), Some(7);
    option_in_option: [Miss, Same] (Option<Option<u32>>) => (Option<u32>), Some(Some(7));
    option_as_option_in_option: [Miss, Same] (Option<u32>) => (Option<Option<u32>>), Some(7);
    option_as_sequence: [Miss, Miss] (Option<u32>) => (Vec<u32>), Some(7);
    none_as_empty: [Miss, Miss] (Option<u32>) => (Vec<u32>), None;
    some_as_flag: [Miss, Miss] (Option<u8>) => (bool), Some(1);
    unit_as_none: [Miss, Same] (()) => (Option<u32>), ();
    none_as_unit: [Miss, Same] (Option<u32>) => (()), None;
    option_as_enum: [Miss, Miss] (Option<u32>) => { enum T { None, Some(u32) } }, Some(7);
    enum_as_option: [Miss, Miss] { enum T { None, Some(u32) } } => (Option<u32>), T::Some(7);
    optional_first_or_last: [Miss, Same] ((Option<u8>, u8)) => ((u8, Option<u8>)), (Some(1), 2);
    sequence_of_options: [Miss, Same] (Vec<Option<u8>>) => (Vec<u8>), vec![Some(1), Some(2)];
    option_of_sequence: [Miss, Miss] (Option<Vec<u8>>) => (Vec<Option<Vec<u8>>>), Some(vec![1]);
    boxed_option: [Same, Same] (Option<Box<u8>>) => (Box<Option<u8>>), Some(Box::new(7));
    optional_field: [Miss, Same] { struct T { a: u8, b: u8 } }
        => { struct T { a: u8, b: Option<u8> } }, T { a: 1, b: 2 };
}
