use std::{future::Future, time::Duration};

use super::gate::{Gate, Ticket};
use crate::{BackendError, BackendErrorKind, BackendResult};

/// How an operation goes wrong, whichever operation it is.
///
/// The one place where faults are carried out: for chaos, and for the scripted faults of the
/// conformance scenarios.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Course {
    Delay(Duration),
    FailBeforeEffect(BackendErrorKind),
    FailAfterEffect(BackendErrorKind),
    HangBeforeEffect(Ticket),
    HangAfterEffect(Ticket),
}

impl Course {
    pub(crate) async fn run<T>(
        self,
        gate: &Gate,
        effect: impl Future<Output = BackendResult<T>> + Send,
        error: impl FnOnce(BackendErrorKind) -> BackendError + Send,
    ) -> BackendResult<T> {
        match self {
            Self::Delay(delay) => {
                tokio::time::sleep(delay).await;
                effect.await
            }
            Self::FailBeforeEffect(kind) => Err(error(kind)),
            Self::FailAfterEffect(kind) => {
                let _lost = effect.await;
                Err(error(kind))
            }
            Self::HangBeforeEffect(ticket) => {
                gate.wait(ticket).await;
                effect.await
            }
            Self::HangAfterEffect(ticket) => {
                let answer = effect.await;
                gate.wait(ticket).await;
                answer
            }
        }
    }
}
