use std::{error::Error, fmt, sync::Arc};

use hitbox_core::{BackendErrorKind, BackendLabel, CompositionLayer, LayerFailure};

use crate::Repeated;

/// What the operations of a backend return.
pub type BackendResult<T> = Result<T, BackendError>;

/// What a backend was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Building or connecting.
    Open,
    /// Reading one key or many.
    Read,
    /// Writing one key or many.
    Write,
    /// Removing one key or many.
    Remove,
    /// Maintenance: flush, sweep, clear.
    Maintain,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Remove => "remove",
            Self::Maintain => "maintain",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an operation of a backend failed.
///
/// Says what kind of failure it was, which operation failed and in which backend, and carries the
/// client's own error as its [source](Error::source). Adapters keep credentials and values out of
/// all of it.
///
/// ```
/// use hitbox_backend::{BackendError, BackendErrorKind, Operation};
///
/// let error = BackendError::new(BackendErrorKind::Timeout, Operation::Read, "redis".into())
///     .with_detail("no reply within 500 ms");
/// assert_eq!(error.to_string(), "redis: read: timeout: no reply within 500 ms");
/// assert!(error.is_retryable());
/// ```
pub struct BackendError {
    // Boxed: results of the hit path stay small.
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: BackendErrorKind,
    operation: Operation,
    label: BackendLabel,
    /// The way through compositions, the outermost first.
    layers: Vec<CompositionLayer>,
    detail: Option<String>,
    // Shared: whoever has joined an operation gets a copy of its failure.
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// Known to have left the backend as it was, whatever the kind says.
    without_effect: bool,
    /// What a later attempt has made, though this one is in doubt.
    repeated: Option<Repeated>,
}

impl BackendError {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: BackendErrorKind, operation: Operation, label: BackendLabel) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                operation,
                label,
                layers: Vec::new(),
                detail: None,
                source: None,
                without_effect: false,
                repeated: None,
            }),
        }
    }

    /// A setting that cannot work: `detail` names it, in back-ticks, and says what to do.
    ///
    /// ```
    /// use hitbox_backend::BackendError;
    ///
    /// let error = BackendError::invalid_configuration("sled".into(), "`path` is missing: name a directory");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "sled: open: invalid configuration: `path` is missing: name a directory",
    /// );
    /// ```
    #[must_use]
    pub fn invalid_configuration(label: BackendLabel, detail: impl Into<String>) -> Self {
        let kind = BackendErrorKind::InvalidConfiguration;
        Self::new(kind, Operation::Open, label).with_detail(detail)
    }

    /// The same failure, with a sentence for whoever reads the log.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.inner.detail = Some(detail.into());
        self
    }

    /// The same failure, with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.inner.source = Some(Arc::from(source.into()));
        self
    }

    /// The same failure of an operation that certainly did nothing and will not do anything later,
    /// for one that was never sent: it [is definite](Self::is_definite) whatever its kind.
    ///
    /// ```
    /// use hitbox_backend::{BackendError, BackendErrorKind, Operation};
    ///
    /// let lost = BackendError::new(BackendErrorKind::Unavailable, Operation::Write, "redis".into());
    /// assert!(!lost.is_definite());
    /// let refused = lost.with_detail("connection refused").without_effect();
    /// assert!(refused.is_definite() && refused.is_retryable());
    /// ```
    #[must_use]
    pub fn without_effect(mut self) -> Self {
        self.inner.without_effect = true;
        self
    }

    /// The same failure of the first attempt of a change that a later attempt has made.
    ///
    /// The change is done, and the first attempt is in doubt: it may still take effect, after a newer
    /// change of the key. So a backend that sends a change again must not answer `Ok`, which would hide
    /// that from a composition. Typed access takes it for a success; a composition does, too, and
    /// watches the key for as long as the first attempt may take effect. Whoever does not know of it
    /// sees a failure that is in doubt, which is safe.
    ///
    /// ```
    /// use hitbox_backend::{BackendError, BackendErrorKind, Operation, Repeated};
    ///
    /// let lost = BackendError::new(BackendErrorKind::Unavailable, Operation::Write, "redis".into());
    /// let repeated = lost.made_by_repeat(Repeated::Write);
    /// assert_eq!(repeated.repeated(), Some(Repeated::Write));
    /// assert!(!repeated.is_definite() && !repeated.is_retryable());
    /// ```
    #[must_use]
    pub fn made_by_repeat(mut self, repeated: Repeated) -> Self {
        self.inner.repeated = Some(repeated);
        self
    }

    /// What a later attempt has made of the change of which this attempt failed; `None` if nothing.
    #[must_use]
    pub const fn repeated(&self) -> Option<Repeated> {
        self.inner.repeated
    }

    /// The same failure as seen through the backend `outer`: its label is put in front.
    #[must_use]
    pub fn seen_through(mut self, outer: &BackendLabel) -> Self {
        self.pass_label(outer);
        self
    }

    /// Puts the label of the backend `outer` in front.
    pub(crate) fn pass_label(&mut self, outer: &BackendLabel) {
        self.inner.label = outer.join(&self.inner.label);
    }

    /// A copy for another caller, who has waited for the same operation.
    pub(crate) fn copy(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }

    /// The same failure as that of this layer of a composition.
    #[must_use]
    pub(crate) fn in_layer(mut self, layer: CompositionLayer) -> Self {
        self.pass_layer(layer);
        self
    }

    /// Notes that the failure came through this layer of a composition.
    pub(crate) fn pass_layer(&mut self, layer: CompositionLayer) {
        self.inner.layers.insert(0, layer);
    }

    /// Forgets the layer of a composition that it came through last.
    pub(crate) fn leave_layer(&mut self) {
        if !self.inner.layers.is_empty() {
            self.inner.layers.remove(0);
        }
    }

    /// Which layer of the composition that was called has failed; `None` if it was no composition.
    #[must_use]
    pub fn layer(&self) -> Option<CompositionLayer> {
        self.inner.layers.first().copied()
    }

    /// What a context notes of it.
    pub(crate) fn as_layer_failure(&self) -> LayerFailure {
        let Inner {
            kind,
            label,
            layers,
            ..
        } = &*self.inner;
        let failure = LayerFailure::new(*kind, label.clone());
        let outwards = layers.iter().rev();
        outwards.fold(failure, |failure, layer| failure.in_layer(*layer))
    }

    /// The kind of failure.
    #[must_use]
    pub const fn kind(&self) -> BackendErrorKind {
        self.inner.kind
    }

    /// The operation that failed.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.inner.operation
    }

    /// The backend that failed, as a path through the compositions it is part of.
    #[must_use]
    pub const fn label(&self) -> &BackendLabel {
        &self.inner.label
    }

    /// Whether the same operation may well succeed a little later. Not if a repeated attempt
    /// [has made the change](Self::made_by_repeat) already.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        if self.inner.repeated.is_some() {
            return false;
        }
        self.kind().is_retryable()
    }

    /// Whether the failed operation certainly left the backend as it was (or, for
    /// [`TooLarge`](BackendErrorKind::TooLarge), the key absent), and will not take effect later. Never
    /// if a repeated attempt [has made the change](Self::made_by_repeat).
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        if self.inner.repeated.is_some() {
            return false;
        }
        if self.inner.without_effect {
            return true;
        }
        self.kind().is_definite()
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            operation,
            label,
            layers,
            detail,
            source: _,
            without_effect: _,
            repeated: _,
        } = &*self.inner;
        write!(f, "{label}")?;
        for (index, layer) in layers.iter().enumerate() {
            write!(f, "{}{layer}", if index == 0 { " " } else { "." })?;
        }
        write!(f, ": {}: {}", operation.as_str(), kind.as_str())?;
        match detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendError")
            .field("kind", &self.inner.kind)
            .field("operation", &self.inner.operation)
            .field("label", &self.inner.label)
            .field("layers", &self.inner.layers)
            .field("detail", &self.inner.detail)
            .field("source", &self.inner.source)
            .field("is_definite", &self.is_definite())
            .field("repeated", &self.inner.repeated)
            .finish()
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.inner.source.as_deref()?;
        Some(source)
    }
}
