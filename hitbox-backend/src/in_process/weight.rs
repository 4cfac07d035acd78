//! What objects take of memory.

use std::fmt;

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// What a string, a vector and a map have where they are, beside what they point to.
const HEADER: usize = 24;

/// What is nested deeper is not counted: who counts has a stack, too.
const DEEPEST: usize = 64;

/// What a vector of nothing but `None` is taken to have for each: serde does not say.
const UNKNOWN: usize = 16;

/// What an object takes of memory, in bytes: itself, and what it points to.
///
/// That is what serde shows of it. Room that a `String` or a `Vec` has reserved is not seen, nor is what `Serialize`
/// leaves out; what two objects share counts for both. For strings, vectors of numbers, and structures of these it is
/// what the allocator is asked for; for nested structures and maps, between 0.7 and 1.5 times that. A `BTreeSet` counts as
/// a `Vec` does, which may be half of what it takes.
///
/// Takes about as long as to encode the object.
///
/// ```
/// use hitbox_backend::in_process::weight_of;
///
/// assert_eq!(weight_of(&"x".repeat(1_000)), 24 + 1_000);
/// assert_eq!(weight_of(&vec![7_u64; 100]), 24 + 800);
/// ```
#[must_use]
pub fn weight_of<T: Serialize>(object: &T) -> usize {
    let mut counter = Counter {
        apart: 0,
        depth: 0,
        place: None,
    };
    // What cannot be shown counts as far as it could be.
    let _shown_to_its_end = counter.in_place(object);
    size_of::<T>().saturating_add(counter.apart)
}

/// Each value says by `Ok` how much it takes where it lies, as far as that can be told, and adds what lies apart from there.
struct Counter {
    apart: usize,
    depth: usize,
    /// How large the place is of the value that is shown next, where that is known.
    place: Option<usize>,
}

/// It goes too deep, or shows itself in no way that serde knows.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted to the end")
    }
}

impl std::error::Error for Stop {}

impl serde::ser::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl Counter {
    fn add(&mut self, bytes: usize) {
        self.apart = self.apart.saturating_add(bytes);
    }

    /// A value whose place has been counted: by its type, which is known here. One that is larger than its place
    /// lies behind a pointer.
    fn in_place<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<usize, Stop> {
        let place = size_of_val(value);
        self.place = Some(place);
        let itself = value.serialize(&mut *self)?;
        if place <= size_of::<usize>() && itself > place {
            self.add(itself);
        }
        Ok(place)
    }

    /// A value of which only a reference is shown.
    fn of_unknown_place<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<usize, Stop> {
        self.place = None;
        value.serialize(self)
    }

    fn text(&mut self, length: usize) -> usize {
        self.add(length);
        HEADER
    }

    fn go<'c>(&'c mut self, itself: usize) -> Result<Parts<'c>, Stop> {
        if self.depth == DEEPEST {
            return Err(Stop);
        }
        self.depth += 1;
        Ok(Parts {
            counter: self,
            itself,
        })
    }

    fn alike(&mut self) -> Result<Alike<'_>, Stop> {
        let place = self.place.take();
        let counter = self.go(HEADER)?.counter;
        Ok(Alike {
            counter,
            place,
            count: 0,
            key: 0,
            value: 0,
        })
    }
}

/// Parts that lie side by side, each of its own type.
struct Parts<'c> {
    counter: &'c mut Counter,
    itself: usize,
}

impl Parts<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Stop> {
        self.itself = self.itself.saturating_add(self.counter.in_place(part)?);
        Ok(())
    }

    fn close(self) -> usize {
        self.counter.depth -= 1;
        self.itself
    }
}

/// Elements, or entries, of one type: each takes what the largest takes, as does one of which nothing is shown.
struct Alike<'c> {
    counter: &'c mut Counter,
    place: Option<usize>,
    count: usize,
    key: usize,
    value: usize,
}

impl Alike<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Stop> {
        let itself = self.counter.of_unknown_place(element)?;
        self.value = self.value.max(itself);
        self.count += 1;
        Ok(())
    }

    fn close(self, size: fn(usize, usize) -> usize) -> usize {
        let largest = self.key.max(self.value);
        let alignment = largest.clamp(1, 8).next_power_of_two();
        let each = match (self.key + self.value).next_multiple_of(alignment) {
            0 => UNKNOWN,
            known => known,
        };
        self.counter.add(size(self.count, each));
        self.counter.depth -= 1;
        HEADER
    }
}

/// What so many entries of this size take in a table of hashes, which is between half full and full.
fn in_table(entries: usize, each: usize) -> usize {
    let buckets = match entries {
        0 => return 0,
        1..4 => 4,
        4..8 => 8,
        more => (more.saturating_mul(8) / 7).next_power_of_two(),
    };
    // A byte of each hash, and some beyond the end.
    buckets.saturating_mul(each + 1).saturating_add(16)
}

/// The same in a tree, whose nodes have room for eleven: from 1.1 times what they take, if it was made of all of them at
/// once, to 2.1 times, if they were inserted in order.
fn in_tree(entries: usize, each: usize) -> usize {
    const NODE: usize = 11;
    let places = match entries {
        0 => 0,
        1..=NODE => NODE,
        more => more.saturating_add(more / 20 * 11).saturating_add(2 * NODE),
    };
    places.saturating_mul(each)
}

macro_rules! fixed {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<usize, Stop> {
            Ok(size_of::<$type>())
        })*
    };
}

impl<'c> Serializer for &'c mut Counter {
    type Ok = usize;
    type Error = Stop;
    type SerializeSeq = Alike<'c>;
    type SerializeTuple = Parts<'c>;
    type SerializeTupleStruct = Parts<'c>;
    type SerializeTupleVariant = Parts<'c>;
    type SerializeMap = Alike<'c>;
    type SerializeStruct = Parts<'c>;
    type SerializeStructVariant = Parts<'c>;

    fixed! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64
    }

    fn serialize_str(self, text: &str) -> Result<usize, Stop> {
        Ok(self.text(text.len()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<usize, Stop> {
        Ok(self.text(bytes.len()))
    }

    fn serialize_none(self) -> Result<usize, Stop> {
        Ok(0)
    }

    /// What has a niche for `None` is large, mostly.
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, Stop> {
        let place = self.in_place(value)?;
        Ok(if place < HEADER {
            place + place.min(size_of::<usize>())
        } else {
            place
        })
    }

    fn serialize_unit(self) -> Result<usize, Stop> {
        Ok(0)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<usize, Stop> {
        Ok(0)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<usize, Stop> {
        Ok(1)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Stop> {
        self.in_place(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Stop> {
        Ok(self.in_place(value)? + size_of::<usize>())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Alike<'c>, Stop> {
        self.alike()
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'c>, Stop> {
        self.go(0)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'c>, Stop> {
        self.go(0)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'c>, Stop> {
        self.go(size_of::<usize>())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Alike<'c>, Stop> {
        self.alike()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'c>, Stop> {
        self.go(0)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'c>, Stop> {
        self.go(size_of::<usize>())
    }
}

macro_rules! parts {
    ($($trait:ident: $method:ident($($name:ident)?);)*) => {
        $(impl $trait for Parts<'_> {
            type Ok = usize;
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? part: &T) -> Result<(), Stop> {
                $(let _ = $name;)?
                self.part(part)
            }

            fn end(self) -> Result<usize, Stop> {
                Ok(self.close())
            }
        })*
    };
}

parts! {
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(name);
    SerializeStructVariant: serialize_field(name);
}

impl SerializeSeq for Alike<'_> {
    type Ok = usize;
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Stop> {
        self.element(element)
    }

    fn end(self) -> Result<usize, Stop> {
        let size = match self.place {
            // A set of hashes shows itself as a vector does, and is larger where it lies.
            Some(place) if place > HEADER => in_table,
            Some(_) | None => usize::saturating_mul,
        };
        Ok(self.close(size))
    }
}

impl SerializeMap for Alike<'_> {
    type Ok = usize;
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        let itself = self.counter.of_unknown_place(key)?;
        self.key = self.key.max(itself);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.element(value)
    }

    fn end(self) -> Result<usize, Stop> {
        let size = match self.place {
            Some(place) if place <= HEADER => in_tree,
            Some(_) | None => in_table,
        };
        Ok(self.close(size))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn what_an_object_points_to_counts_by_its_length() {
        assert_eq!(weight_of(&7_u64), 8);
        assert_eq!(weight_of(&(7_u64, "x".repeat(100))), 32 + 100);
        assert_eq!(weight_of(&vec!["x".repeat(10); 10]), 24 + 10 * 34);
        assert_eq!(weight_of(&Box::new([7_u64; 4])), 8 + 32);
        assert_eq!(weight_of(&[Some(1_u8), None]), 4);
    }

    #[test]
    fn what_is_not_there_has_its_place() {
        #[derive(Clone, Serialize)]
        struct Row {
            name: Option<String>,
            numbers: Option<Vec<u64>>,
        }
        let row = Row {
            name: None,
            numbers: None,
        };
        assert_eq!(weight_of(&vec![row; 10]), 24 + 10 * size_of::<Row>());
        assert_eq!(weight_of(&vec![None::<String>; 10]), 24 + 10 * UNKNOWN);
    }

    #[test]
    fn a_map_has_room_for_more_than_its_entries() {
        let map = |count| -> HashMap<u64, u64> { (0..count).map(|key| (key, key)).collect() };
        let entries = |count| weight_of(&map(count)) - size_of_val(&map(0));
        assert_eq!(
            [0, 1, 28, 29].map(entries),
            [0, 4 * 17 + 16, 32 * 17 + 16, 64 * 17 + 16]
        );
    }

    #[test]
    fn what_goes_deep_is_counted_as_far_as_a_stack_can_be_trusted() {
        #[derive(Serialize)]
        struct Nested(Vec<Nested>);

        let mut nested = Nested(Vec::new());
        for _ in 0..1_000 {
            nested = Nested(vec![nested]);
        }
        assert!(weight_of(&nested) < 100 * size_of::<Nested>());
    }
}
