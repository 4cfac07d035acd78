//! A lease, from when it is taken until it is given back.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hitbox_backend::{Held, Lease};
use tokio::{sync::oneshot, time::sleep};

use super::marker::{Marker, RENEWED_AFTER};
use crate::inner::Inner;

/// What a fill is stored in place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The marker that was stored under the key for this load.
    Marker(Marker),
    /// A value that begins so: with a header that has its checksum.
    Value(Beginning),
    /// Whatever there is: something that is no string, or an empty one, which no reader has taken for a value.
    Anything,
}

/// How a stored value begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    bytes: [u8; 48],
    length: usize,
}

impl Beginning {
    pub(crate) fn of(stored: &[u8]) -> Self {
        let mut bytes = [0; 48];
        let length = stored.len().min(bytes.len());
        bytes[..length].copy_from_slice(&stored[..length]);
        Self { bytes, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What a lease of this backend keeps.
pub(crate) struct RedisLease {
    inner: Arc<Inner>,
    /// As the server has it.
    pub(crate) key: String,
    pub(crate) basis: Basis,
    marked: Option<Marked>,
}

/// A marker that is to be taken away in the end.
struct Marked {
    /// Where it stands: under the key, or beside it.
    at: String,
    marker: Marker,
    /// It is renewed as long as this is kept.
    _renewed: oneshot::Sender<()>,
    /// A value has taken its place.
    is_gone: AtomicBool,
}

impl RedisLease {
    /// One that rests on a marker under the key.
    pub(super) fn of_marker(inner: &Arc<Inner>, key: &str, marker: Marker) -> Lease {
        Self::lease(inner, key, Basis::Marker(marker), Some((key, marker)))
    }

    /// One whose value takes the place of something, whoever else loads it. The marker is beside the key.
    pub(super) fn in_place_of(
        inner: &Arc<Inner>,
        key: &str,
        basis: Basis,
        marked: Option<(&str, Marker)>,
    ) -> Lease {
        Self::lease(inner, key, basis, marked)
    }

    fn lease(inner: &Arc<Inner>, key: &str, basis: Basis, marked: Option<(&str, Marker)>) -> Lease {
        Lease::holding(Self {
            inner: Arc::clone(inner),
            key: key.to_owned(),
            basis,
            marked: marked.map(|(at, marker)| Marked::new(inner, at, marker)),
        })
    }

    pub(crate) fn is_of(&self, inner: &Arc<Inner>) -> bool {
        Arc::ptr_eq(&self.inner, inner)
    }

    /// A value has taken the place of what it rests on.
    pub(crate) fn note_filled(&self) {
        match (&self.basis, &self.marked) {
            (Basis::Marker(_), Some(marked)) => marked.is_gone.store(true, Ordering::Relaxed),
            (Basis::Marker(_) | Basis::Value(_) | Basis::Anything, _) => {}
        }
    }
}

impl Marked {
    fn new(inner: &Arc<Inner>, at: &str, marker: Marker) -> Self {
        let (renewed, mut is_over) = oneshot::channel();
        let renewing = {
            let (inner, at) = (Arc::clone(inner), at.to_owned());
            async move {
                loop {
                    tokio::select! {
                        _ = &mut is_over => return,
                        () = sleep(RENEWED_AFTER) => {}
                    }
                    // One that fails is made up for by the next.
                    let _ = inner.renew(&at, &marker).await;
                }
            }
        };
        inner.exchange.settings.home.spawn(renewing);
        Self {
            at: at.to_owned(),
            marker,
            _renewed: renewed,
            is_gone: AtomicBool::new(false),
        }
    }
}

impl Held for RedisLease {
    fn is_shared(&self) -> bool {
        true
    }
}

impl Drop for RedisLease {
    fn drop(&mut self) {
        let Some(marked) = self.marked.take() else {
            return;
        };
        if marked.is_gone.load(Ordering::Relaxed) {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let home = Arc::clone(&inner.exchange.settings.home);
        // Where that fails, others take it over after a while.
        home.spawn(async move {
            let _ = inner.take_away(&marked.at, &marked.marker).await;
        });
    }
}

impl fmt::Debug for RedisLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLease").finish_non_exhaustive()
    }
}
