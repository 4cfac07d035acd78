//! The task that asks.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use hitbox_core::clock::Tick;
use tokio::runtime;

use super::{Backplane, Coherence, Heard, Mark};
use crate::BackendError;

/// Who listens.
pub(crate) trait Ear: Send + Sync + 'static {
    /// Applies the answer to a question that was asked then.
    fn hear(&self, heard: &Heard, asked: Tick);

    /// For how long nothing has been heard, if that is longer than the bound.
    fn silence(&self) -> Option<Duration>;
}

/// Asks as long as somebody listens.
pub(crate) fn listen<E: Ear>(
    runtime: &runtime::Handle,
    plane: Arc<dyn Backplane>,
    ear: Weak<E>,
    coherence: Coherence,
) {
    runtime.spawn(async move {
        let mut listener = Listener {
            plane,
            ear,
            coherence,
            mark: None,
            is_silent: false,
        };
        while listener.ask().await {}
    });
}

struct Listener<E> {
    plane: Arc<dyn Backplane>,
    ear: Weak<E>,
    coherence: Coherence,
    /// What was heard last.
    mark: Option<Mark>,
    /// Whether the log has been told so.
    is_silent: bool,
}

impl<E: Ear> Listener<E> {
    /// Asks once, and says whether to go on.
    async fn ask(&mut self) -> bool {
        if self.ear.strong_count() == 0 {
            return false;
        }
        let asked = Tick::now();
        let patience = self.coherence.patience();
        let question = self.plane.ask(self.mark.as_ref(), patience);
        // An answer that comes later vouches for nothing, and the question may never be answered.
        let limit = patience + self.coherence.bound;
        let answer = tokio::time::timeout(limit, question).await;
        let Some(ear) = self.ear.upgrade() else {
            return false;
        };
        let (pause, error) = match answer {
            Ok(Ok(heard)) => {
                ear.hear(&heard, asked);
                self.mark = Some(heard.mark);
                let pause = match heard.complete {
                    true => self.coherence.pace_or_default(),
                    false => Duration::ZERO,
                };
                (pause, None)
            }
            Ok(Err(error)) => (patience, Some(error)),
            Err(_) => (Duration::ZERO, None),
        };
        self.tell(ear.silence(), error.as_ref());
        drop(ear);
        tokio::time::sleep(pause).await;
        true
    }

    /// Tells the log when silence begins, and when it ends.
    fn tell(&mut self, silence: Option<Duration>, error: Option<&BackendError>) {
        let (plane, bound) = (self.plane.label(), self.coherence.bound);
        match (silence, self.is_silent) {
            (Some(_), false) => {
                self.is_silent = true;
                let error = error.map(BackendError::to_string);
                tracing::warn!(
                    %plane, ?bound, error,
                    "no news are heard: the first layer serves a copy for the bound, and then asks the second one for it"
                );
            }
            (None, true) => {
                self.is_silent = false;
                tracing::info!(%plane, ?bound, "news are heard again");
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}
