//! What the response says about the cache.

use chrono::Utc;

use crate::{arguments::Lives, reports::Answer};

pub(crate) type Headers = [(&'static str, String); 4];

pub(crate) fn of(answer: &Answer, lives: Lives) -> Headers {
    let Lives { fresh, keep } = lives;
    // Whoever keeps the response counts on from `age`, so the lives are those from the beginning.
    let control = format!(
        "max-age={}, stale-while-revalidate={}",
        fresh.as_secs(),
        keep.saturating_sub(fresh).as_secs()
    );
    [
        ("x-cache-status", answer.context.status().to_string()),
        ("x-cache-source", answer.context.source().to_string()),
        ("age", age_in_seconds(answer).to_string()),
        ("cache-control", control),
    ]
}

fn age_in_seconds(answer: &Answer) -> u64 {
    let now = u64::try_from(Utc::now().timestamp_micros()).unwrap_or(0);
    // Stamped by another machine, whose clock may be ahead.
    now.saturating_sub(answer.report.created().as_micros()) / 1_000_000
}
