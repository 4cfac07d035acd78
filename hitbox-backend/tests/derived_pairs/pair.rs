//! A pair of types, and what becomes of a value of the first that is read as the second.

use std::sync::Arc;

pub(crate) use hitbox_backend::Cacheable;
use hitbox_backend::{
    BackendErrorKind, BincodeFormat, CacheBackend, Format, Rejection,
    format::{FormatError, Visit},
    stored_form,
};
use hitbox_core::{CacheKey, CacheValue, FormatId, Stamp};

use crate::{
    byte_store::ByteStore,
    data::{Likeness, compared, for_machines, for_people},
};

/// What is seen of a pair in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is known to be of another type; in JSON, it does not fit.
    Miss,
    /// A type that asks for the same, and refuses this value.
    Refused,
    Same,
    /// JSON read as an older or newer version of the type.
    Part,
    /// The reader says itself what it takes for what it is given (serde's alias, default, other): this, in
    /// JSON.
    Declared(&'static str),
    /// What JSON cannot tell, since the reader takes either form: other data, in JSON.
    Limit(&'static str),
    /// The value is not written at all.
    NotStorable,
    /// What no pair may come to.
    Other(String),
}

impl Seen {
    pub(crate) const OTHER_DATA: &str = "OTHER DATA";

    pub(crate) fn in_short(&self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Refused => "refused by the reader",
            Self::Same => "the same data",
            Self::Part => "what both types have",
            Self::Declared(_) => "as the reader declares",
            Self::Limit(_) => "other data, a known limit",
            Self::NotStorable => "not storable",
            Self::Other(_) => "WRONG",
        }
    }
}

/// In which format, and what is expected there.
pub(crate) type Asked = (&'static dyn Format, Seen);

type Run = fn(Asked) -> Seen;

pub(crate) struct Pair {
    pub(crate) name: &'static str,
    bare: Seen,
    json: Seen,
    run: Run,
}

impl Pair {
    pub(crate) fn new(name: &'static str, bare: Seen, json: Seen, run: Run) -> Self {
        Self {
            name,
            bare,
            json,
            run,
        }
    }

    pub(crate) fn expected(&self, format: &dyn Format) -> Seen {
        if format.is_self_describing() {
            self.json.clone()
        } else {
            self.bare.clone()
        }
    }

    pub(crate) fn seen(&self, format: &'static dyn Format) -> Seen {
        (self.run)((format, self.expected(format)))
    }
}

/// Writes what `make` makes as a `W`, and reads it as that and as an `R`.
pub(crate) fn run<W: Cacheable, R: Cacheable>(make: fn() -> W, (format, expected): Asked) -> Seen {
    let key = CacheKey::from_pair("key", "1");
    let backend = ByteStore::new(format);
    let value = CacheValue::loaded(Arc::new(make()), Stamp::now());
    if let Err(error) = block_on(backend.set(&key, value)) {
        return if error.kind() == BackendErrorKind::NotStorable {
            Seen::NotStorable
        } else {
            Seen::Other(format!("not written: {error}"))
        };
    }
    let stored = stored_form::decode(&backend.stored().unwrap()).unwrap();
    let is_json = format.is_self_describing() || stored.data().encoding().format == FormatId::JSON;
    let Some(itself) = block_on(backend.get::<W>(&key)).unwrap() else {
        return Seen::Other("it is never read as what it is".into());
    };
    let written = make();
    let itself = itself.into_parts().0;
    let is_itself = if is_json {
        for_people(&written) == for_people(&*itself)
    } else {
        for_machines(&written) == for_machines(&*itself)
    };
    if !is_itself {
        return Seen::Other(format!("{}: as itself", Seen::OTHER_DATA));
    }
    let Some(read) = block_on(backend.get::<R>(&key)).unwrap() else {
        let rejected = |rejection| backend.rejected(rejection);
        return match (rejected(Rejection::Type), rejected(Rejection::Undecodable)) {
            // JSON that stands in is noted what type it is of.
            (1, 0) if !format.is_self_describing() => Seen::Miss,
            (0, 1) if is_json => Seen::Miss,
            (0, 1) => Seen::Refused,
            counts => Seen::Other(format!("a miss that is rejected {counts:?} times")),
        };
    };
    let read = read.into_parts().0;
    if let Seen::Declared(json) | Seen::Limit(json) = expected
        && json == for_people(&*read)
    {
        return expected;
    }
    if is_json {
        in_json(&for_people(&written), &for_people(&*read))
    } else {
        let (written, read) = (for_machines(&written), for_machines(&*read));
        if written == read {
            Seen::Same
        } else {
            other(&written, &read)
        }
    }
}

fn in_json(written: &str, read: &str) -> Seen {
    match compared(written, read) {
        Likeness::Same => Seen::Same,
        Likeness::Part => Seen::Part,
        Likeness::Other => other(written, read),
    }
}

fn other(written: &str, read: &str) -> Seen {
    Seen::Other(format!("{}: {written} is read as {read}", Seen::OTHER_DATA))
}

fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// Pairs, each a line: `name: [seen without names, seen in JSON] written => read, value;`
///
/// A type is `(one that there is)`, or `{ items }` that get serde's derives, of which the type is `T`.
macro_rules! pairs {
    ($($name:ident: [$bare:expr, $json:expr] $written:tt => $read:tt, $value:expr;)*) => {
        $(
            #[allow(
                unused_imports,
                dead_code,
                reason = "not each pair uses what its topic does; of some fields only the bytes are looked at"
            )]
            mod $name {
                use super::*;

                items! { $written }

                mod read {
                    use super::super::*;
                    use $crate::pair::{Asked, Cacheable, Seen};

                    items! { $read }

                    pub(super) fn run<W: Cacheable>(make: fn() -> W, with: Asked) -> Seen {
                        $crate::pair::run::<W, T>(make, with)
                    }
                }

                fn make() -> T {
                    $value
                }

                pub(super) fn pair() -> $crate::pair::Pair {
                    use $crate::pair::{Pair, Seen::*};
                    Pair::new(module_path!(), $bare, $json, |asked| read::run(make, asked))
                }
            }
        )*

        pub(crate) fn pairs() -> Vec<$crate::pair::Pair> {
            vec![$($name::pair()),*]
        }
    };
}

macro_rules! items {
    (($kind:ty)) => {
        type T = $kind;
    };
    ({ $($item:item)* }) => {
        $(
            #[derive(serde::Serialize, serde::Deserialize)]
            $item
        )*
    };
}

/// A format from outside: goes the way through erased serde.
#[derive(Debug)]
pub(crate) struct Inverted;

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

/// One from outside that describes itself.
#[derive(Debug)]
pub(crate) struct OtherJson;

impl Format for OtherJson {
    fn id(&self) -> FormatId {
        FormatId::custom(201)
    }

    fn is_self_describing(&self) -> bool {
        true
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        serde_json::to_vec(value).map_err(|error| FormatError::Encode {
            format: "other JSON",
            source: error.into(),
        })
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(&mut deserializer);
        visit(&mut erased).map_err(|error| FormatError::Decode {
            format: "other JSON",
            source: error.into(),
        })
    }
}
