use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::*;

fn shape<T: DeserializeOwned>() -> u64 {
    traced::<T>().unwrap()
}

fn traced<T: DeserializeOwned>() -> Option<u64> {
    let shape = of::<T>(Readable::ByMachines);
    shape.ok().map(|shape| shape.fingerprint)
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct User {
    id: u64,
    name: String,
}

mod elsewhere {
    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) struct Account {
        id: u64,
        name: String,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) struct Renamed {
        id: u64,
        nickname: String,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) struct Longer {
        id: u64,
        name: String,
        age: u8,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) struct OtherKind {
        id: u64,
        name: Vec<char>,
    }
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
enum Colour {
    Red,
    Green,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
enum Light {
    Red,
    Amber,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Id(u64);

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Chain {
    next: Option<Box<Chain>>,
    length: u8,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct LongerChain {
    next: Option<Box<LongerChain>>,
    length: u16,
}

/// The same data, written with one type more.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Odd {
    next: Option<Box<Even>>,
    length: u8,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Even {
    next: Option<Box<Odd>>,
    length: u8,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
enum Expression {
    Negated(Box<Expression>),
    Sum(Box<Expression>, Box<Expression>),
    List(Vec<Expression>),
    Named {
        name: String,
        value: Option<Box<Expression>>,
    },
    Number(u8),
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Generic<T> {
    value: T,
    rest: Option<Box<Generic<T>>>,
}

#[test]
fn different_types_differ() {
    let shapes = [
        shape::<u64>(),
        shape::<u32>(),
        shape::<i64>(),
        shape::<f64>(),
        shape::<String>(),
        shape::<Vec<u8>>(),
        shape::<Vec<String>>(),
        shape::<Vec<u32>>(),
        shape::<Vec<Vec<u32>>>(),
        shape::<Option<u32>>(),
        shape::<Option<Option<u32>>>(),
        shape::<(u32, u32)>(),
        shape::<(u32, u64)>(),
        shape::<(u32, u32, u32)>(),
        shape::<((u32, u32), u32)>(),
        shape::<(u32, (u32, u32))>(),
        shape::<BTreeMap<String, u32>>(),
        shape::<BTreeMap<String, u64>>(),
        shape::<BTreeMap<u32, String>>(),
        shape::<()>(),
        shape::<bool>(),
        shape::<char>(),
        shape::<User>(),
        shape::<elsewhere::Renamed>(),
        shape::<elsewhere::Longer>(),
        shape::<elsewhere::OtherKind>(),
        shape::<Vec<User>>(),
        shape::<Colour>(),
        shape::<Light>(),
        shape::<Chain>(),
        shape::<LongerChain>(),
        shape::<Expression>(),
        shape::<Result<u8, String>>(),
        shape::<Result<u8, u8>>(),
        shape::<Generic<u8>>(),
        shape::<Generic<Generic<u8>>>(),
        shape::<Generic<u16>>(),
        shape::<Generic<Generic<u16>>>(),
        shape::<IpAddr>(),
        shape::<Duration>(),
    ];
    let different: HashSet<u64> = shapes.into_iter().collect();
    assert_eq!(different.len(), shapes.len());
    assert!(!different.contains(&0));
}

#[test]
fn what_is_read_alike_is_alike() {
    assert_eq!(shape::<User>(), shape::<elsewhere::Account>());
    assert_eq!(
        shape::<(User, User)>(),
        shape::<(User, elsewhere::Account)>()
    );
    assert_eq!(shape::<Id>(), shape::<u64>());
    assert_eq!(shape::<NonZeroU32>(), shape::<u32>());
    assert_eq!(shape::<Box<str>>(), shape::<String>());
    assert_eq!(shape::<Box<Vec<u32>>>(), shape::<Vec<u32>>());
    assert_eq!(shape::<Odd>(), shape::<Chain>());
    assert_eq!(shape::<Vec<Odd>>(), shape::<Vec<Even>>());
}

/// Pinned: a change here turns everything that is stored into misses.
#[test]
fn fingerprints_are_part_of_the_stored_form() {
    assert_eq!(shape::<u64>(), 0xAF63_C64C_8601_C72A);
    assert_eq!(shape::<Vec<String>>(), 0x085B_6007_B50E_3109);
    assert_eq!(shape::<User>(), 0x12C0_3E87_433E_A5BD);
    assert_eq!(shape::<Colour>(), 0xE9DD_6E3B_DDA9_D69A);
    assert_eq!(shape::<Chain>(), 0x2A1A_50BB_8685_F04A);
    assert_eq!(shape::<Expression>(), 0xC39F_64B2_6C1A_9283);
}

/// By the table of `docs/stored-form.md`, and nothing else.
#[test]
fn a_fingerprint_can_be_computed_by_others() {
    let mut bytes = vec![0x17];
    let number = |number: u64, bytes: &mut Vec<u8>| bytes.extend(number.to_le_bytes());
    number(2, &mut bytes);
    for name in ["next", "length"] {
        number(name.len() as u64, &mut bytes);
        bytes.extend(name.as_bytes());
    }
    number(2, &mut bytes);
    // The option, within it the struct once more, and the length.
    bytes.extend([0x13, 0x00]);
    number(0, &mut bytes);
    bytes.push(0x08);
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    assert_eq!(shape::<Chain>(), hash);
}

/// Takes no value that a probe has.
struct Secret;

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "open sesame" => Ok(Self),
            _ => Err(D::Error::custom("refused")),
        }
    }
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Before<T> {
    secret: Secret,
    colour: Option<Colour>,
    behind: T,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
enum Holding<T> {
    Fields { secret: Secret, behind: T },
    One(Secret),
    None,
}

#[test]
fn what_is_behind_a_part_that_refuses_all_values_is_seen_by_name() {
    assert_eq!(shape::<Secret>(), shape::<String>());
    assert_ne!(shape::<Before<u8>>(), shape::<Before<u16>>());
    assert_ne!(shape::<Vec<Before<u8>>>(), shape::<Vec<Before<u16>>>());
    assert_ne!(shape::<Holding<u8>>(), shape::<Holding<u16>>());
    assert_ne!(
        shape::<Before<Holding<u8>>>(),
        shape::<Before<Holding<u16>>>()
    );
    assert_ne!(shape::<(u8, Secret)>(), shape::<(u16, Secret)>());
    assert_ne!(
        shape::<(Option<Secret>, u8)>(),
        shape::<(Option<Secret>, u16)>()
    );
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Endless(Box<Endless>);

#[derive(Deserialize)]
#[serde(transparent)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Bare(Vec<Bare>);

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
enum Aliased {
    #[serde(alias = "Rouge")]
    Red,
    Green,
}

mod alias {
    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) struct OfFirst {
        #[serde(alias = "more", alias = "number")]
        id: NonZeroU32,
        name: Option<Colour>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) struct OfSecond {
        #[serde(alias = "more")]
        id: NonZeroU32,
        #[serde(alias = "number")]
        name: Option<Colour>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    pub(super) enum Variant {
        One(Colour),
        Two {
            #[serde(alias = "number")]
            id: NonZeroU32,
            next: Option<Box<Variant>>,
        },
    }
}

#[test]
fn a_name_is_known_to_be_of_its_field() {
    let names_of = |shape: Shape| shape.nodes[shape.root].names_of.clone();
    let first = of::<alias::OfFirst>(Readable::ByMachines).unwrap();
    let second = of::<alias::OfSecond>(Readable::ByMachines).unwrap();
    assert_eq!(names_of(first), [3, 1]);
    assert_eq!(names_of(second), [2, 2]);
    assert_ne!(shape::<alias::OfFirst>(), shape::<alias::OfSecond>());
    assert!(traced::<alias::Variant>().is_some());
    assert!(traced::<Vec<(u8, alias::OfFirst)>>().is_some());
}

/// Asks for something else each time.
struct Fickle;

impl<'de> Deserialize<'de> for Fickle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Two;
        impl<'de> Visitor<'de> for Two {
            type Value = Fickle;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number and a text")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Fickle, A::Error> {
                seq.next_element::<u8>()?;
                seq.next_element::<String>()?;
                Ok(Fickle)
            }
        }
        deserializer.deserialize_seq(Two)
    }
}

struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        assert!(number > 7, "for the test");
        Ok(Self)
    }
}

#[test]
fn what_is_not_traced_to_its_end_is_known() {
    assert_eq!(traced::<(Secret, u8)>(), None);
    assert_eq!(traced::<BTreeMap<String, (Secret, u8)>>(), None);
    assert_eq!(traced::<Option<Vec<(Secret, u8)>>>(), None);
    assert_eq!(traced::<Endless>(), None);
    assert_eq!(traced::<Aliased>(), None);
    assert_eq!(traced::<Fickle>(), None);
    assert_eq!(traced::<Panics>(), None);
    assert_eq!(
        of::<Flattened>(Readable::ByMachines).unwrap_err().why,
        Why::DecodesByLooking
    );
    // Nothing is left to be known of these.
    assert_eq!(traced::<Bare>(), traced::<Tree>());
    assert!(traced::<Tree>().is_some());
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only the shape is looked at")]
struct Tree(Vec<Tree>);

#[test]
fn a_large_type_is_traced_in_little_time() {
    macro_rules! wide {
        ($($variant:ident)*) => {
            #[derive(Deserialize)]
            #[allow(dead_code, non_camel_case_types, reason = "only the shape is looked at")]
            enum Wide {
                $($variant { left: Option<Box<Wide>>, right: Vec<Wide>, $variant: (u8, String, Colour) },)*
            }
        };
    }
    wide!(a b c d e f g h i j k l m n o p q r s t u v w x y z a1 b1 c1 d1 e1 f1 g1 h1 i1 j1 k1 l1 m1
          n1 o1 p1 q1 r1 s1 t1 u1 v1 w1 x1 y1 z1);
    type Four = (
        Wide,
        Vec<Wide>,
        BTreeMap<String, Wide>,
        Result<Wide, Expression>,
    );
    let shape = of::<Four>(Readable::ByMachines).unwrap();
    assert!(shape.nodes.len() > 250, "{}", shape.nodes.len());
}
