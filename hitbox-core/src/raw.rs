use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;

use crate::{Encoded, Encoding, FormatId, Meta, ObjectType, TypeOf, clock::Tick};

/// A value on its way between typed access and a store: an object, or bytes, or for a moment both.
///
/// Typed access puts objects in and takes them out. A store that keeps bytes takes those, which are made before
/// it is written; a store in process keeps the object [alone](Self::without_bytes). Cloning costs one
/// reference count.
///
/// ```
/// use bytes::Bytes;
/// use hitbox_core::Raw;
///
/// let raw = Raw::from(Bytes::from_static(b"payload"));
/// assert_eq!(raw.payload().unwrap(), "payload");
/// ```
#[derive(Clone)]
pub struct Raw {
    form: Form,
}

/// Two words and a pointer, since it stands in every entry of a cache in process.
#[derive(Clone)]
enum Form {
    Object(Object),
    /// Bytes, or an object of which more is known.
    More(Arc<dyn More>),
}

/// A value that is more than an object.
trait More: Send + Sync {
    fn encoded(&self) -> Option<&Encoded>;
    fn object(&self) -> Option<&Object>;
    fn seen(&self) -> Tick;
    fn meta(&self) -> Option<&Arc<Meta>>;
}

#[derive(Clone)]
struct Object {
    object: Arc<dyn Any + Send + Sync>,
    object_type: &'static ObjectType,
}

/// Bytes, and an object beside them.
struct Shared {
    encoded: Encoded,
    object: Option<Object>,
    seen: Tick,
}

impl More for Shared {
    fn encoded(&self) -> Option<&Encoded> {
        Some(&self.encoded)
    }

    fn object(&self) -> Option<&Object> {
        self.object.as_ref()
    }

    fn seen(&self) -> Tick {
        self.seen
    }

    fn meta(&self) -> Option<&Arc<Meta>> {
        self.encoded.meta()
    }
}

/// An object alone, of which is known as of when it was current.
struct Seen {
    object: Object,
    seen: Tick,
}

impl More for Seen {
    fn encoded(&self) -> Option<&Encoded> {
        None
    }

    fn object(&self) -> Option<&Object> {
        Some(&self.object)
    }

    fn seen(&self) -> Tick {
        self.seen
    }

    fn meta(&self) -> Option<&Arc<Meta>> {
        None
    }
}

/// An object alone that has metadata.
struct Described {
    object: Object,
    meta: Arc<Meta>,
    seen: Tick,
}

impl More for Described {
    fn encoded(&self) -> Option<&Encoded> {
        None
    }

    fn object(&self) -> Option<&Object> {
        Some(&self.object)
    }

    fn seen(&self) -> Tick {
        self.seen
    }

    fn meta(&self) -> Option<&Arc<Meta>> {
        Some(&self.meta)
    }
}

impl Object {
    fn new<T: Send + Sync + 'static>(object: Arc<T>, object_type: &'static TypeOf<T>) -> Self {
        Self {
            object,
            object_type: object_type.erased(),
        }
    }
}

impl Raw {
    /// Bytes.
    #[must_use]
    pub fn new(payload: Bytes, encoding: Encoding) -> Self {
        Self::from(Encoded::new(payload, encoding))
    }

    /// That there is no such thing, where data would be.
    ///
    /// The [metadata](Self::meta) says so. The payload is empty, and of a [format](FormatId::ABSENT) that no type is read
    /// from: what is left of it in a store that drops metadata is a miss to typed access.
    #[must_use]
    pub fn absent() -> Self {
        let encoding = Encoding {
            format: FormatId::ABSENT,
            ..Encoding::OPAQUE
        };
        let encoded = Encoded::new(Bytes::new(), encoding);
        Self::from(encoded.with_meta(Some(Arc::new(Meta::absent()))))
    }

    /// An object.
    #[inline]
    pub fn of_object<T: Send + Sync + 'static>(
        object: Arc<T>,
        object_type: &'static TypeOf<T>,
    ) -> Self {
        Self {
            form: Form::Object(Object::new(object, object_type)),
        }
    }

    /// The bytes of this value and the object, in place of the one that there may have been.
    #[must_use]
    pub fn with_object<T: Send + Sync + 'static>(
        self,
        object: Arc<T>,
        object_type: &'static TypeOf<T>,
    ) -> Self {
        let object = Object::new(object, object_type);
        let seen = self.seen();
        Self {
            form: match self.encoded() {
                Some(encoded) => Form::of_bytes(encoded.clone(), Some(object), seen),
                None => Form::of_object(object, self.meta().cloned(), seen),
            },
        }
    }

    /// The object of this value and the bytes, in place of those that there may have been. Bytes without metadata
    /// take over those of the value.
    #[must_use]
    pub fn with_bytes(self, encoded: Encoded) -> Self {
        let seen = self.seen();
        let encoded = match (encoded.meta(), self.meta()) {
            (None, meta @ Some(_)) => encoded.with_meta(meta.cloned()),
            (Some(_), _) | (None, None) => encoded,
        };
        let object = match self.form {
            Form::Object(object) => Some(object),
            Form::More(more) => more.object().cloned(),
        };
        Self {
            form: Form::of_bytes(encoded, object, seen),
        }
    }

    /// The same value with this metadata, in place of what it had.
    #[must_use]
    pub fn with_meta(self, meta: Option<Arc<Meta>>) -> Self {
        let seen = self.seen();
        let form = match (self.encoded(), self.object()) {
            (Some(encoded), object) => {
                Form::of_bytes(encoded.clone().with_meta(meta), object.cloned(), seen)
            }
            (None, Some(object)) => Form::of_object(object.clone(), meta, seen),
            (None, None) => return self,
        };
        Self { form }
    }

    /// The object alone, if there is one, with its [metadata](Self::meta): what a store in process keeps. Else, and of
    /// what is [absent](Self::is_absent), the bytes.
    #[inline]
    #[must_use]
    pub fn without_bytes(self) -> Self {
        match &self.form {
            Form::Object(_) => self,
            Form::More(more) => match (more.object(), more.encoded()) {
                (Some(object), Some(_)) if !self.is_absent() => Self {
                    form: Form::of_object(object.clone(), more.meta().cloned(), more.seen()),
                },
                (Some(_) | None, _) => self,
            },
        }
    }

    /// As of when it is known to be what the store holds that processes share.
    #[inline]
    pub(crate) fn seen(&self) -> Tick {
        match &self.form {
            Form::Object(_) => Tick::UNKNOWN,
            Form::More(more) => more.seen(),
        }
    }

    pub(crate) fn seen_at(self, seen: Tick) -> Self {
        if self.seen() == seen {
            return self;
        }
        let form = match (self.encoded(), self.object()) {
            (Some(encoded), object) => Form::of_bytes(encoded.clone(), object.cloned(), seen),
            (None, Some(object)) => Form::of_object(object.clone(), self.meta().cloned(), seen),
            (None, None) => return self,
        };
        Self { form }
    }

    /// The bytes, if it has any.
    #[must_use]
    pub fn encoded(&self) -> Option<&Encoded> {
        match &self.form {
            Form::Object(_) => None,
            Form::More(more) => more.encoded(),
        }
    }

    /// The payload of the bytes, if it has any: [compressed](Encoding::compressor) if their encoding says so.
    #[must_use]
    pub fn payload(&self) -> Option<&Bytes> {
        self.encoded().map(Encoded::payload)
    }

    /// What else is known of the value; `None`: nothing.
    #[inline]
    #[must_use]
    pub fn meta(&self) -> Option<&Arc<Meta>> {
        match &self.form {
            Form::Object(_) => None,
            Form::More(more) => more.meta(),
        }
    }

    /// Whether it says that there is no such thing.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.meta().is_some_and(|meta| meta.is_absent())
    }

    /// The type of the object, if it has one.
    #[inline]
    #[must_use]
    pub fn object_type(&self) -> Option<&'static ObjectType> {
        self.object().map(|object| object.object_type)
    }

    /// Whether it has an object of this type.
    #[inline]
    #[must_use]
    pub fn holds(&self, wanted: &ObjectType) -> bool {
        self.object_type().is_some_and(|held| held.is(wanted))
    }

    /// The object, if it has one of this type.
    #[must_use]
    pub fn object_of<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.object()?.object).downcast().ok()
    }

    /// The object.
    ///
    /// # Errors
    ///
    /// The value itself, if it has none of this type.
    #[inline]
    pub fn into_object<T: Send + Sync + 'static>(self) -> Result<Arc<T>, Self> {
        match self.form {
            Form::Object(Object {
                object,
                object_type,
            }) => object.downcast().map_err(|object| Self {
                form: Form::Object(Object {
                    object,
                    object_type,
                }),
            }),
            Form::More(_) => self.object_of().ok_or(self),
        }
    }

    #[inline]
    fn object(&self) -> Option<&Object> {
        match &self.form {
            Form::Object(object) => Some(object),
            Form::More(more) => more.object(),
        }
    }
}

impl Form {
    fn of_object(object: Object, meta: Option<Arc<Meta>>, seen: Tick) -> Self {
        match meta {
            Some(meta) => Self::More(Arc::new(Described { object, meta, seen })),
            None if seen == Tick::UNKNOWN => Self::Object(object),
            None => Self::More(Arc::new(Seen { object, seen })),
        }
    }

    fn of_bytes(encoded: Encoded, object: Option<Object>, seen: Tick) -> Self {
        Self::More(Arc::new(Shared {
            encoded,
            object,
            seen,
        }))
    }
}

impl From<Encoded> for Raw {
    fn from(encoded: Encoded) -> Self {
        Self {
            form: Form::of_bytes(encoded, None, Tick::UNKNOWN),
        }
    }
}

impl From<Bytes> for Raw {
    fn from(payload: Bytes) -> Self {
        Self::from(Encoded::from(payload))
    }
}

impl From<Vec<u8>> for Raw {
    fn from(payload: Vec<u8>) -> Self {
        Self::from(Encoded::from(payload))
    }
}

/// The same bytes in the same encoding, whether there is an object beside them or not; or the same object, the very
/// one, without bytes. In either case with the same metadata.
impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        match (self.encoded(), other.encoded()) {
            (Some(one), Some(two)) => one == two,
            (None, None) => match (self.object(), other.object()) {
                (Some(one), Some(two)) => {
                    Arc::ptr_eq(&one.object, &two.object) && self.meta() == other.meta()
                }
                (_, _) => false,
            },
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for Raw {}

/// Shows length and encoding of bytes, and neither them nor the object: cached values do not belong in logs.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("encoded", &self.encoded())
            .field("has_object", &self.object().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TagSet;

    static NUMBER: TypeOf<u32> = TypeOf::with_codec(&());
    static TEXT: TypeOf<&str> = TypeOf::with_codec(&());

    fn json() -> Encoded {
        let encoding = Encoding {
            format: FormatId::JSON,
            ..Encoding::OPAQUE
        };
        Encoded::new(Bytes::from_static(b"7"), encoding)
    }

    #[test]
    fn an_object_has_no_bytes_until_it_is_given_some() {
        let object = Arc::new(7);
        let raw = Raw::of_object(Arc::clone(&object), &NUMBER);
        assert_eq!(raw.encoded(), None);
        assert!(raw.holds(NUMBER.erased()) && !raw.holds(TEXT.erased()));
        let both = raw.with_bytes(json());
        assert_eq!(both.encoded(), Some(&json()));
        assert!(Arc::ptr_eq(&both.object_of::<u32>().unwrap(), &object));
        let alone = both.without_bytes();
        assert_eq!(alone.encoded(), None);
        assert!(Arc::ptr_eq(&alone.into_object::<u32>().unwrap(), &object));
    }

    #[test]
    fn bytes_have_no_object_until_they_are_given_one() {
        let raw = Raw::from(json());
        assert!(raw.object_type().is_none());
        assert_eq!(raw.clone().into_object::<u32>(), Err(raw.clone()));
        assert_eq!(raw.clone().without_bytes(), raw);
        let both = raw.clone().with_object(Arc::new(7), &NUMBER);
        assert_eq!(both, raw);
        assert_eq!(both.into_object::<u32>().as_deref(), Ok(&7));
        assert!(raw.object_type().is_none());
    }

    #[test]
    fn an_object_of_another_type_is_given_back() {
        let raw = Raw::of_object(Arc::new(7), &NUMBER);
        assert_eq!(raw.object_of::<&str>(), None);
        let raw = raw.into_object::<&str>().unwrap_err();
        let text = raw.clone().with_object(Arc::new("seven"), &TEXT);
        assert_eq!(text.into_object::<&str>().as_deref(), Ok(&"seven"));
        assert_eq!(raw.into_object::<u32>().as_deref(), Ok(&7));
    }

    #[test]
    fn when_it_was_seen_stays_with_it_whatever_it_becomes() {
        let seen = Tick::now();
        let object = Raw::of_object(Arc::new(7), &NUMBER).seen_at(seen);
        let both = object.clone().with_bytes(json());
        let bytes = Raw::from(json()).seen_at(seen);
        let decoded = bytes.clone().with_object(Arc::new(7), &NUMBER);
        for raw in [
            &object,
            &both,
            &bytes,
            &decoded,
            &decoded.clone().without_bytes(),
        ] {
            assert_eq!(raw.seen(), seen);
        }
        assert_eq!(object.encoded(), None);
        assert_eq!(bytes, Raw::from(json()));
        let again = object.clone().seen_at(Tick::UNKNOWN);
        assert_eq!((again.seen(), &again), (Tick::UNKNOWN, &object));
        assert_eq!(object.into_object::<u32>().as_deref(), Ok(&7));
    }

    #[test]
    fn what_is_absent_is_told_from_a_value_and_stays_so() {
        let absent = Raw::absent();
        assert!(absent.is_absent());
        assert_eq!(absent.clone().without_bytes(), absent);
        let encoded = absent.encoded().unwrap().clone();
        let value = Raw::from(encoded.clone().with_meta(None));
        assert!(!value.is_absent() && value.meta().is_none());
        assert_ne!(value, absent);
        // Whatever comes beside it.
        let both = absent.with_object(Arc::new(7), &NUMBER).without_bytes();
        assert_eq!(both.encoded(), Some(&encoded));
        assert!(!Raw::of_object(Arc::new(7), &NUMBER).is_absent());
    }

    #[test]
    fn tags_stay_with_a_value_whatever_it_becomes() {
        let meta = Some(Arc::new(Meta::tagged(TagSet::of(["t"]).unwrap())));
        let object = Raw::of_object(Arc::new(7), &NUMBER);
        let tagged = object.clone().with_meta(meta.clone());
        assert_ne!(tagged, object);
        let both = tagged.clone().with_bytes(json());
        let read = Raw::from(json().with_meta(meta.clone()));
        let decoded = read.clone().with_object(Arc::new(7), &NUMBER);
        let seen = tagged.clone().seen_at(Tick::now());
        let other = tagged.clone().with_object(Arc::new("seven"), &TEXT);
        let alone = both.clone().without_bytes();
        let anew = decoded.clone().without_bytes();
        for raw in [
            &tagged, &both, &read, &decoded, &seen, &other, &alone, &anew,
        ] {
            assert_eq!(raw.meta(), meta.as_ref());
        }
        assert_eq!(both.encoded().unwrap().meta(), meta.as_ref());
        assert_eq!((alone.encoded(), anew.encoded()), (None, None));
        assert_eq!(alone.clone().with_meta(None), alone.clone().with_meta(None));
        assert_eq!(alone.with_meta(None).meta(), None);
    }

    #[test]
    fn it_is_no_larger_than_an_object_and_its_type() {
        assert_eq!(size_of::<Raw>(), 3 * size_of::<usize>());
        // And with two counts of references, as docs/coherence.md says, an object that was seen.
        assert_eq!(size_of::<Seen>() + 2 * size_of::<usize>(), 48);
    }

    #[test]
    fn debug_shows_no_payload() {
        let raw = Raw::from(Bytes::from_static(b"secret")).with_object(Arc::new("secret"), &TEXT);
        let shown = format!("{raw:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
        assert!(shown.contains("len: 6"), "{shown}");
    }

    #[test]
    fn bytes_are_equal_by_payload_and_encoding_and_objects_if_they_are_one() {
        let one = Raw::from(vec![1]);
        assert_eq!(one, Raw::from(vec![1]));
        assert_ne!(one, Raw::from(vec![2]));
        assert_ne!(Raw::from(b"7".to_vec()), Raw::from(json()));
        let object = Raw::of_object(Arc::new(7), &NUMBER);
        assert_eq!(object, object.clone());
        assert_ne!(object, Raw::of_object(Arc::new(7), &NUMBER));
        assert_ne!(object, Raw::from(json()));
    }
}
