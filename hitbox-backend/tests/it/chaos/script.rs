//! Scripts run in their order, and then the probabilities decide.

use hitbox_backend::{
    Backend, BackendErrorKind,
    chaos::{Chaos, Failure, Fault, Script},
};

use crate::chaos::{build, builder, key, keys, once, scripted, value};

async fn kinds_of_reads(
    subject: &crate::chaos::Subject,
    reads: usize,
) -> Vec<Option<BackendErrorKind>> {
    let mut kinds = Vec::new();
    for _ in 0..reads {
        kinds.push(subject.read(&key()).await.err().map(|error| error.kind()));
    }
    kinds
}

#[tokio::test]
async fn steps_are_taken_in_their_order_then_the_probabilities_decide() {
    use BackendErrorKind::{Denied, Full, Unavailable};
    let fail = |failure| Some(Fault::Fail(failure));
    let (subject, handle) = build(
        builder()
            .reads(Chaos::new().fail(1.0))
            .script(Script::reads([None, fail(Failure::Full)]))
            .script(Script::reads([fail(Failure::Denied), None])),
    );
    let kinds = kinds_of_reads(&subject, 5).await;
    assert_eq!(
        kinds,
        [None, Some(Full), Some(Denied), None, Some(Unavailable)]
    );
    handle.script(Script::reads([None])).unwrap();
    assert_eq!(kinds_of_reads(&subject, 2).await, [None, Some(Unavailable)]);
}

#[tokio::test]
async fn a_script_for_a_key_comes_first_and_leaves_the_other_one() {
    let fail = |failure| once(Fault::Fail(failure));
    let (subject, _handle) = build(
        builder()
            .script(Script::reads(fail(Failure::Full)))
            .script(Script::reads(fail(Failure::Denied)).for_key(key())),
    );
    let kinds = kinds_of_reads(&subject, 1).await;
    assert_eq!(kinds, [Some(BackendErrorKind::Denied)]);
    let [other] = keys();
    let error = subject.read(&other).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Full);
    assert_eq!(kinds_of_reads(&subject, 1).await, [None]);
}

#[tokio::test]
async fn a_script_for_one_operation_leaves_the_others_alone() {
    let (subject, handle) = scripted(Script::writes(once(Fault::LoseAnswer)));
    subject.read(&key()).await.unwrap();
    subject.remove(&key()).await.unwrap();
    assert_eq!(handle.injected_in_all(), 0);
    assert!(subject.write(&key(), value(1)).await.is_err());
}
