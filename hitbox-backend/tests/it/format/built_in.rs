//! Formats through typed access: what goes in comes out, and what could not come out is refused.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use crate::byte_store::ByteStore;
use hitbox_backend::{
    BackendErrorKind, BackendResult, BincodeFormat, CacheBackend, Cacheable, Format, JsonFormat,
    PostcardFormat, Rejection,
    compression::NoCompression,
    conformance::MemoryBackend,
    format::{FormatError, Visit},
    stored_form,
};
use hitbox_core::{CacheContext, CacheKey, CacheValue, Encoded, Encoding, FormatId, Stamp};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

static FORMATS: [&dyn Format; 4] = [
    &BincodeFormat,
    &JsonFormat,
    &PostcardFormat,
    &InvertedFormat,
];
static BINARY: [&dyn Format; 2] = [&BincodeFormat, &PostcardFormat];

/// A format from outside: goes the way through erased serde.
#[derive(Debug)]
struct InvertedFormat;

impl Format for InvertedFormat {
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

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn set<T: Cacheable>(backend: &ByteStore, object: T) -> BackendResult<()> {
    let value = CacheValue::loaded(Arc::new(object), Stamp::now());
    block_on(backend.set(&CacheKey::from_pair("key", "1"), value))
}

fn get<T: Cacheable>(backend: &ByteStore) -> Option<Arc<T>> {
    let mut context = CacheContext::default().boxed();
    let outcome = block_on(backend.get_with::<T>(&CacheKey::from_pair("key", "1"), &mut context));
    outcome.unwrap().map(|value| value.into_parts().0)
}

#[track_caller]
fn assert_not_storable<T: Cacheable>(format: &'static dyn Format, object: T) {
    let backend = ByteStore::new(format);
    let error = set(&backend, object).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotStorable, "{error}");
    assert!(
        error.to_string().contains("cannot read this type back"),
        "{error}"
    );
    assert_eq!(get::<T>(&backend).map(|_| "stored"), None);
}

#[track_caller]
fn assert_survives<T: Cacheable + Clone + PartialEq + Debug>(
    format: &'static dyn Format,
    object: &T,
) {
    let backend = ByteStore::new(format);
    set(&backend, object.clone()).unwrap();
    assert_eq!(get::<T>(&backend).as_deref(), Some(object), "{format:?}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    unit: (),
    flag: bool,
    signed: (i8, i16, i32, i64, i128),
    unsigned: (u8, u16, u32, u64, u128),
    floats: [f64; 3],
    letter: char,
    text: String,
    bytes: Vec<u8>,
    nothing: Option<u32>,
    something: Option<Option<u32>>,
    map: BTreeMap<String, Vec<Shape>>,
    hashed: HashMap<u16, String>,
    #[serde(skip)]
    forgotten: u8,
    address: IpAddr,
    duration: Duration,
    shared: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f32),
    Rectangle(f32, f32),
    Polygon {
        corners: Vec<(f32, f32)>,
        label: Option<Label>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Label(String);

fn everything() -> Everything {
    let polygon = Shape::Polygon {
        corners: vec![(0.0, 1.5), (2.0, -3.0)],
        label: Some(Label("three".into())),
    };
    let shapes = vec![
        Shape::Point,
        Shape::Circle(1.0),
        Shape::Rectangle(1.0, 2.0),
        polygon,
    ];
    Everything {
        unit: (),
        flag: true,
        signed: (i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN),
        unsigned: (u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX),
        floats: [0.1, -0.0, f64::MAX],
        letter: '\u{10FFFF}',
        text: "Grüße \0 \u{1F980}".into(),
        bytes: (0..=255).collect(),
        nothing: None,
        something: Some(Some(7)),
        map: BTreeMap::from([(String::new(), vec![]), ("shapes".into(), shapes)]),
        hashed: HashMap::from([(1, "one".into()), (2, "two".into())]),
        forgotten: 0,
        address: "2001:db8::1".parse().unwrap(),
        duration: Duration::new(3, 999_999_999),
        shared: "shared".into(),
    }
}

#[test]
fn every_kind_of_serde_survives_every_format() {
    for format in FORMATS {
        assert_survives(format, &everything());
        assert_survives(format, &Vec::<String>::new());
        assert_survives(format, &String::new());
        assert_survives(format, &Some("text".to_owned()));
        assert_survives(format, &());
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    id: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Number { number: u32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u32,
    #[serde(flatten)]
    rest: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Omitting {
    #[serde(skip_serializing, default)]
    never_written: u64,
    id: u32,
}

fn flattened() -> Flattened {
    Flattened {
        id: 1,
        rest: BTreeMap::from([("more".into(), 2)]),
    }
}

#[test]
fn binary_formats_refuse_what_they_could_not_read_back() {
    let sparse = Sparse { note: None, id: 1 };
    for format in BINARY {
        assert_not_storable(format, sparse.clone());
        assert_not_storable(format, vec![Some((1_u8, sparse.clone()))]);
        assert_not_storable(format, BTreeMap::from([(1_u8, sparse.clone())]));
        assert_not_storable(format, Untagged::Number(1));
        assert_not_storable(format, Some(Untagged::Text("text".into())));
        assert_not_storable(format, Tagged::Number { number: 1 });
        assert_not_storable(format, flattened());
        assert_not_storable(format, serde_json::json!({ "id": [1, "two", null] }));
        assert_not_storable(format, serde_json::json!(null));
        assert_not_storable(
            format,
            Omitting {
                never_written: 0,
                id: 1,
            },
        );
    }
    assert_not_storable(&InvertedFormat, sparse);
    assert_not_storable(&InvertedFormat, Untagged::Number(1));
}

#[test]
fn a_backend_that_never_decodes_refuses_them_too() {
    let value = CacheValue::loaded(Arc::new(Untagged::Number(1)), Stamp::now());
    let backend = MemoryBackend::new().keeping_bytes();
    let outcome = block_on(backend.set(&CacheKey::from_pair("key", "1"), value));
    assert_eq!(outcome.unwrap_err().kind(), BackendErrorKind::NotStorable);
}

#[test]
fn json_takes_them() {
    assert_survives(&JsonFormat, &Sparse { note: None, id: 1 });
    assert_survives(&JsonFormat, &Untagged::Number(1));
    assert_survives(&JsonFormat, &Untagged::Text("text".into()));
    assert_survives(&JsonFormat, &Tagged::Number { number: 1 });
    assert_survives(&JsonFormat, &flattened());
    assert_survives(&JsonFormat, &serde_json::json!({ "id": [1, "two", null] }));
}

#[test]
fn a_field_that_is_left_out_later_is_refused_then() {
    for format in BINARY {
        let backend = ByteStore::new(format);
        let whole = Sparse {
            note: Some("here".into()),
            id: 1,
        };
        set(&backend, whole.clone()).unwrap();
        assert_eq!(get::<Sparse>(&backend).as_deref(), Some(&whole));

        let error = set(&backend, Sparse { note: None, id: 2 }).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotStorable);
        assert!(error.to_string().contains("skip_serializing_if"), "{error}");
    }
}

/// The first value does not have the variant that cannot be read.
#[test]
fn a_variant_that_cannot_be_read_is_refused_when_it_is_written() {
    for format in BINARY {
        let backend = ByteStore::new(format);
        set(&backend, None::<Untagged>).unwrap();
        assert_eq!(get::<Option<Untagged>>(&backend).as_deref(), Some(&None));
        let error = set(&backend, Some(Untagged::Number(1))).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotStorable);
    }
}

/// A field that is not written, and one that is not read: what is read in its place is another one.
#[test]
fn what_is_written_must_be_what_is_read() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Ranked {
        #[serde(skip_serializing, default)]
        rank: u8,
        tags: Vec<u8>,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Crossed {
        #[serde(skip_serializing, default)]
        first: u8,
        #[serde(skip_deserializing)]
        second: u8,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Narrowed {
        #[serde(serialize_with = "as_u32")]
        number: u64,
    }
    /// Its numbers when it is written are not those when it is read.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Shifted {
        #[serde(skip)]
        #[allow(dead_code, reason = "it moves the numbers of the others")]
        Hidden,
        First,
        Second,
    }
    fn as_u32<S: serde::Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(u32::try_from(*number).unwrap())
    }
    let ranked = Ranked {
        rank: 9,
        tags: vec![1, 7],
    };
    let crossed = Crossed {
        first: 1,
        second: 2,
    };
    for format in [BINARY[0], BINARY[1], &InvertedFormat] {
        assert_not_storable(format, ranked.clone());
        assert_not_storable(format, vec![(1_u8, ranked.clone())]);
        assert_not_storable(format, crossed.clone());
        assert_not_storable(format, Narrowed { number: 7 });
        assert_not_storable(format, Shifted::First);
        assert_not_storable(format, Shifted::Second);

        // Not the first value of its type: that one has nothing of it.
        let backend = ByteStore::new(format);
        set(&backend, Vec::<Ranked>::new()).unwrap();
        let error = set(&backend, vec![ranked.clone()]).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotStorable, "{error}");
    }
    let backend = ByteStore::new(&JsonFormat);
    set(&backend, ranked).unwrap();
    let read = get::<Ranked>(&backend).unwrap();
    assert_eq!((read.rank, &read.tags), (0, &vec![1, 7]));
}

/// A type of which not all is known, since it takes no value but its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Password(String);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "open sesame" {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom("refused"))
        }
    }
}

#[test]
fn a_type_that_cannot_be_told_from_others_is_stored_as_json() {
    let secret = (Password("open sesame".into()), 7_u16);
    for format in FORMATS {
        let backend = ByteStore::new(format);
        set(&backend, secret.clone()).unwrap();
        let stored = stored_form::decode(&backend.stored().unwrap()).unwrap();
        let encoding = stored.data().encoding();
        assert_eq!(encoding.format, FormatId::JSON, "{format:?}");
        // What it asks for is noted where the format does not name it.
        let is_noted = encoding.shape != 0;
        assert_eq!(is_noted, !format.is_self_describing(), "{format:?}");
        assert_eq!(get::<(Password, u16)>(&backend).as_deref(), Some(&secret));
        assert_eq!(get::<(Password, String)>(&backend), None);

        // Of another type, in the backend's own format: it is not read as one that is not known.
        set(&backend, ("open sesame".to_owned(), 7_u16)).unwrap();
        let read = get::<(Password, u16)>(&backend);
        assert_eq!(read.is_some(), format.is_self_describing(), "{format:?}");
    }
    // Where nothing is behind it, all is known.
    for format in BINARY {
        let backend = ByteStore::new(format);
        set(&backend, Password("open sesame".into())).unwrap();
        let stored = stored_form::decode(&backend.stored().unwrap()).unwrap();
        assert_eq!(stored.data().encoding().format, format.id());
    }
}

/// After a value of the same type that can be read: each is looked at.
#[track_caller]
fn assert_refused_after<T: Cacheable + Clone + PartialEq + Debug>(fine: &T, refused: T) {
    let backend = ByteStore::new(&JsonFormat);
    set(&backend, fine.clone()).unwrap();
    let error = set(&backend, refused).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotStorable, "{error}");
    assert_eq!(get::<T>(&backend).as_deref(), Some(fine));
    set(&backend, fine.clone()).unwrap();
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Measured {
    Exact(u128),
    About(f64),
}

#[test]
fn json_refuses_each_value_that_it_cannot_give_back() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_refused_after(&20.0, number);
        assert_refused_after(&Some(20.0), Some(number));
        assert_refused_after(&vec![Some(1.0)], vec![Some(number)]);
        assert_refused_after(&Measured::About(20.0), Measured::About(number));
        #[expect(clippy::cast_possible_truncation, reason = "of infinity")]
        let number = number as f32;
        assert_refused_after(&(1_u8, 20.0_f32), (1_u8, number));
    }
    assert_refused_after(&Some(Some(1_u8)), Some(None));
    assert_refused_after(&None, Some(()));
    assert_refused_after(&Measured::About(20.0), Measured::Exact(u128::MAX));
    let twice = Flattened {
        id: 1,
        rest: BTreeMap::from([("id".into(), 2)]),
    };
    assert_refused_after(&flattened(), twice);
}

fn nested_json(depth: usize) -> serde_json::Value {
    (0..depth).fold(serde_json::Value::Null, |inner, level| {
        if level % 2 == 0 {
            serde_json::Value::Array(vec![inner])
        } else {
            let entries = [("inner".to_owned(), inner)];
            serde_json::Value::Object(entries.into_iter().collect())
        }
    })
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Expression {
    Zero,
    Negated(Box<Expression>),
    Sum(Box<Expression>, Box<Expression>),
    Named { value: Box<Expression> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

fn repeated<T>(first: T, times: usize, around: impl Fn(T) -> T) -> T {
    (0..times).fold(first, |inner, _| around(inner))
}

#[test]
fn json_is_written_as_deep_as_it_can_be_read() {
    assert_survives(&JsonFormat, &nested_json(127));
    assert_refused_after(&nested_json(1), nested_json(128));
    let tree = |depth: usize| repeated(Tree(vec![]), depth - 1, |inner| Tree(vec![inner]));
    assert_survives(&JsonFormat, &tree(127));
    assert_refused_after(&tree(1), tree(128));
    let negated = |depth| {
        repeated(Expression::Zero, depth, |inner| {
            Expression::Negated(inner.into())
        })
    };
    assert_survives(&JsonFormat, &negated(127));
    assert_refused_after(&negated(1), negated(128));
    // An array or object within an object, each.
    let sum = |depth| {
        repeated(Expression::Zero, depth, |inner| {
            Expression::Sum(Expression::Zero.into(), inner.into())
        })
    };
    assert_survives(&JsonFormat, &sum(63));
    assert_refused_after(&sum(1), sum(64));
    let named = |depth| {
        repeated(Expression::Zero, depth, |inner| Expression::Named {
            value: inner.into(),
        })
    };
    assert_survives(&JsonFormat, &named(63));
    assert_refused_after(&named(1), named(64));
}

/// Deep enough to end a process that follows it to its end, on a stack on which such a value can be
/// dropped.
#[test]
fn what_is_nested_without_end_is_refused() {
    let deep = std::thread::Builder::new().stack_size(16 << 20);
    deep.spawn(refuse_what_is_nested_without_end)
        .unwrap()
        .join()
        .unwrap();
}

fn refuse_what_is_nested_without_end() {
    for format in FORMATS {
        let mut tree = Tree(vec![]);
        for _ in 0..20_000 {
            tree = Tree(vec![tree]);
        }
        let error = set(&ByteStore::new(format), tree).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotStorable, "{format:?}");
    }
    let error = set(&ByteStore::new(&JsonFormat), nested_json(20_000)).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotStorable);

    let brackets = [b"[".repeat(20_000), b"]".repeat(20_000)].concat();
    let objects = [
        br#"{"a":"#.repeat(20_000),
        b"1".to_vec(),
        b"}".repeat(20_000),
    ]
    .concat();
    for payload in [brackets, objects] {
        let encoding = Encoding {
            format: FormatId::JSON,
            ..Encoding::OPAQUE
        };
        let value = CacheValue::from_parts(
            Encoded::new(payload.into(), encoding),
            None,
            None,
            Stamp::now(),
        );
        let backend = ByteStore::new(&JsonFormat);
        backend.put(stored_form::encode(&value, &NoCompression).unwrap());
        assert_eq!(get::<serde_json::Value>(&backend), None);
        assert_eq!(get::<Tree>(&backend), None);
        assert_eq!(get::<Untagged>(&backend), None);
        assert_eq!(get::<Sparse>(&backend), None);
        assert_eq!(backend.rejected(Rejection::Undecodable), 4);
        // What nobody asks for is passed over, however deep.
        let around = format!(
            r#"{{"note":null,"id":1,"more":{}}}"#,
            String::from_utf8(value.data().payload().to_vec()).unwrap()
        );
        let raw = Encoded::new(around.into_bytes().into(), encoding);
        let value = CacheValue::from_parts(raw, None, None, Stamp::now());
        backend.put(stored_form::encode(&value, &NoCompression).unwrap());
        let expected = Sparse { note: None, id: 1 };
        assert_eq!(get::<Sparse>(&backend).as_deref(), Some(&expected));
    }
}

#[test]
fn json_refuses_what_json_cannot_express() {
    let backend = ByteStore::new(&JsonFormat);
    set(&backend, 1.5_f64).unwrap();
    let tuple_keys = BTreeMap::from([((1, 2), 3)]);
    let error = set(&backend, tuple_keys).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotStorable);
    assert_not_storable(&JsonFormat, vec![f64::NAN]);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

fn chain(length: usize) -> Chain {
    (0..length).fold(Chain(None), |rest, _| Chain(Some(Box::new(rest))))
}

#[test]
fn what_is_nested_too_deep_to_read_is_not_written() {
    for format in BINARY {
        assert_survives(format, &chain(128));
        assert_not_storable(format, chain(129));
    }
}

/// What its fields hold is what it is, too.
#[test]
fn a_type_with_other_kinds_under_the_same_names_is_told_apart() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: u32,
        amount: i64,
    }
    mod other {
        use super::*;
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(super) struct Order {
            id: u32,
            amount: u64,
        }
    }
    let order = Order {
        id: 1,
        amount: 1_000,
    };
    for format in [BINARY[0], BINARY[1], &InvertedFormat] {
        let backend = ByteStore::new(format);
        set(&backend, order.clone()).unwrap();
        assert_eq!(get::<other::Order>(&backend), None, "{format:?}");
        assert_eq!(backend.rejected(Rejection::Type), 1, "{format:?}");
        assert_eq!(get::<Order>(&backend).as_deref(), Some(&order));

        set(&backend, Ok::<u8, u8>(7)).unwrap();
        assert_eq!(get::<Result<u8, i8>>(&backend), None);
        set(&backend, BTreeMap::from([(1_u8, 2_i32)])).unwrap();
        assert_eq!(get::<BTreeMap<u8, u32>>(&backend), None);
        assert_eq!(backend.rejected(Rejection::Type), 3, "{format:?}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sale {
    customer: u32,
    product: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Return {
    product: u32,
    customer: u32,
}

#[test]
fn a_value_of_another_type_is_a_miss() {
    for format in FORMATS {
        let backend = ByteStore::new(format);
        set(&backend, vec![1_u32, 2, 3]).unwrap();
        assert_eq!(get::<Vec<String>>(&backend), None, "{format:?}");
        assert_eq!(get::<Vec<u32>>(&backend).as_deref(), Some(&vec![1, 2, 3]));
    }
}

/// The bytes would do for either, and say the wrong thing.
#[test]
fn a_type_that_the_bytes_would_fit_is_told_apart() {
    let sale = Sale {
        customer: 1,
        product: 2,
    };
    for format in [BINARY[0], BINARY[1], &InvertedFormat] {
        let backend = ByteStore::new(format);
        set(&backend, sale.clone()).unwrap();
        assert_eq!(get::<Return>(&backend), None, "{format:?}");
        assert_eq!(backend.rejected(Rejection::Type), 1, "{format:?}");
        assert_eq!(get::<Sale>(&backend).as_deref(), Some(&sale));
    }
    // JSON reads it by name, whatever the order.
    let backend = ByteStore::new(&JsonFormat);
    set(&backend, sale).unwrap();
    let turned = Return {
        product: 2,
        customer: 1,
    };
    assert_eq!(get::<Return>(&backend).as_deref(), Some(&turned));
}

#[test]
fn no_error_quotes_the_value() {
    #[derive(Debug)]
    struct Talkative;
    impl Serialize for Talkative {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("hunter2"))
        }
    }
    impl<'de> Deserialize<'de> for Talkative {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(serde::de::Error::custom("hunter2"))
        }
    }
    for format in &FORMATS[..3] {
        let format = *format;
        let error = set(&ByteStore::new(format), Talkative).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );

        let refused = format.decode(b"\"hunter2\"", &mut |deserializer| {
            u32::deserialize(deserializer).map(drop)
        });
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
}

#[test]
fn bytes_left_over_are_refused() {
    for format in FORMATS {
        let mut payload = format.encode(&"7").unwrap();
        format.decode(&payload, &mut read_string).unwrap();
        payload.push(b'7');
        assert!(
            format.decode(&payload, &mut read_string).is_err(),
            "{format:?}"
        );
    }
}

fn read_string(deserializer: &mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<()> {
    assert_eq!(String::deserialize(deserializer)?, "7");
    Ok(())
}

proptest! {
    // No persistence files: a failure prints its shrunk case.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in FORMATS {
            let backend = ByteStore::new(format);
            let value = CacheValue::loaded(Encoded::from(payload.clone()), Stamp::now());
            backend.put(stored_form::encode(&value, &NoCompression).unwrap());
            let _ = get::<Everything>(&backend);
            let _ = get::<Vec<Shape>>(&backend);
            let _ = get::<Chain>(&backend);
            let _ = get::<serde_json::Value>(&backend);
            prop_assert_eq!(backend.rejected(Rejection::Undecodable), backend.rejected_in_all());
        }
    }
}
