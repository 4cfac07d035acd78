use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
};

use crate::{BackendLabel, Failures, Freshness, LayerFailure, ObjectType, Wants};

/// How a read was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// A live value was found.
    Hit,
    /// Nothing usable was found.
    #[default]
    Miss,
    /// A value was found that is past its stale time but not expired: usable, due for a refresh.
    Stale,
}

impl CacheStatus {
    /// `hit`, `miss` or `stale`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an answer came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseSource {
    /// From no cache: the caller has to get it from where the data lives.
    #[default]
    Upstream,
    /// From this backend. Through compositions and wrappers the label is a path from the outermost
    /// to the one that held the value: `composition.moka`.
    Backend(BackendLabel),
}

impl fmt::Display for ResponseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream => f.write_str("upstream"),
            Self::Backend(label) => label.fmt(f),
        }
    }
}

/// What travels with an operation and tells afterwards what happened.
///
/// [`CacheContext`] serves nearly everyone. Implement this to carry more along, and box it with
/// [`BoxContext::new`].
pub trait Context: Send + Sync + fmt::Debug {
    /// How the read was answered; [`CacheStatus::Miss`] until a backend says otherwise.
    fn status(&self) -> CacheStatus;
    /// Notes how the read was answered.
    fn set_status(&mut self, status: CacheStatus);
    /// Where the answer came from; [`ResponseSource::Upstream`] until a backend says otherwise.
    fn source(&self) -> &ResponseSource;
    /// Notes where the answer came from.
    fn set_source(&mut self, source: ResponseSource);
    /// A boxed copy, for an operation that asks two layers at once.
    fn clone_box(&self) -> Box<dyn Context>;

    /// The layers of a composition that failed the read. So a miss after which there are some may be none:
    /// a layer that failed may hold the value.
    ///
    /// Empty after a read of a backend that is no composition, and by default: a context that does not
    /// override this, [`set_failures`](Self::set_failures) and [`take_failures`](Self::take_failures)
    /// keeps none.
    fn failures(&self) -> &[LayerFailure] {
        &[]
    }
    /// Notes which layers have failed, in place of what was noted before. Default: nothing.
    fn set_failures(&mut self, failures: Failures) {
        let _ = failures;
    }
    /// Takes what was noted. Default: none.
    fn take_failures(&mut self) -> Failures {
        Failures::none()
    }
}

/// The usual [`Context`]: a status, a source and the layers that failed.
///
/// ```
/// use hitbox_core::{CacheContext, CacheStatus, ResponseSource};
///
/// let context = CacheContext::default().boxed();
/// assert_eq!(context.status(), CacheStatus::Miss);
/// assert_eq!(context.source(), &ResponseSource::Upstream);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheContext {
    status: CacheStatus,
    source: ResponseSource,
    failures: Failures,
}

impl CacheContext {
    /// This context as the type that operations take. Does not allocate.
    #[must_use]
    pub const fn boxed(self) -> BoxContext {
        BoxContext {
            repr: Repr::Inline(self),
            wants: Wants::NOTHING,
        }
    }
}

impl Context for CacheContext {
    fn status(&self) -> CacheStatus {
        self.status
    }

    fn set_status(&mut self, status: CacheStatus) {
        self.status = status;
    }

    fn source(&self) -> &ResponseSource {
        &self.source
    }

    fn set_source(&mut self, source: ResponseSource) {
        self.source = source;
    }

    fn clone_box(&self) -> Box<dyn Context> {
        Box::new(self.clone())
    }

    fn failures(&self) -> &[LayerFailure] {
        &self.failures
    }

    fn set_failures(&mut self, failures: Failures) {
        self.failures = failures;
    }

    fn take_failures(&mut self) -> Failures {
        mem::take(&mut self.failures)
    }
}

/// Any [`Context`]. The usual one is stored inline, any other behind a box.
///
/// It derefs to the context within. The methods that every read calls are its own besides, so
/// that the usual context costs no call through a table.
///
/// Besides what a read notes, it carries what the reader wants, whatever the context within:
///
/// ```
/// use hitbox_core::{CacheContext, Freshness};
///
/// let context = CacheContext::default().boxed().fresh_only();
/// assert_eq!(context.wants().freshness, Freshness::FreshOnly);
/// ```
#[derive(Debug)]
pub struct BoxContext {
    repr: Repr,
    wants: Wants,
}

#[derive(Debug)]
enum Repr {
    Inline(CacheContext),
    Boxed(Box<dyn Context>),
}

impl BoxContext {
    /// Boxes a context of another type than [`CacheContext`].
    pub fn new(context: impl Context + 'static) -> Self {
        Self {
            repr: Repr::Boxed(Box::new(context)),
            wants: Wants::NOTHING,
        }
    }

    /// What the reader wants.
    #[inline]
    #[must_use]
    pub const fn wants(&self) -> Wants {
        self.wants
    }

    /// The same context, for reads that take a stale value only where no layer has a fresh one:
    /// [`Freshness::FreshOnly`].
    #[must_use]
    pub const fn fresh_only(mut self) -> Self {
        self.wants.freshness = Freshness::FreshOnly;
        self
    }

    /// From now on, reads with this context want values of this freshness.
    pub const fn set_freshness(&mut self, freshness: Freshness) {
        self.wants.freshness = freshness;
    }

    /// From now on, reads with this context want an object of this type, or bytes. Typed access says so for the
    /// time of one read.
    #[inline]
    pub const fn set_wanted_type(&mut self, wanted: Option<&'static ObjectType>) {
        self.wants.object = wanted;
    }

    /// Takes over what a read has noted in another context. What the reader wants stays.
    #[inline]
    pub fn take_notes_of(&mut self, noted: Self) {
        self.repr = noted.repr;
    }

    /// Whether the context within is a [`CacheContext`], and none of the caller's own type.
    #[inline]
    #[must_use]
    pub const fn is_usual(&self) -> bool {
        matches!(self.repr, Repr::Inline(_))
    }

    /// [`Context::status`].
    #[inline]
    #[must_use]
    pub fn status(&self) -> CacheStatus {
        match &self.repr {
            Repr::Inline(context) => context.status,
            Repr::Boxed(context) => context.status(),
        }
    }

    /// [`Context::set_status`].
    #[inline]
    pub fn set_status(&mut self, status: CacheStatus) {
        match &mut self.repr {
            Repr::Inline(context) => context.status = status,
            Repr::Boxed(context) => context.set_status(status),
        }
    }

    /// [`Context::source`].
    #[inline]
    #[must_use]
    pub fn source(&self) -> &ResponseSource {
        match &self.repr {
            Repr::Inline(context) => &context.source,
            Repr::Boxed(context) => context.source(),
        }
    }

    /// [`Context::set_source`].
    #[inline]
    pub fn set_source(&mut self, source: ResponseSource) {
        match &mut self.repr {
            Repr::Inline(context) => context.source = source,
            Repr::Boxed(context) => context.set_source(source),
        }
    }

    /// Whether a layer has failed: whether there are any [`failures`](Context::failures).
    #[inline]
    #[must_use]
    pub fn has_failures(&self) -> bool {
        match &self.repr {
            Repr::Inline(context) => !context.failures.is_empty(),
            Repr::Boxed(context) => !context.failures().is_empty(),
        }
    }

    /// A context for the read of another layer, which wants the same. It has nothing of what one layer has noted
    /// already, unless it is of another type than [`CacheContext`]: then it is a copy.
    #[inline]
    #[must_use]
    pub fn for_other_layer(&self) -> Self {
        let repr = match &self.repr {
            Repr::Inline(_) => Repr::Inline(CacheContext::default()),
            Repr::Boxed(context) => Repr::Boxed(context.clone_box()),
        };
        Self {
            repr,
            wants: self.wants,
        }
    }

    /// Forgets which layers have failed, before the context is used again.
    #[inline]
    pub fn clear_failures(&mut self) {
        if self.has_failures() {
            self.set_failures(Failures::none());
        }
    }
}

impl Default for BoxContext {
    #[inline]
    fn default() -> Self {
        CacheContext::default().boxed()
    }
}

impl Clone for BoxContext {
    #[inline]
    fn clone(&self) -> Self {
        let repr = match &self.repr {
            Repr::Inline(context) => Repr::Inline(context.clone()),
            Repr::Boxed(context) => Repr::Boxed(context.clone_box()),
        };
        Self {
            repr,
            wants: self.wants,
        }
    }
}

impl From<CacheContext> for BoxContext {
    fn from(context: CacheContext) -> Self {
        context.boxed()
    }
}

impl Deref for BoxContext {
    type Target = dyn Context;

    #[inline]
    fn deref(&self) -> &Self::Target {
        match &self.repr {
            Repr::Inline(context) => context,
            Repr::Boxed(context) => &**context,
        }
    }
}

impl DerefMut for BoxContext {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        match &mut self.repr {
            Repr::Inline(context) => context,
            Repr::Boxed(context) => &mut **context,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BackendErrorKind;

    #[derive(Clone, Debug, Default)]
    struct Tagged {
        inner: CacheContext,
        tag: u32,
    }

    impl Context for Tagged {
        fn status(&self) -> CacheStatus {
            self.inner.status()
        }
        fn set_status(&mut self, status: CacheStatus) {
            self.inner.set_status(status);
        }
        fn source(&self) -> &ResponseSource {
            self.inner.source()
        }
        fn set_source(&mut self, source: ResponseSource) {
            self.inner.set_source(source);
            self.tag += 1;
        }
        fn clone_box(&self) -> Box<dyn Context> {
            Box::new(self.clone())
        }
    }

    #[test]
    fn inline_and_boxed_contexts_behave_alike() {
        for mut context in [BoxContext::default(), BoxContext::new(Tagged::default())] {
            context.set_status(CacheStatus::Stale);
            context.set_source(ResponseSource::Backend("moka".into()));
            let copy = context.clone();
            context.set_status(CacheStatus::Hit);
            assert_eq!(copy.status(), CacheStatus::Stale);
            assert_eq!(copy.source().to_string(), "moka");
            assert_eq!(context.status().to_string(), "hit");
        }
    }

    #[test]
    fn failures_are_noted_taken_and_forgotten() {
        let failure = LayerFailure::new(BackendErrorKind::Timeout, "redis".into());
        let mut context = BoxContext::default();
        context.set_failures(Failures::from_iter([failure.clone()]));
        assert!(context.has_failures());
        let mut copy = context.clone();
        context.clear_failures();
        assert_eq!(context.failures(), []);
        let taken: Vec<_> = copy.take_failures().into_iter().collect();
        assert_eq!(taken, std::slice::from_ref(&failure));
        assert!(!copy.has_failures());

        // A context that does not care keeps none.
        let mut other = BoxContext::new(Tagged::default());
        other.set_failures(Failures::from_iter([failure]));
        assert!(!other.has_failures() && other.take_failures().is_empty());
    }

    #[test]
    fn what_the_reader_wants_is_kept_whatever_the_context() {
        static WANTED: crate::TypeOf<u32> = crate::TypeOf::with_codec(&"its codec");
        for context in [BoxContext::default(), BoxContext::new(Tagged::default())] {
            let mut context = context.fresh_only();
            context.set_wanted_type(Some(WANTED.erased()));
            context.clear_failures();
            context.take_notes_of(BoxContext::default());
            for kept in [&context, &context.clone(), &context.for_other_layer()] {
                assert_eq!(kept.wants().freshness, Freshness::FreshOnly);
                assert!(kept.wants().object.is_some());
            }
            context.set_wanted_type(None);
            context.set_freshness(Freshness::Any);
            assert_eq!(context.wants().freshness, Freshness::Any);
            assert!(context.wants().object.is_none());
        }
    }

    #[test]
    fn the_default_context_says_miss_from_upstream() {
        let context: BoxContext = CacheContext::default().into();
        assert_eq!(context.status().as_str(), "miss");
        assert_eq!(context.source().to_string(), "upstream");
        assert_eq!(CacheStatus::Stale.as_str(), "stale");
    }
}
