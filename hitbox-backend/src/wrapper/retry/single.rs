use super::series::Series;
use crate::{
    Backend, BackendError, BackendResult,
    outcome::{change_in_doubt, is_doubtful},
    repeated::Answer,
};

/// The attempts of a call for one key.
pub(super) struct Single<'r, B> {
    pub(super) series: Series<'r, B>,
    /// Of the attempts so far, what the call would report.
    failure: Option<BackendError>,
}

impl<'r, B: Backend> Single<'r, B> {
    pub(super) const fn new(series: Series<'r, B>) -> Self {
        Self {
            series,
            failure: None,
        }
    }

    /// Takes the outcome of an attempt: what the call returns, or `None`, after a pause, if it is to
    /// be repeated.
    pub(super) async fn settle<T: Answer>(
        &mut self,
        outcome: BackendResult<T>,
    ) -> Option<BackendResult<T>> {
        let error = match outcome {
            Ok(answer) => {
                let failure = self.failure.take();
                if failure
                    .as_ref()
                    .is_some_and(|failure| is_doubtful(failure, &answer))
                {
                    return failure.map(Err);
                }
                let in_doubt = failure.and_then(|failure| {
                    let change = change_in_doubt(&failure, &answer)?;
                    Some(failure.made_by_repeat(change))
                });
                return Some(in_doubt.map_or(Ok(answer), Err));
            }
            // The backend within has repeated it: that is an answer.
            Err(error) if error.repeated().is_some() => return Some(Err(error)),
            Err(error) => error,
        };
        let again = self.series.is_worth_repeating(&error);
        let failure = match self.failure.take() {
            Some(earlier) if self.series.outweighs(&earlier, &error) => earlier,
            Some(_) | None => error,
        };
        if again && self.series.pause().await {
            self.failure = Some(failure);
            return None;
        }
        Some(Err(failure))
    }
}
