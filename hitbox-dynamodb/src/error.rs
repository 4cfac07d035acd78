//! What the SDK says went wrong, in words that hold neither credentials nor values.
//!
//! Its errors do not go along as sources: their `Debug` shows whole replies, and the
//! message of a signature error quotes the session token.

pub(crate) mod failure;
pub(crate) mod refusal;

use std::{error::Error, io};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ConnectorError, ProvideErrorMetadata, SdkError},
};
use hitbox_backend::BackendErrorKind;
use http_body_util::LengthLimitError;

use crate::{
    connection::transport::NotSent,
    error::failure::{Failure, Remedy},
};

/// What the SDK says, as a [`Failure`].
impl<E: ProvideErrorMetadata + Error + 'static> From<SdkError<E, HttpResponse>> for Failure {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::TimeoutError(_) => Self::new(BackendErrorKind::Timeout, "no reply in time"),
            SdkError::DispatchFailure(dispatch) => match dispatch.as_connector_error() {
                Some(connector) => from_connector(connector),
                None => not_begun(),
            },
            SdkError::ResponseError(_) => from_reply(&error),
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let error = service.err();
                refusal::failure(
                    error.code().unwrap_or_default(),
                    error.message().unwrap_or_default(),
                    status,
                )
            }
            // And what later versions of the SDK may add.
            SdkError::ConstructionFailure(_) | _ => Self::invalid_configuration(
                "the SDK could not make the request: check region, endpoint and credentials",
            ),
        }
    }
}

fn from_connector(error: &ConnectorError) -> Failure {
    let failure = match (below::<io::Error>(error), below::<hyper::Error>(error)) {
        _ if error.is_timeout() => Failure::new(BackendErrorKind::Timeout, "no connection in time"),
        (Some(io), _) => connection_failed(io),
        (None, Some(hyper)) if hyper.is_parse() => Failure::new(
            BackendErrorKind::Unavailable,
            "what the server answers is not HTTP: check the endpoint",
        ),
        (None, Some(_)) => broken("connection failed: it was closed before the reply came"),
        (None, None) if error.is_io() => broken("connection failed"),
        (None, None) if error.is_user() => {
            return Failure::invalid_configuration("the request is not one that can be sent");
        }
        // What fails before there is a connection looks like this.
        (None, None) => return not_begun(),
    };
    match below::<NotSent>(error) {
        Some(_) => failure.without_effect(),
        None => failure,
    }
}

/// The words are the operating system's, or those of TLS: they hold nothing that was sent.
fn connection_failed(io: &io::Error) -> Failure {
    /// Too many files are open, in this process and in the whole system.
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    let advice = match io.raw_os_error() {
        Some(EMFILE | ENFILE) => ": raise the limit (`ulimit -n`), or lower `max_connections`",
        Some(_) | None => "",
    };
    broken(format!("connection failed: {io}{advice}"))
}

fn broken(detail: impl Into<String>) -> Failure {
    Failure::new(BackendErrorKind::Unavailable, detail).remedied_by(Remedy::FreshConnection)
}

fn not_begun() -> Failure {
    Failure::new(
        BackendErrorKind::Unavailable,
        "the request was not sent: check that credentials can be loaded, and that the client has \
         an HTTP client",
    )
}

/// A reply that has begun, and that nothing can be made of.
fn from_reply(error: &(dyn Error + 'static)) -> Failure {
    match below::<LengthLimitError>(error) {
        // Another would most likely be as long.
        Some(_) => {
            broken("the reply is longer than any of DynamoDB's, and was not read to its end")
                .remedied_by(Remedy::None)
        }
        None => broken("the reply broke off, or is none of DynamoDB's"),
    }
}

fn below<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_says_why_and_what_to_do() {
        let failure = connection_failed(&io::Error::from_raw_os_error(24));
        assert!(
            failure.detail().contains("Too many open files"),
            "{failure:?}"
        );
        assert!(failure.detail().contains("`ulimit -n`"), "{failure:?}");
        let refused = connection_failed(&io::Error::from_raw_os_error(111));
        assert!(!refused.detail().contains("ulimit"), "{refused:?}");
        assert_eq!(refused.remedy(), Remedy::FreshConnection);
    }
}
