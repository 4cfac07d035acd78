//! What went wrong, in words that hold neither credentials nor values.
//!
//! The SDK's own errors do not go along as sources: their `Debug` shows whole replies, and the
//! message of a signature error quotes the session token.

use std::{error::Error, io, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ConnectorError, ProvideErrorMetadata, SdkError},
};
use hitbox_backend::{BackendError, BackendErrorKind, Operation};
use hitbox_core::BackendLabel;

/// A [`BackendError`] to be: without operation and label, and so the same for all keys of a bulk
/// operation that share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: BackendErrorKind,
    detail: String,
}

impl Failure {
    pub(crate) fn new(kind: BackendErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(crate) fn invalid_configuration(detail: impl Into<String>) -> Self {
        Self::new(BackendErrorKind::InvalidConfiguration, detail)
    }

    pub(crate) fn no_reply_within(limit: Duration) -> Self {
        let limit = limit.as_millis();
        Self::new(
            BackendErrorKind::Timeout,
            format!("not answered within {limit} ms"),
        )
    }

    pub(crate) fn into_error(self, operation: Operation, label: &BackendLabel) -> BackendError {
        BackendError::new(self.kind, operation, label.clone()).with_detail(self.detail)
    }

    /// Whether the same request may well succeed a little later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.is_unclear() || self.kind == BackendErrorKind::Throttled
    }

    /// Whether the request may have taken effect, or may yet.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(
            self.kind,
            BackendErrorKind::Unavailable | BackendErrorKind::Timeout
        )
    }
}

/// What the SDK says, as a [`Failure`].
impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for Failure {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::TimeoutError(_) => Self::new(BackendErrorKind::Timeout, "no reply in time"),
            SdkError::DispatchFailure(dispatch) => match dispatch.as_connector_error() {
                Some(connector) => from_connector(connector),
                None => Self::new(BackendErrorKind::Unavailable, "the request was not sent"),
            },
            SdkError::ResponseError(_) => Self::new(
                BackendErrorKind::Unavailable,
                "the reply broke off, or is none of DynamoDB's",
            ),
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                from_service(service.err().code().unwrap_or_default(), status)
            }
            // And what later versions of the SDK may add.
            SdkError::ConstructionFailure(_) | _ => Self::invalid_configuration(
                "the SDK could not make the request: check region, endpoint and credentials",
            ),
        }
    }
}

fn from_connector(error: &ConnectorError) -> Failure {
    if error.is_timeout() {
        return Failure::new(BackendErrorKind::Timeout, "no connection in time");
    }
    if error.is_user() {
        return Failure::invalid_configuration("the request is not one that can be sent");
    }
    let detail = match io_error_below(error) {
        Some(io) => format!("connection failed: {}", io.kind()),
        None if error.is_io() => "connection failed".into(),
        // What fails before there is a connection looks like this.
        None => "the request was not sent: check that credentials can be loaded, and that the \
                 client has an HTTP client"
            .into(),
    };
    Failure::new(BackendErrorKind::Unavailable, detail)
}

fn io_error_below<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>())
}

/// `code` is the service's word for what happened. Its message is left out: it may quote the
/// request.
fn from_service(code: &str, status: u16) -> Failure {
    let (kind, advice) = match code {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException" => (
            BackendErrorKind::Throttled,
            "over the table's or the account's throughput",
        ),
        "ResourceNotFoundException" => (
            BackendErrorKind::InvalidConfiguration,
            "there is no such table: check `table` and the region, or call \
             `create_table_if_missing`",
        ),
        "ValidationException" => (
            BackendErrorKind::InvalidConfiguration,
            "the table does not take such items: `verify_table` says whether its key schema fits",
        ),
        "AccessDeniedException" => (
            BackendErrorKind::Denied,
            "the credentials do not permit this on the table",
        ),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId" => (BackendErrorKind::Denied, "the credentials are not accepted"),
        "ItemCollectionSizeLimitExceededException" => {
            (BackendErrorKind::Full, "the item collection is full")
        }
        "InternalServerError" | "InternalServerErrorException" | "ServiceUnavailable" => {
            (BackendErrorKind::Unavailable, "the service failed")
        }
        _ if status == 429 => (BackendErrorKind::Throttled, "too many requests"),
        _ if status >= 500 => (BackendErrorKind::Unavailable, "the service failed"),
        _ => (
            BackendErrorKind::Internal,
            "the service refused the request",
        ),
    };
    let code = if is_plain(code) { code } else { "no code" };
    Failure::new(kind, format!("{advice} ({code}, HTTP {status})"))
}

/// Whether `code` looks like an error code, and not like something that a server echoes.
fn is_plain(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_kinds() {
        let cases = [
            (
                "ProvisionedThroughputExceededException",
                400,
                BackendErrorKind::Throttled,
            ),
            ("ThrottlingException", 400, BackendErrorKind::Throttled),
            ("Other", 429, BackendErrorKind::Throttled),
            (
                "ResourceNotFoundException",
                400,
                BackendErrorKind::InvalidConfiguration,
            ),
            ("AccessDeniedException", 400, BackendErrorKind::Denied),
            ("ExpiredTokenException", 400, BackendErrorKind::Denied),
            ("InternalServerError", 500, BackendErrorKind::Unavailable),
            ("", 503, BackendErrorKind::Unavailable),
            ("Other", 400, BackendErrorKind::Internal),
        ];
        for (code, status, kind) in cases {
            assert_eq!(from_service(code, status).kind, kind, "{code} {status}");
        }
    }

    #[test]
    fn what_is_no_code_is_not_repeated() {
        let failure = from_service("token: AQoDYXdz", 400);
        assert!(!failure.detail.contains("AQoDYXdz"), "{}", failure.detail);
    }

    #[test]
    fn throttling_is_retried_though_its_outcome_is_clear() {
        let throttled = from_service("ThrottlingException", 400);
        assert!(throttled.is_retryable() && !throttled.is_unclear());
        let timeout = Failure::no_reply_within(Duration::from_millis(5));
        assert!(timeout.is_retryable() && timeout.is_unclear());
        assert!(!from_service("AccessDeniedException", 400).is_retryable());
    }
}
