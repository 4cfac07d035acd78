//! The context tells the truth about how a read was answered.

use chrono::TimeDelta;
use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, Raw, ResponseSource, Stamp, clock::Moment,
};

use super::{
    check::{CheckResult, checks, violation},
    sample::{expiring, from_now, immortal, lasting},
    trial::{OrViolation, Trial},
};
use crate::Attempt;

checks! { "context":
    hit_miss_and_stale,
    earlier_status_is_replaced,
    source_is_the_label,
    bulk_reads_note_each_key,
    bulk_reads_without_contexts,
    answers_at_once_are_the_same,
}

fn stale(expire: Option<TimeDelta>) -> CacheValue<Raw> {
    let since = from_now(TimeDelta::seconds(-1));
    CacheValue::from_parts(
        Raw::from(b"stale".to_vec()),
        expire.map(from_now),
        Some(since),
        Stamp::now(),
    )
}

async fn read_with(trial: &Trial, key: &CacheKey) -> Result<BoxContext, super::check::Stop> {
    let mut context = BoxContext::default();
    let outcome = trial.backend().read_with(key, &mut context).await;
    let found = outcome.or_violation("read_with")?;
    agrees(trial, found.is_some(), &context)?;
    Ok(context)
}

/// Holds if status and source of a fresh context fit an answer or its absence.
fn agrees(trial: &Trial, found: bool, context: &BoxContext) -> CheckResult {
    let label = trial.backend().label();
    match (found, context.status(), context.source()) {
        (false, CacheStatus::Miss, ResponseSource::Upstream) => Ok(()),
        (true, CacheStatus::Hit | CacheStatus::Stale, ResponseSource::Backend(source))
            if is_within(source.as_str(), label.as_str()) =>
        {
            Ok(())
        }
        (_, status, source) => Err(violation!(
            "the context says {status} from {source}, and {} was returned by {label}",
            if found { "a value" } else { "nothing" }
        )),
    }
}

/// Whether the source path is `label`, or leads from it to a layer within.
fn is_within(source: &str, label: &str) -> bool {
    let inner = source.strip_prefix(label);
    inner.is_some_and(|inner| inner.is_empty() || inner.starts_with('.'))
}

/// A value or none, by name, and what a read of it notes.
fn cases() -> [(&'static str, Option<CacheValue<Raw>>, CacheStatus); 7] {
    [
        ("fresh", Some(lasting("fresh")), CacheStatus::Hit),
        ("immortal", Some(immortal("immortal")), CacheStatus::Hit),
        (
            "stale",
            Some(stale(Some(TimeDelta::hours(1)))),
            CacheStatus::Stale,
        ),
        ("stale immortal", Some(stale(None)), CacheStatus::Stale),
        (
            "expired",
            Some(expiring("expired", from_now(TimeDelta::hours(-1)))),
            CacheStatus::Miss,
        ),
        (
            "expired and stale",
            Some(stale(Some(TimeDelta::minutes(-1)))),
            CacheStatus::Miss,
        ),
        ("absent", None, CacheStatus::Miss),
    ]
}

async fn hit_miss_and_stale(trial: &Trial) -> CheckResult {
    for (name, value, expected) in cases() {
        let key = trial.key(name);
        if let Some(value) = value {
            trial.write(&key, &value).await?;
        }
        let status = read_with(trial, &key).await?.status();
        if status != expected {
            return Err(violation!("status {status} instead of {expected}: {name}"));
        }
    }
    Ok(())
}

/// A context that has been through another read keeps nothing of its status.
async fn earlier_status_is_replaced(trial: &Trial) -> CheckResult {
    let (present, absent) = (trial.key("present"), trial.key("absent"));
    trial.write(&present, &lasting("present")).await?;
    let mut context = BoxContext::default();
    for (key, expected) in [
        (&present, CacheStatus::Hit),
        (&absent, CacheStatus::Miss),
        (&present, CacheStatus::Hit),
    ] {
        let outcome = trial.backend().read_with(key, &mut context).await;
        outcome.or_violation("read_with")?;
        if context.status() != expected {
            return Err(violation!(
                "a used context says {}, not {expected}",
                context.status()
            ));
        }
    }
    Ok(())
}

async fn source_is_the_label(trial: &Trial) -> CheckResult {
    let label = trial.backend().label();
    if label.as_str().is_empty() {
        return Err(violation!("the label is empty"));
    }
    let key = trial.key("present");
    trial.write(&key, &lasting("present")).await?;
    read_with(trial, &key).await.map(drop)
}

async fn bulk_reads_note_each_key(trial: &Trial) -> CheckResult {
    let (fresh, aged) = (trial.key("fresh"), trial.key("stale"));
    let absent = trial.key("absent");
    trial.write(&fresh, &lasting("fresh")).await?;
    trial.write(&aged, &stale(None)).await?;
    let keys = [absent.clone(), aged, fresh.clone(), absent, fresh];
    let expected = [
        CacheStatus::Miss,
        CacheStatus::Stale,
        CacheStatus::Hit,
        CacheStatus::Miss,
        CacheStatus::Hit,
    ];
    let mut contexts = vec![BoxContext::default(); keys.len()];
    let outcomes = trial.backend().read_many_with(&keys, &mut contexts).await;
    if outcomes.len() != keys.len() {
        return Err(violation!(
            "read_many_with of 5 keys returned {} outcomes",
            outcomes.len()
        ));
    }
    for (position, (outcome, context)) in outcomes.into_iter().zip(&contexts).enumerate() {
        let found = outcome.or_violation("read_many_with")?;
        agrees(trial, found.is_some(), context)?;
        let (status, expected) = (context.status(), expected[position]);
        if status != expected {
            return Err(violation!(
                "status {status} instead of {expected} at position {position}"
            ));
        }
    }
    Ok(())
}

async fn bulk_reads_without_contexts(trial: &Trial) -> CheckResult {
    let key = trial.key("present");
    let value = lasting("present");
    trial.write(&key, &value).await?;
    let keys = [key.clone(), trial.key("absent"), key];
    for given in 0..keys.len() {
        let mut contexts = vec![BoxContext::default(); given];
        let outcomes = trial.backend().read_many_with(&keys, &mut contexts).await;
        if outcomes.len() != keys.len() {
            return Err(violation!(
                "with {given} contexts for 3 keys, {} outcomes",
                outcomes.len()
            ));
        }
        for (position, outcome) in outcomes.into_iter().enumerate() {
            let found = outcome.or_violation("read_many_with")?;
            if let Some(context) = contexts.get(position) {
                agrees(trial, found.is_some(), context)?;
            }
            if found.is_some() == (position == 1) {
                return Err(violation!(
                    "with {given} contexts, the wrong answer at {position}"
                ));
            }
        }
    }
    Ok(())
}

/// What `try_read` answers is what `read_with` does.
async fn answers_at_once_are_the_same(trial: &Trial) -> CheckResult {
    for (name, value, _) in cases() {
        let key = trial.key(name);
        if let Some(value) = value {
            trial.write(&key, &value).await?;
        }
        let mut context = BoxContext::default();
        let moment = Moment::default();
        let outcome = match trial.backend().try_read(&key, &mut context, &moment) {
            Attempt::Ready(outcome) => outcome,
            Attempt::Pending(rest) => {
                let (outcome, noted) = rest.await;
                context = noted;
                outcome
            }
            // There is nothing to compare.
            Attempt::WouldBlock(()) => continue,
        };
        let found = outcome.or_violation("try_read")?;
        let mut context_of_read = BoxContext::default();
        let outcome = trial.backend().read_with(&key, &mut context_of_read).await;
        if found != outcome.or_violation("read_with")? {
            return Err(violation!("try_read and read_with differ: {name}"));
        }
        let notes = |context: &BoxContext| (context.status(), context.source().clone());
        if notes(&context) != notes(&context_of_read) {
            return Err(violation!(
                "try_read and read_with note different things: {name}"
            ));
        }
    }
    Ok(())
}
