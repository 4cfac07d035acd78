//! Of a bulk call, only the keys that failed are asked again.

use hitbox_backend::{
    Backend, BackendError, BackendErrorKind as Kind, BackendExt, BackendResult, CacheBackend,
    DeleteStatus, Retry, RetryConfig, wrapper::WriteRetry,
};
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw};

use super::scripted::{Answer, Scripted, key, value};

const FAILS: Answer = Answer::Fails(Kind::Timeout);
const BUSY: Answer = Answer::Fails(Kind::Throttled);
const WORKS: Answer = Answer::Works;

fn retried(answers: impl IntoIterator<Item = Answer>) -> (Retry<Scripted>, Scripted) {
    retried_with(RetryConfig::new(), answers)
}

fn retried_with(
    config: RetryConfig,
    answers: impl IntoIterator<Item = Answer>,
) -> (Retry<Scripted>, Scripted) {
    let scripted = Scripted::answering(answers);
    (scripted.clone().retry(config).unwrap(), scripted)
}

fn keys(names: &str) -> Vec<CacheKey> {
    names.split(' ').map(key).collect()
}

/// Values 1, 2, 3, and so on.
fn entries(names: &str) -> Vec<(CacheKey, CacheValue<Raw>)> {
    keys(names).into_iter().zip((1..).map(value)).collect()
}

fn kinds<T>(outcomes: &[BackendResult<T>]) -> Vec<Option<Kind>> {
    let kind = |outcome: &BackendResult<T>| outcome.as_ref().err().map(BackendError::kind);
    outcomes.iter().map(kind).collect()
}

fn calls<const N: usize>(method: &'static str, keys: [&str; N]) -> Vec<(&'static str, String)> {
    keys.map(|keys| (method, keys.to_owned())).into()
}

#[tokio::test(start_paused = true)]
async fn reads_ask_again_for_what_failed_and_keep_the_order() {
    let denied = Answer::Fails(Kind::Denied);
    let (retry, scripted) = retried([]);
    let stored = retry.write_many(entries("a b c d e")).await;
    assert!(stored.iter().all(Result::is_ok));
    // First a to e; then b, d, e; then d.
    scripted.answer([WORKS, FAILS, denied, FAILS, FAILS]);
    scripted.answer([WORKS, FAILS, denied]);
    let outcomes = retry.read_many(&keys("a b c d e")).await;
    assert_eq!(
        kinds(&outcomes),
        [None, None, Some(Kind::Denied), None, Some(Kind::Denied)]
    );
    let payloads = outcomes.into_iter().flatten().flatten();
    let payloads: Vec<_> = payloads
        .map(|value| value.data().payload().unwrap()[0])
        .collect();
    assert_eq!(payloads, [1, 2, 4]);
    let reads = calls("read_many", ["a b c d e", "b d e", "d"]);
    assert_eq!(scripted.asked()[1..], reads);
}

#[tokio::test(start_paused = true)]
async fn gives_up_on_keys_that_keep_failing() {
    let (retry, scripted) = retried([WORKS, FAILS, FAILS, FAILS]);
    let outcomes = retry.read_many(&keys("a b")).await;
    assert_eq!(kinds(&outcomes), [None, Some(Kind::Timeout)]);
    assert_eq!(scripted.asked(), calls("read_many", ["a b", "b", "b"]));
}

#[tokio::test(start_paused = true)]
async fn contexts_tell_of_the_attempt_that_answered() {
    let (retry, scripted) = retried([]);
    let _stored = retry.write_many(entries("a b c")).await;
    scripted.answer([FAILS, WORKS, FAILS, WORKS, Answer::Fails(Kind::Denied)]);
    // Fewer contexts than keys: the rest is read without.
    let mut contexts = [BoxContext::default(), BoxContext::default()];
    let outcomes = retry.read_many_with(&keys("a b c"), &mut contexts).await;
    assert_eq!(kinds(&outcomes), [None, None, Some(Kind::Denied)]);
    for context in contexts {
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(context.source().to_string(), "scripted");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_and_refills_repeat_what_certainly_did_nothing() {
    for form in ["write_many", "refill_many"] {
        let (retry, scripted) = retried([WORKS, BUSY, FAILS, BUSY, WORKS]);
        let entries = entries("a b c d");
        let outcomes = match form {
            "write_many" => retry.write_many(entries).await,
            _ => retry.refill_many(entries).await,
        };
        assert_eq!(kinds(&outcomes), [None, None, Some(Kind::Timeout), None]);
        assert_eq!(scripted.asked(), calls(form, ["a b c d", "b d"]));
        assert_eq!(scripted.stored(&key("b")).await, Some(2));
        assert_eq!(scripted.stored(&key("c")).await, None);
        assert_eq!(scripted.stored(&key("d")).await, Some(4));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_a_later_one_overtakes_is_not_repeated() {
    // The first write of a fails, the second is stored: repeated, the first would be the last.
    let (retry, scripted) = retried([BUSY, BUSY, WORKS]);
    let outcomes = retry.write_many(entries("a b a")).await;
    assert_eq!(kinds(&outcomes), [Some(Kind::Throttled), None, None]);
    assert_eq!(scripted.asked(), calls("write_many", ["a b a", "b"]));
    assert_eq!(scripted.stored(&key("a")).await, Some(3));
    // The last one is repeated, even if all of them failed.
    let (retry, scripted) = retried([BUSY, BUSY, BUSY]);
    let outcomes = retry.write_many(entries("a a a")).await;
    let busy = Some(Kind::Throttled);
    assert_eq!(kinds(&outcomes), [busy, busy, None]);
    assert_eq!(scripted.asked(), calls("write_many", ["a a a", "a"]));
    assert_eq!(scripted.stored(&key("a")).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn removes_are_repeated_and_may_find_nothing_any_more() {
    let (retry, scripted) = retried([]);
    let _stored = retry.write_many(entries("a b")).await;
    scripted.answer([WORKS, FAILS, WORKS]);
    let removed = retry.delete_many(&keys("a b")).await;
    assert!(
        removed
            .into_iter()
            .all(|one| one.unwrap() == DeleteStatus::Deleted(1))
    );
    assert_eq!(scripted.asked()[1..], calls("remove_many", ["a b", "b"]));
}

#[tokio::test(start_paused = true)]
async fn an_unclear_failure_outweighs_a_clear_one_key_by_key() {
    let denied = Answer::Fails(Kind::Denied);
    let config = RetryConfig::new().writes(WriteRetry::Always);
    let (retry, scripted) = retried_with(config, [FAILS, BUSY, WORKS, denied, denied]);
    let outcomes = retry.write_many(entries("a b c")).await;
    assert_eq!(
        kinds(&outcomes),
        [Some(Kind::Timeout), Some(Kind::Denied), None]
    );
    // Denied is the last word, although it is not what is reported.
    assert_eq!(scripted.asked(), calls("write_many", ["a b c", "a b"]));
}

#[tokio::test(start_paused = true)]
async fn nothing_asked_is_nothing_done() {
    let (retry, _scripted) = retried([]);
    assert!(retry.read_many(&[]).await.is_empty());
    assert!(retry.write_many(Vec::new()).await.is_empty());
    assert!(retry.remove_many(&[]).await.is_empty());
}
