//! Operations on layers that are waited for.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    FutureExt,
    future::{BoxFuture, poll_fn},
};

use crate::composition::CompositionLayer;

/// An operation on a layer under way.
pub(in crate::composition) enum Flight<'a, T> {
    /// It cannot outlive the call that began it.
    Borrowed(BoxFuture<'a, T>),
    /// It can be left to the background.
    Owned(BoxFuture<'static, T>),
}

impl<T> Flight<'_, T> {
    /// The flight, if it can go on without the call that began it.
    pub(in crate::composition) fn into_owned(self) -> Option<BoxFuture<'static, T>> {
        match self {
            Self::Owned(rest) => Some(rest),
            Self::Borrowed(_) => None,
        }
    }
}

impl<T> Future for Flight<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Borrowed(rest) => rest.poll_unpin(context),
            Self::Owned(rest) => rest.poll_unpin(context),
        }
    }
}

/// The flights of one operation: at most one to a layer.
pub(in crate::composition) struct Flights<'a, T>([Option<Flight<'a, T>>; 2]);

impl<'a, T> Flights<'a, T> {
    #[inline]
    pub(in crate::composition) const fn none() -> Self {
        Self([None, None])
    }

    pub(in crate::composition) fn begin(&mut self, layer: CompositionLayer, flight: Flight<'a, T>) {
        self.0[layer as usize] = Some(flight);
    }

    pub(in crate::composition) const fn is_under_way(&self, layer: CompositionLayer) -> bool {
        self.0[layer as usize].is_some()
    }

    /// Whether one of them cannot outlive the call that began it.
    pub(in crate::composition) fn has_borrowed(&self) -> bool {
        self.0
            .iter()
            .any(|flight| matches!(flight, Some(Flight::Borrowed(_))))
    }

    /// Waits for the first one to end. Of two that have ended it is L1's. At least one is under way.
    pub(in crate::composition) async fn next(&mut self) -> (CompositionLayer, T) {
        poll_fn(|context| {
            for layer in CompositionLayer::BOTH {
                let place = &mut self.0[layer as usize];
                if let Some(flight) = place
                    && let Poll::Ready(answer) = flight.poll_unpin(context)
                {
                    *place = None;
                    return Poll::Ready((layer, answer));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Those that can go on without the call that began them.
    pub(in crate::composition) fn into_owned(
        self,
    ) -> impl Iterator<Item = (CompositionLayer, BoxFuture<'static, T>)> {
        let flights = CompositionLayer::BOTH.into_iter().zip(self.0);
        flights.filter_map(|(layer, flight)| Some((layer, flight?.into_owned()?)))
    }
}
