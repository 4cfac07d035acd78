//! Formats through typed access: what goes in comes out, and what could not come out is refused.

#![allow(
    clippy::unwrap_used,
    reason = "clippy's exception for tests does not reach the functions they share"
)]

mod byte_store;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use byte_store::ByteStore;
use hitbox_backend::{
    BackendErrorKind, BackendResult, BincodeFormat, CacheBackend, Cacheable, Format, JsonFormat,
    PostcardFormat, Rejection,
    compression::NoCompression,
    conformance::MemoryBackend,
    format::{FormatError, Visit},
    stored_form,
};
use hitbox_core::{CacheContext, CacheKey, CacheValue, FormatId, Raw, Stamp};
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
    let outcome = block_on(MemoryBackend::new().set(&CacheKey::from_pair("key", "1"), value));
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

/// The first value may hide the variant that cannot be read. Then it is one miss that tells.
#[test]
fn a_variant_that_turns_out_unreadable_is_refused_from_then_on() {
    for format in BINARY {
        let backend = ByteStore::new(format);
        set(&backend, None::<Untagged>).unwrap();
        set(&backend, Some(Untagged::Number(1))).unwrap();
        assert_eq!(get::<Option<Untagged>>(&backend), None);
        let error = set(&backend, Some(Untagged::Number(1))).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotStorable);
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
            let value = CacheValue::loaded(Raw::from(payload.clone()), Stamp::now());
            backend.put(stored_form::encode(&value, &NoCompression).unwrap());
            let _ = get::<Everything>(&backend);
            let _ = get::<Vec<Shape>>(&backend);
            let _ = get::<Chain>(&backend);
            let _ = get::<serde_json::Value>(&backend);
            prop_assert_eq!(backend.rejected(Rejection::Undecodable), backend.rejected_in_all());
        }
    }
}
