//! Calls of layers that are waited for.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    FutureExt,
    future::{BoxFuture, poll_fn},
};

use crate::composition::CompositionLayer;

/// A call of a layer that is under way.
pub(in crate::composition) enum LayerCall<'a, T> {
    /// It cannot outlive the operation that began it.
    Borrowed(BoxFuture<'a, T>),
    /// It can be left to the background.
    Owned(BoxFuture<'static, T>),
}

impl<T> LayerCall<'_, T> {
    /// The call, if it can go on without the operation that began it.
    pub(in crate::composition) fn into_owned(self) -> Option<BoxFuture<'static, T>> {
        match self {
            Self::Owned(rest) => Some(rest),
            Self::Borrowed(_) => None,
        }
    }
}

impl<T> Future for LayerCall<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Borrowed(rest) => rest.poll_unpin(context),
            Self::Owned(rest) => rest.poll_unpin(context),
        }
    }
}

/// The calls of one operation: at most one to a layer.
pub(in crate::composition) struct LayerCalls<'a, T>([Option<LayerCall<'a, T>>; 2]);

impl<'a, T> LayerCalls<'a, T> {
    #[inline]
    pub(in crate::composition) const fn none() -> Self {
        Self([None, None])
    }

    pub(in crate::composition) fn begin(
        &mut self,
        layer: CompositionLayer,
        call: LayerCall<'a, T>,
    ) {
        self.0[layer as usize] = Some(call);
    }

    pub(in crate::composition) const fn is_under_way(&self, layer: CompositionLayer) -> bool {
        self.0[layer as usize].is_some()
    }

    /// Whether one of them cannot outlive the operation that began it.
    pub(in crate::composition) fn has_borrowed(&self) -> bool {
        self.0
            .iter()
            .any(|call| matches!(call, Some(LayerCall::Borrowed(_))))
    }

    /// Waits for the first one to end. Of two that have ended it is L1's. At least one is under way.
    pub(in crate::composition) async fn next(&mut self) -> (CompositionLayer, T) {
        poll_fn(|context| {
            for layer in CompositionLayer::BOTH {
                let place = &mut self.0[layer as usize];
                if let Some(call) = place
                    && let Poll::Ready(answer) = call.poll_unpin(context)
                {
                    *place = None;
                    return Poll::Ready((layer, answer));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Those that can go on without the operation that began them.
    pub(in crate::composition) fn into_owned(
        self,
    ) -> impl Iterator<Item = (CompositionLayer, BoxFuture<'static, T>)> {
        let calls = CompositionLayer::BOTH.into_iter().zip(self.0);
        calls.filter_map(|(layer, call)| Some((layer, call?.into_owned()?)))
    }
}
