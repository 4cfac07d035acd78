use hitbox_core::KeyWriter;
use smol_str::{SmolStr, format_smolstr};

/// An id that a [`Keyspace`](crate::Keyspace) makes keys of: what says which value of the keyspace is meant.
///
/// Implemented for integers, `bool`, strings, `Option`, tuples of up to six, references to these, and, with the feature
/// `uuid`, for `Uuid`. Implement it for a type of your own by naming its fields:
///
/// ```
/// use hitbox::{KeyParts, Keyspace, PartWriter};
///
/// struct Page {
///     section: String,
///     number: u32,
/// }
///
/// impl KeyParts for Page {
///     fn parts(&self, to: &mut PartWriter<'_>) {
///         to.part("section", &self.section);
///         to.part("number", &self.number);
///     }
/// }
///
/// const PAGES: Keyspace<Page, String> = Keyspace::new("pages", 1);
/// let page = Page { section: "news".into(), number: 2 };
/// assert_eq!(PAGES.key(page).to_string(), "pages:v1:section=news&number=2");
/// ```
///
/// Two ids that are not equal have to write different parts: else they share an entry. Those of this crate do. Names
/// of fields are best without `.` and `?`, which stand between the names of fields within fields, and behind that of
/// an `Option` within an `Option`.
pub trait KeyParts {
    /// Writes this id.
    fn parts(&self, to: &mut PartWriter<'_>);
}

/// Where an id is written: [`KeyParts`].
#[derive(Debug)]
pub struct PartWriter<'w> {
    writer: &'w mut KeyWriter,
    /// Of the fields that lead to what is written now, the outermost first. Empty for the id itself.
    name: SmolStr,
    /// Of how many `Option`s what is written now is the content.
    options: usize,
}

/// What an id is called that is a single value.
const UNNAMED: SmolStr = SmolStr::new_static("id");

impl<'w> PartWriter<'w> {
    pub(super) fn new(writer: &'w mut KeyWriter) -> Self {
        Self {
            writer,
            name: SmolStr::default(),
            options: 0,
        }
    }

    /// Writes an id that is this text, of any content, and nothing else. An id of several values has
    /// [`part`](Self::part)s.
    pub fn text(&mut self, text: &str) {
        let name = if self.name.is_empty() {
            &UNNAMED
        } else {
            &self.name
        };
        self.writer.part(name, Some(text));
    }

    /// Writes the field `name` of the id.
    pub fn part(&mut self, name: &str, id: &(impl KeyParts + ?Sized)) {
        let name = if self.name.is_empty() {
            SmolStr::new(name)
        } else {
            format_smolstr!("{}.{name}", self.name)
        };
        id.parts(&mut PartWriter {
            writer: self.writer,
            name,
            options: 0,
        });
    }

    /// Nothing: a part without a value. The nothing within an `Option` is another than that `Option`'s own.
    fn none(&mut self) {
        let name = if self.name.is_empty() {
            &UNNAMED
        } else {
            &self.name
        };
        match self.options {
            0 => self.writer.part(name, None),
            options => {
                let marks = "?".repeat(options);
                self.writer.part(&format_smolstr!("{name}{marks}"), None);
            }
        }
    }

    fn some(&mut self, id: &impl KeyParts) {
        id.parts(&mut PartWriter {
            writer: self.writer,
            name: self.name.clone(),
            options: self.options + 1,
        });
    }
}

impl<T: KeyParts + ?Sized> KeyParts for &T {
    fn parts(&self, to: &mut PartWriter<'_>) {
        (**self).parts(to);
    }
}

impl KeyParts for str {
    fn parts(&self, to: &mut PartWriter<'_>) {
        to.text(self);
    }
}

impl KeyParts for String {
    fn parts(&self, to: &mut PartWriter<'_>) {
        to.text(self);
    }
}

impl KeyParts for bool {
    fn parts(&self, to: &mut PartWriter<'_>) {
        to.text(if *self { "true" } else { "false" });
    }
}

macro_rules! integers {
    ($($integer:ty)+) => {$(
        impl KeyParts for $integer {
            fn parts(&self, to: &mut PartWriter<'_>) {
                to.text(itoa::Buffer::new().format(*self));
            }
        }
    )+};
}

integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

/// In lower case, with hyphens.
#[cfg(feature = "uuid")]
impl KeyParts for uuid::Uuid {
    fn parts(&self, to: &mut PartWriter<'_>) {
        let mut buffer = uuid::Uuid::encode_buffer();
        to.text(self.hyphenated().encode_lower(&mut buffer));
    }
}

/// `None` is a part without a value, `Some` is what it holds.
impl<T: KeyParts> KeyParts for Option<T> {
    fn parts(&self, to: &mut PartWriter<'_>) {
        match self {
            None => to.none(),
            Some(id) => to.some(id),
        }
    }
}

macro_rules! tuples {
    ($(($($index:tt $name:ident)+))+) => {$(
        /// Its fields, by their numbers.
        impl<$($name: KeyParts),+> KeyParts for ($($name,)+) {
            fn parts(&self, to: &mut PartWriter<'_>) {
                $(to.part(stringify!($index), &self.$index);)+
            }
        }
    )+};
}

tuples! {
    (0 A)
    (0 A 1 B)
    (0 A 1 B 2 C)
    (0 A 1 B 2 C 3 D)
    (0 A 1 B 2 C 3 D 4 E)
    (0 A 1 B 2 C 3 D 4 E 5 F)
}

/// One thing of its kind: no parts.
impl KeyParts for () {
    fn parts(&self, _: &mut PartWriter<'_>) {}
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        time::{SystemTime, UNIX_EPOCH},
    };

    use super::*;

    fn written(id: impl KeyParts) -> String {
        let mut writer = KeyWriter::new("k", 1);
        id.parts(&mut PartWriter::new(&mut writer));
        hitbox_core::CacheKey::from(writer).to_string()
    }

    #[test]
    fn ids_are_readable() {
        assert_eq!(written(()), "k:v1");
        assert_eq!(written(42_u64), "k:v1:id=42");
        assert_eq!(written(i128::MIN), format!("k:v1:id={}", i128::MIN));
        assert_eq!(written("a=b"), "k:v1:id=a%3Db");
        assert_eq!(written(String::new()), "k:v1:id=");
        assert_eq!(written(true), "k:v1:id=true");
        assert_eq!(written((7_u8, "en")), "k:v1:0=7&1=en");
        assert_eq!(written((7_u8, (1_i8, false))), "k:v1:0=7&1.0=1&1.1=false");
        let six = (1_u8, 2_u16, 3_u32, 4_usize, 5_isize, 6_i64);
        assert_eq!(written(six), "k:v1:0=1&1=2&2=3&3=4&4=5&5=6");
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_empty() {
        let none = None::<&str>;
        assert_eq!(written(none), "k:v1:id");
        assert_eq!(written(Some("")), "k:v1:id=");
        assert_eq!(written((none, Some("x"))), "k:v1:0&1=x");
        assert_eq!(written(None::<()>), "k:v1:id");
        assert_eq!(written(Some(())), "k:v1");
    }

    #[test]
    fn an_option_within_an_option_is_three_ids() {
        let ids = [None, Some(None), Some(Some(1_u8))];
        assert_eq!(ids.map(written), ["k:v1:id", "k:v1:id?", "k:v1:id=1"]);
        let pairs = [(None, 1_u8), (Some(None), 1), (Some(Some(2_u8)), 1)];
        assert_eq!(
            pairs.map(written),
            ["k:v1:0&1=1", "k:v1:0?&1=1", "k:v1:0=2&1=1"]
        );
    }

    type Id = (
        Option<Option<u8>>,
        (String, Option<String>),
        Option<(bool, u8)>,
    );

    fn random_id(random: &mut fastrand::Rng) -> Id {
        let text = |random: &mut fastrand::Rng| {
            let signs = [":", "&", "=", "?", ".", "0", "1", "id", "", "%"];
            (0..random.usize(0..3))
                .filter_map(|_| random.choice(signs))
                .collect::<String>()
        };
        let number = |random: &mut fastrand::Rng| random.u8(0..2);
        (
            random.bool().then(|| random.bool().then(|| number(random))),
            (text(random), random.bool().then(|| text(random))),
            random.bool().then(|| (random.bool(), number(random))),
        )
    }

    #[test]
    fn ids_share_a_key_only_if_they_are_equal() {
        let seed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64;
        println!("seed: {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut ids = HashMap::<String, Id>::new();
        let mut again = 0;
        for _ in 0..100_000 {
            let id = random_id(&mut random);
            let key = written(&id);
            match ids.get(&key) {
                Some(other) => {
                    assert_eq!(*other, id, "{key}");
                    again += 1;
                }
                None => drop(ids.insert(key, id)),
            }
        }
        assert!(again > 1_000 && ids.len() > 1_000, "{again} of them equal");
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_written_with_hyphens() {
        let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let id: uuid::Uuid = text.to_uppercase().parse().unwrap();
        assert_eq!(written(id), format!("k:v1:id={text}"));
    }
}
