//! What the response says about the cache.

use hitbox::Entry;

use crate::{arguments::Lives, primes::Report};

pub(crate) type Headers = [(&'static str, String); 4];

pub(crate) fn of(report: &Entry<Report>, lives: Lives) -> Headers {
    let Lives { fresh, keep } = lives;
    // Whoever keeps the response counts on from `age`, so the lives are those from the beginning.
    let control = format!(
        "max-age={}, stale-while-revalidate={}",
        fresh.as_secs(),
        keep.saturating_sub(fresh).as_secs()
    );
    [
        ("x-cache-status", report.status().as_str().to_owned()),
        ("x-cache-source", report.source().to_string()),
        ("age", report.age().as_secs().to_string()),
        ("cache-control", control),
    ]
}
