//! Alone in its process, because it moves the process's clock.

use chrono::Utc;
use hitbox_core::Stamp;

#[test]
fn stamps_stay_within_a_bounded_drift() {
    for _ in 0..100 {
        Stamp::from_micros(Stamp::now().as_micros() + 14 * 60 * 1_000_000).observe();
    }
    let wall = u64::try_from(Utc::now().timestamp_micros()).unwrap();
    let ahead = Stamp::now().as_micros().saturating_sub(wall);
    assert!(
        ahead <= Stamp::MAX_DRIFT_MICROS,
        "{} minutes ahead",
        ahead / 60_000_000
    );
}
