//! Sequences, sets, arrays and tuples.

use std::collections::{BTreeSet, BinaryHeap, HashSet, LinkedList, VecDeque};

type Sixteen<L> = (
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    u8,
    L,
);

pairs! {
    elements_as_wider: [Miss, Same] (Vec<u32>) => (Vec<u64>), vec![1, 2, 3];
    empty_as_of_others: [Miss, Same] (Vec<u32>) => (Vec<String>), vec![];
    vec_as_deque: [Same, Same] (Vec<u32>) => (VecDeque<u32>), vec![1, 2, 3];
    vec_as_list: [Same, Same] (Vec<u32>) => (LinkedList<u32>), vec![1, 2, 3];
    vec_as_slice: [Same, Same] (Vec<u32>) => (Box<[u32]>), vec![1, 2, 3];
    vec_as_set: [Same, Same] (Vec<u32>) => (BTreeSet<u32>), vec![1, 2, 3];
    hashed_as_ordered_set: [Same, Same] (HashSet<u32>) => (BTreeSet<u32>), HashSet::from([7]);
    set_as_heap: [Same, Same] (BTreeSet<u32>) => (BinaryHeap<u32>), BTreeSet::from([7]);
    set_of_others: [Miss, Same] (BTreeSet<u8>) => (BTreeSet<i8>), BTreeSet::from([1, 2]);
    vec_as_array: [Miss, Same] (Vec<u8>) => ([u8; 3]), vec![1, 2, 3];
    array_as_vec: [Miss, Same] ([u8; 3]) => (Vec<u8>), [1, 2, 3];
    array_as_longer: [Miss, Miss] ([u8; 3]) => ([u8; 4]), [1, 2, 3];
    array_as_shorter: [Miss, Miss] ([u8; 4]) => ([u8; 3]), [1, 2, 3, 4];
    array_of_others: [Miss, Same] ([u16; 2]) => ([i16; 2]), [1, 2];
    array_as_tuple: [Same, Same] ([u32; 2]) => ((u32, u32)), [1, 2];
    array_as_value: [Miss, Miss] ([u32; 1]) => (u32), [7];
    empty_array_as_unit: [Miss, Miss] ([u32; 0]) => (()), [];
    array_of_arrays: [Miss, Miss] ([[u8; 2]; 3]) => ([[u8; 3]; 2]), [[1, 2], [3, 4], [5, 6]];
    tuple_of_wider: [Miss, Same] ((u32, u32)) => ((u32, u64)), (1, 2);
    tuple_turned: [Miss, Same] ((u8, u16)) => ((u16, u8)), (1, 2);
    tuple_turned_with_text: [Miss, Miss] ((u8, String)) => ((String, u8)), (1, "a".into());
    tuple_left_and_right: [Miss, Miss] ((u8, (u8, u8))) => (((u8, u8), u8)), (1, (2, 3));
    tuple_flat: [Miss, Miss] ((u8, (u8, u8))) => ((u8, u8, u8)), (1, (2, 3));
    tuple_as_value: [Miss, Miss] ((u32,)) => (u32), (7,);
    tuple_as_sequence: [Miss, Same] ((u8, u8)) => (Vec<u8>), (1, 2);
    tuple_of_sixteen: [Miss, Same] (Sixteen<u8>) => (Sixteen<u16>),
        (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    sequence_in_sequence: [Miss, Miss] (Vec<Vec<u8>>) => (Vec<u8>), vec![vec![1], vec![2]];
    sequence_of_pairs: [Miss, Miss] (Vec<(u8, u8)>) => (Vec<u8>), vec![(1, 2), (3, 4)];
    sequence_of_units: [Miss, Miss] (Vec<()>) => (u8), vec![(), ()];
    units_as_empty_arrays: [Miss, Miss] (Vec<()>) => (Vec<[u8; 0]>), vec![(), ()];
    units_as_flags: [Miss, Miss] (Vec<()>) => (Vec<bool>), vec![()];
    sequence_of_texts: [Miss, Miss] (Vec<String>) => (Vec<char>), vec!["ab".into()];
    sequences_three_deep: [Miss, Same] (Vec<(u8, Vec<Option<u8>>)>) => (Vec<(u8, Vec<Option<u16>>)>),
        vec![(1, vec![Some(2), None])];
}
