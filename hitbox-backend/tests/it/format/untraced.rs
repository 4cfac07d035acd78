//! Types that cannot be traced to their end, types that ask for other things from value to value, and types
//! that refuse values of their own: other data is never a hit, and what is written can be read.

use std::{collections::BTreeMap, fmt, fmt::Debug, marker::PhantomData, sync::Arc};

use crate::byte_store::ByteStore;
use futures::executor::block_on;
use hitbox_backend::{
    BackendErrorKind, BackendResult, BincodeFormat, CacheBackend, Cacheable, Format, JsonFormat,
    PostcardFormat, Rejection,
    format::{FormatError, Visit, erased_serde},
    stored_form,
};
use hitbox_core::{CacheKey, CacheValue, FormatId, Stamp};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// Those that have neither names nor kinds.
static BARE: [&dyn Format; 3] = [&BincodeFormat, &PostcardFormat, &Inverted];

/// One from outside.
#[derive(Debug)]
struct Inverted;

impl Format for Inverted {
    fn id(&self) -> FormatId {
        FormatId::custom(200)
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        let payload = BincodeFormat.encode(value)?;
        Ok(payload.into_iter().map(|byte| !byte).collect())
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        let payload: Vec<u8> = payload.iter().map(|byte| !byte).collect();
        BincodeFormat.decode(&payload, visit)
    }
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}

fn set<T: Cacheable>(store: &ByteStore, object: T) -> BackendResult<()> {
    block_on(store.set(&key(), CacheValue::loaded(Arc::new(object), Stamp::now())))
}

fn get<T: Cacheable>(store: &ByteStore) -> Option<Arc<T>> {
    let value = block_on(store.get::<T>(&key())).unwrap();
    value.map(|value| value.into_parts().0)
}

#[track_caller]
fn assert_not_storable<T: Cacheable>(store: &ByteStore, object: T) {
    let error = set(store, object).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotStorable, "{error}");
}

/// Written in each format, read as itself, and a miss as the other type.
#[track_caller]
fn assert_told_apart<W: Cacheable + Clone + PartialEq + Debug, R: Cacheable>(written: &W) {
    for format in BARE {
        let store = ByteStore::new(format);
        set(&store, written.clone()).unwrap();
        assert_eq!(get::<W>(&store).as_deref(), Some(written), "{format:?}");
        assert!(get::<R>(&store).is_none(), "{format:?}");
        assert_eq!(store.rejected_in_all(), 1, "{format:?}");
    }
}

#[track_caller]
fn assert_refused<T: Cacheable + Clone>(object: &T) {
    for format in BARE {
        assert_not_storable(&ByteStore::new(format), object.clone());
    }
}

/// Takes no number that a type is tried out with, so what stands behind it in a tuple stays unknown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Port(u16);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            port @ 1_024.. => Ok(Self(port)),
            _ => Err(D::Error::custom("reserved")),
        }
    }
}

type Address = (Port, u8);

const ADDRESS: Address = (Port(8_080), 1);

/// Types of which one part each cannot be traced, and what is read in their place.
mod pairs {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Account<A, B> {
        pub(super) address: A,
        pub(super) balance: B,
        pub(super) limit: Option<u64>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Renamed<A> {
        address: A,
        balance: u64,
        most: Option<u64>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Turned<A> {
        limit: Option<u64>,
        balance: u64,
        address: A,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Longer<A> {
        address: A,
        balance: u64,
        limit: Option<u64>,
        #[serde(default)]
        note: String,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Shorter<A> {
        address: A,
        balance: u64,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Choice<T> {
        One(T),
        Two { number: T },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Elsewhere<T> {
        One(T),
        Three { number: T },
    }
}

#[test]
fn a_type_that_is_not_known_to_its_end_is_told_from_others() {
    use pairs::*;

    let account = Account {
        address: ADDRESS,
        balance: 1_000_u64,
        limit: Some(5),
    };
    assert_told_apart::<_, Account<Address, i64>>(&account);
    assert_told_apart::<_, Account<Address, f64>>(&account);
    assert_told_apart::<_, Account<(u16, u8), f32>>(&account);
    assert_told_apart::<_, Renamed<Address>>(&account);
    assert_told_apart::<_, Renamed<(u16, u8)>>(&account);
    assert_told_apart::<_, Turned<Address>>(&account);
    assert_told_apart::<_, Longer<Address>>(&account);
    assert_told_apart::<_, Shorter<Address>>(&account);
    // The part that is not known may be all of it.
    let behind = (Port(8_080), account.clone());
    assert_told_apart::<_, (Port, Renamed<Address>)>(&behind);
    assert_told_apart::<_, (Port, Account<Address, f64>)>(&behind);
    assert_told_apart::<_, (u16, Turned<(u16, u8)>)>(&behind);
    assert_told_apart::<_, (Port, u64)>(&(Port(8_080), 7_u32));
    assert_told_apart::<_, (Port, Vec<u64>)>(&(Port(8_080), vec![7_u32]));
    assert_told_apart::<_, (Port, Option<i8>)>(&(Port(8_080), Some(7_u8)));
    let map = BTreeMap::from([("a".to_owned(), ADDRESS)]);
    assert_told_apart::<_, BTreeMap<String, (Port, u16)>>(&map);
    let choice = (Port(8_080), Choice::Two { number: 7_u8 });
    assert_told_apart::<_, (Port, Choice<i8>)>(&choice);
    assert_told_apart::<_, (Port, Elsewhere<u8>)>(&choice);
    assert_told_apart::<_, (Port, Elsewhere<u8>)>(&(Port(8_080), Choice::One(7_u8)));
}

#[test]
fn a_type_that_is_not_known_to_its_end_may_be_read_as_one_that_asks_for_the_same() {
    for format in BARE {
        let store = ByteStore::new(format);
        set(&store, vec![ADDRESS]).unwrap();
        assert_eq!(
            get::<Vec<(u16, u8)>>(&store),
            Some(Arc::new(vec![(8_080, 1)]))
        );
    }
}

/// R13 does not end where a type is not known.
#[test]
fn what_it_writes_must_be_what_it_reads() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Crosswise {
        #[serde(rename(serialize = "b"))]
        a: u8,
        #[serde(rename(serialize = "a"))]
        b: u8,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Unwritten {
        id: u8,
        #[serde(skip_serializing, default)]
        #[expect(dead_code, reason = "it is what is not written")]
        rank: u8,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Unread {
        id: u8,
        #[serde(skip_deserializing)]
        rank: u8,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(serialize = "c"))]
        a: Option<u8>,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Sparse {
        #[serde(skip_serializing_if = "Option::is_none", default = "seven")]
        a: Option<u8>,
    }
    fn seven() -> Option<u8> {
        Some(7)
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: Option<Renamed>,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct With<T> {
        address: Address,
        it: T,
    }
    fn assert_both_refused<T: Cacheable + Clone>(it: T) {
        assert_refused(&(Port(8_080), it.clone()));
        let address = ADDRESS;
        assert_refused(&With { address, it });
    }

    assert_both_refused(Crosswise { a: 1, b: 2 });
    assert_both_refused(Unwritten { id: 1, rank: 9 });
    assert_both_refused(Unread { id: 1, rank: 9 });
    assert_both_refused(Renamed { a: Some(1) });
    assert_both_refused(Sparse { a: None });
    assert_both_refused(Flat { id: 1, rest: None });
    assert_both_refused(serde_json::json!({ "id": 1 }));
}

/// An enum of more variants than a type is traced for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Code(u16);

const CODES: usize = 4_200;

fn codes() -> &'static [&'static str] {
    static CODES_OF_ALL: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
        (0..CODES)
            .map(|code| &*Box::leak(format!("V{code}").into_boxed_str()))
            .collect()
    });
    &CODES_OF_ALL
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = codes()[usize::from(self.0)];
        serializer.serialize_unit_variant("Code", self.0.into(), name)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{DeserializeSeed, EnumAccess, VariantAccess};

        struct Number;
        impl<'de> DeserializeSeed<'de> for Number {
            type Value = u16;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u16, D::Error> {
                deserializer.deserialize_identifier(self)
            }
        }
        impl Visitor<'_> for Number {
            type Value = u16;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a code")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<u16, E> {
                u16::try_from(number).map_err(E::custom)
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<u16, E> {
                let number = name.trim_start_matches('V').parse();
                number.map_err(|_no_number| E::custom("no code"))
            }
        }
        struct OfCodes;
        impl<'de> Visitor<'de> for OfCodes {
            type Value = Code;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a code")
            }
            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Code, A::Error> {
                let (number, variant) = access.variant_seed(Number)?;
                variant.unit_variant()?;
                Ok(Code(number))
            }
        }
        deserializer.deserialize_enum("Code", codes(), OfCodes)
    }
}

#[test]
fn a_type_that_is_too_large_to_be_traced_is_told_from_others() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        code: Code,
        number: u32,
        more: Option<u8>,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Other {
        code: Code,
        number: i32,
        other: Option<u8>,
    }
    let record = Record {
        code: Code(7),
        number: 1_000,
        more: Some(1),
    };
    assert_told_apart::<_, Other>(&record);
}

/// By hand: a first value, which says what the second one is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tagged<K>(K, i64);

trait Kind: Copy + PartialEq + Debug + Serialize + Send + Sync + 'static {
    const SIGNED: Self;
}

impl Kind for bool {
    const SIGNED: Self = true;
}

impl Kind for u8 {
    const SIGNED: Self = 77;
}

impl<K: Kind> Serialize for Tagged<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == K::SIGNED {
            (self.0, self.1).serialize(serializer)
        } else {
            (self.0, self.1.cast_unsigned()).serialize(serializer)
        }
    }
}

impl<'de, K: Kind + Deserialize<'de>> Deserialize<'de> for Tagged<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Both<K>(PhantomData<K>);
        impl<'de, K: Kind + Deserialize<'de>> Visitor<'de> for Both<K> {
            type Value = Tagged<K>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind, and a number")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tagged<K>, A::Error> {
                let short = || A::Error::custom("too short");
                let kind: K = seq.next_element()?.ok_or_else(short)?;
                let number = if kind == K::SIGNED {
                    seq.next_element()?.ok_or_else(short)?
                } else {
                    let number: u64 = seq.next_element()?.ok_or_else(short)?;
                    number.cast_signed()
                };
                Ok(Tagged(kind, number))
            }
        }
        deserializer.deserialize_tuple(2, Both(PhantomData))
    }
}

#[test]
fn a_type_that_decides_by_what_it_reads_takes_nothing_for_something_else() {
    fn check<K: Kind + Cacheable>(signed: K, unsigned: K) {
        for format in BARE {
            let store = ByteStore::new(format);
            set(&store, vec![(signed, 1_000_u64)]).unwrap();
            assert_eq!(get::<Vec<Tagged<K>>>(&store), None, "{format:?}");
            assert_eq!(store.rejected(Rejection::Type), 1, "{format:?}");
            set(&store, (1_u8, (signed, 1_000_u64))).unwrap();
            assert_eq!(get::<(u8, Tagged<K>)>(&store), None, "{format:?}");

            set(&store, Tagged(unsigned, 1_000)).unwrap();
            let read = get::<(K, u64)>(&store);
            assert!(read.is_none_or(|read| *read == (unsigned, 1_000)));
            // What it is not known for is refused, if it is not stored as what it is.
            if set(&store, Tagged(signed, -7)).is_ok() {
                let read = get::<Tagged<K>>(&store);
                assert_eq!(read.as_deref(), Some(&Tagged(signed, -7)), "{format:?}");
                assert_eq!(get::<(K, u64)>(&store), None, "{format:?}");
            }
        }
    }
    check(true, false);
    check(77_u8, 5_u8);
}

/// A value that its own Deserialize does not take, after one that it does.
#[test]
fn a_value_that_its_type_refuses_is_not_written_for_ever() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Settings<F> {
        name: String,
        port: Port,
        format: PhantomData<F>,
    }
    fn check<F: Send + Sync + 'static>(format: &'static dyn Format) {
        let settings = |port| Settings::<F> {
            name: "a".into(),
            port: Port(port),
            format: PhantomData,
        };
        let store = ByteStore::new(format);
        set(&store, settings(8_080)).unwrap();
        set(&store, settings(80)).unwrap();
        // Whoever reads it is not who writes it.
        std::thread::scope(|scope| {
            let read = scope.spawn(|| get::<Settings<F>>(&store).is_none());
            assert!(read.join().unwrap());
        });
        for _ in 0..2 {
            assert_not_storable(&store, settings(80));
            set(&store, settings(8_080)).unwrap();
        }
    }
    check::<[u8; 0]>(&BincodeFormat);
    check::<[u8; 1]>(&PostcardFormat);
    check::<[u8; 2]>(&JsonFormat);
    check::<[u8; 3]>(&Inverted);
}

/// JSON has one kind of number.
#[test]
fn json_is_not_read_as_a_float_that_does_not_hold_it() {
    fn read<W: Cacheable, R: Cacheable + Copy>(written: W) -> Option<R> {
        let store = ByteStore::new(&JsonFormat);
        set(&store, vec![written]).unwrap();
        let read = get::<Vec<R>>(&store)?;
        read.first().copied()
    }
    assert_eq!(read::<u64, f64>((1 << 53) + 1), None);
    assert_eq!(read::<i64, f64>(-(1 << 53) - 1), None);
    assert_eq!(read::<u64, f32>((1 << 24) + 1), None);
    assert_eq!(read::<u64, f64>(u64::MAX), None);
    assert_eq!(read::<f64, f32>(0.123_456_789_012_345), None);
    assert_eq!(read::<f64, f32>(1e300), None);

    assert_eq!(read::<u64, f64>(1 << 53), Some(9_007_199_254_740_992.0));
    assert_eq!(read::<i64, f32>(-5), Some(-5.0));
    assert_eq!(read::<f64, f32>(0.1), Some(0.1));
    assert_eq!(read::<f32, f32>(0.1), Some(0.1));
    assert_eq!(read::<f32, f32>(f32::MIN_POSITIVE), Some(f32::MIN_POSITIVE));
    let deep = f64::from_bits(1);
    assert_eq!(read::<f64, f64>(deep), Some(deep));
}

#[test]
fn what_stands_in_says_so() {
    for format in BARE {
        let store = ByteStore::new(format);
        set(&store, ADDRESS).unwrap();
        let stored = stored_form::decode(&store.stored().unwrap()).unwrap();
        assert_eq!(stored.data().encoding().format, FormatId::JSON);
        assert_ne!(stored.data().encoding().shape, 0);
    }
    let store = ByteStore::new(&JsonFormat);
    set(&store, ADDRESS).unwrap();
    let stored = stored_form::decode(&store.stored().unwrap()).unwrap();
    assert_eq!(stored.data().encoding().shape, 0);
}

/// By `docs/stored-form.md`, and nothing else.
#[test]
fn a_note_can_be_computed_by_others() {
    let mut bytes = Vec::new();
    // A tuple of two, a u16 and a u8: none has names.
    for (request, elements) in [(0x15, 2_u64), (0x09, 0), (0x08, 0)] {
        bytes.push(request);
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(elements.to_le_bytes());
    }
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let store = ByteStore::new(&BincodeFormat);
    set(&store, ADDRESS).unwrap();
    let stored = stored_form::decode(&store.stored().unwrap()).unwrap();
    assert_eq!(stored.data().encoding().shape, hash);
}
