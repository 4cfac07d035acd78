//! What the service refuses, and what that comes down to.

use hitbox_backend::BackendErrorKind::{
    self, Denied, Full, Internal, InvalidConfiguration, Throttled, TooLarge, Unavailable,
};

use crate::error::failure::{Failure, Remedy};

const CLOCK: &str = "the clock of this machine is wrong, and signatures carry its time: set it";

/// `code` is the service's word for what happened. Its message is not shown, for it may quote the
/// request; only what it is recognised by is looked for in it.
pub(crate) fn failure(code: &str, message: &str, status: u16) -> Failure {
    let (kind, remedy, advice) = match code {
        "ValidationException" => invalid(message),
        "InvalidSignatureException" | "SignatureDoesNotMatch" => signature(message),
        code => by_code(code).unwrap_or_else(|| by_status(status)),
    };
    let code = if is_plain(code) { code } else { "no code" };
    let failure = Failure::new(kind, format!("{advice} ({code}, HTTP {status})"));
    let failure = match is_conflict(code) {
        true => failure.without_effect(),
        false => failure,
    };
    failure.remedied_by(remedy)
}

type Refusal = (BackendErrorKind, Remedy, &'static str);

const NOT_KNOWN: Refusal = (
    Internal,
    Remedy::DoWithout,
    "the server does not know the operation",
);

fn by_code(code: &str) -> Option<Refusal> {
    let refusal = match code {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "Throttling"
        | "LimitExceededException"
        | "TooManyRequestsException" => (
            Throttled,
            Remedy::Again,
            "over the table's or the account's throughput",
        ),
        _ if is_conflict(code) => (
            Unavailable,
            Remedy::Again,
            "another request changes the same item",
        ),
        "ResourceInUseException" => (
            Unavailable,
            Remedy::Again,
            "the table is being created, changed or deleted",
        ),
        "ResourceNotFoundException" => (
            InvalidConfiguration,
            Remedy::None,
            "there is no such table: check `table` and the region, or call \
             `create_table_if_missing`",
        ),
        "AccessDeniedException" => (
            Denied,
            Remedy::Apart,
            "the credentials do not permit this on the table, or on this key",
        ),
        "UnrecognizedClientException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "InvalidClientTokenId" => (
            Denied,
            Remedy::FreshCredentials,
            "the credentials are not accepted",
        ),
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => {
            (Denied, Remedy::None, CLOCK)
        }
        "ItemCollectionSizeLimitExceededException" => {
            (Full, Remedy::Apart, "the item collection is full")
        }
        "UnknownOperationException" => NOT_KNOWN,
        "InternalServerError" | "InternalServerErrorException" | "ServiceUnavailable" => {
            (Unavailable, Remedy::Again, "the service failed")
        }
        _ => return None,
    };
    Some(refusal)
}

const fn by_status(status: u16) -> Refusal {
    match status {
        429 => (Throttled, Remedy::Again, "too many requests"),
        501 => NOT_KNOWN,
        500.. => (Unavailable, Remedy::Again, "the service failed"),
        _ => (Internal, Remedy::Apart, "the service refused the request"),
    }
}

/// Refused because of another request that is under way: certainly without effect.
fn is_conflict(code: &str) -> bool {
    matches!(
        code,
        "TransactionConflictException"
            | "ReplicatedWriteConflictException"
            | "TransactionInProgressException"
    )
}

/// One code for all that is wrong with a request.
fn invalid(message: &str) -> Refusal {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&[
        "does not match the schema",
        "Missing the key",
        "Type mismatch for key",
    ]) {
        let advice = "the key does not fit the table's: `verify_table` says what is wrong with it";
        return (InvalidConfiguration, Remedy::Apart, advice);
    }
    if says(&["Item size has exceeded", "Item size to update has exceeded"]) {
        let advice = "the item is larger than DynamoDB takes";
        return (TooLarge, Remedy::Apart, advice);
    }
    let advice = "DynamoDB finds the request invalid";
    (InvalidConfiguration, Remedy::Apart, advice)
}

fn signature(message: &str) -> Refusal {
    let of_another_time = ["Signature expired", "Signature not yet current"];
    if of_another_time.iter().any(|words| message.contains(words)) {
        return (Denied, Remedy::None, CLOCK);
    }
    let advice = "the credentials are not accepted";
    (Denied, Remedy::FreshCredentials, advice)
}

/// Whether `code` looks like an error code, and not like something that a server echoes.
fn is_plain(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::failure::Effect;

    #[test]
    fn codes_become_kinds() {
        for (code, status, kind) in [
            ("ProvisionedThroughputExceededException", 400, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("LimitExceededException", 400, Throttled),
            ("Other", 429, Throttled),
            ("ResourceNotFoundException", 400, InvalidConfiguration),
            ("AccessDeniedException", 400, Denied),
            ("ExpiredTokenException", 400, Denied),
            ("InternalServerError", 500, Unavailable),
            ("", 503, Unavailable),
            ("Other", 400, Internal),
        ] {
            let failure = failure(code, "", status);
            assert_eq!(failure.kind(), kind, "{code} {status}");
        }
    }

    #[test]
    fn what_is_no_code_is_not_repeated() {
        let failure = failure("token: AQoDYXdz", "", 400);
        assert!(!failure.detail().contains("AQoDYXdz"), "{failure:?}");
    }

    #[test]
    fn a_conflict_passes_and_is_without_effect() {
        for code in [
            "TransactionConflictException",
            "ReplicatedWriteConflictException",
            "TransactionInProgressException",
        ] {
            let failure = failure(code, "", 400);
            assert_eq!(failure.kind(), Unavailable);
            assert_eq!(
                (failure.effect(), failure.remedy()),
                (Effect::None, Remedy::Again)
            );
        }
    }

    #[test]
    fn one_code_has_many_causes() {
        for (code, message, kind, words) in [
            (
                "ValidationException",
                "The provided key element does not match the schema",
                InvalidConfiguration,
                "verify_table",
            ),
            (
                "ValidationException",
                "Item size has exceeded the maximum allowed size",
                TooLarge,
                "larger",
            ),
            (
                "ValidationException",
                "1 validation error detected",
                InvalidConfiguration,
                "invalid",
            ),
            (
                "InvalidSignatureException",
                "Signature expired: 20310501T000000Z is now earlier than",
                Denied,
                "clock",
            ),
            (
                "InvalidSignatureException",
                "The request signature we calculated does not match",
                Denied,
                "credentials",
            ),
        ] {
            let failure = failure(code, message, 400);
            assert_eq!(failure.kind(), kind, "{message}");
            assert!(failure.detail().contains(words), "{failure:?}");
        }
    }
}
