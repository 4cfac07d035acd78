//! The types that hostile bytes are read as.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// Text by name, more than once.
pub(crate) type Headers = HashMap<String, Vec<String>>;

/// A bit of everything that serde knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) numbers: (i8, u16, i32, i64),
    pub(crate) wide: u128,
    pub(crate) ratio: Exact,
    pub(crate) initial: char,
    pub(crate) active: bool,
    pub(crate) kind: Kind,
    pub(crate) notes: Option<Vec<String>>,
    pub(crate) attributes: BTreeMap<String, Kind>,
    pub(crate) next: Option<Box<Record>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Nothing,
    Named(String),
    Pair(u8, i16),
    Point { x: Option<i32>, y: u32 },
    Nested(Box<Kind>),
}

/// A number that has to come back bit by bit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Exact(pub(crate) f64);

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

/// Contains itself, and takes more memory than bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) weights: [u64; 8],
    pub(crate) branches: Vec<Tree>,
}

pub(crate) fn record() -> Record {
    let inner = Record {
        id: 7,
        name: String::new(),
        numbers: (-1, 0, i32::MIN, i64::MAX),
        wide: u128::MAX,
        ratio: Exact(-0.0),
        initial: '\0',
        active: false,
        kind: Kind::Nothing,
        notes: None,
        attributes: BTreeMap::new(),
        next: None,
    };
    let attributes = [
        ("colour", Kind::Named("blue".into())),
        ("size", Kind::Pair(200, -300)),
        (
            "where",
            Kind::Point {
                x: Some(-70_000),
                y: 5,
            },
        ),
        (
            "why",
            Kind::Nested(Box::new(Kind::Nested(Box::new(Kind::Nothing)))),
        ),
    ];
    Record {
        id: 1815,
        name: "Ada".into(),
        numbers: (5, 300, 70_000, 5_000_000_000),
        wide: 1 << 100,
        ratio: Exact(0.1),
        initial: 'é',
        active: true,
        kind: Kind::Point { x: None, y: 9 },
        notes: Some(vec!["maths".into(), "engines".into()]),
        attributes: attributes
            .map(|(name, kind)| (name.to_owned(), kind))
            .into(),
        next: Some(Box::new(inner)),
    }
}

/// One entry: the order of more is not the same twice.
pub(crate) fn headers() -> Headers {
    let values = vec!["text/html".to_owned(), String::new()];
    HashMap::from([("accept".to_owned(), values)])
}

pub(crate) fn tree() -> Tree {
    let leaf = Tree {
        weights: [0, 1, 250, 251, 1 << 16, 1 << 32, u64::MAX, 7],
        branches: Vec::new(),
    };
    let twig = Tree {
        weights: [3; 8],
        branches: vec![leaf.clone(), leaf],
    };
    Tree {
        weights: [0; 8],
        branches: vec![twig.clone(), twig],
    }
}
