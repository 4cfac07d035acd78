//! What cannot work is refused, by name.

use std::time::Duration;

use hitbox_backend::{
    BackendErrorKind,
    chaos::{Chaos, ChaosBuilder, Fault, Late, Script},
    conformance::MemoryBackend,
};

use crate::chaos::{builder, scripted};

fn refusal(builder: ChaosBuilder<MemoryBackend>) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    error.to_string()
}

#[test]
fn probabilities_lie_between_0_and_1_and_add_up_to_no_more() {
    for wrong in [-0.1, 1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refusal = refusal(builder().writes(Chaos::new().fail(0.1).hang(wrong)));
        let expected = format!("memory: open: invalid configuration: chaos: writes: hang: {wrong}");
        assert!(refusal.starts_with(&expected), "{refusal}");
    }
    let refusal = refusal(builder().reads(Chaos::new().fail(0.6).hang(0.5)));
    assert!(
        refusal.contains("reads: the probabilities add up to 1.1"),
        "{refusal}"
    );

    let tenths = (0..10).fold(Chaos::new(), |chaos, _| chaos.fail(0.1));
    assert!(builder().removes(tenths).build().is_ok());
    let more_than_one_by_rounding = Chaos::new().fail(0.1).hang(0.2).lose_answer(0.7);
    assert!(builder().removes(more_than_one_by_rounding).build().is_ok());
    assert!(
        builder()
            .removes(Chaos::new().fail(0.0).hang(1.0))
            .build()
            .is_ok()
    );
}

#[test]
fn a_range_of_delays_starts_with_the_shorter() {
    let [one, two] = [1, 2].map(Duration::from_millis);
    let refusal = refusal(builder().removes(Chaos::new().delay(0.1, two..=one)));
    assert!(
        refusal.contains("removes: delay: the range 2ms..=1ms is empty"),
        "{refusal}"
    );
    assert!(
        builder()
            .removes(Chaos::new().delay(0.1, one..=one))
            .build()
            .is_ok()
    );
}

#[test]
fn operations_are_spared_what_they_cannot_meet() {
    let late = Late::AFTER_THE_NEXT_CALL;
    let refused = refusal(builder().reads(Chaos::new().late(0.1, late)));
    assert!(refused.contains("reads: late: "), "{refused}");
    let refused = refusal(builder().reads(Chaos::new().repeat(0.1, late)));
    assert!(refused.contains("reads: repeat: "), "{refused}");
    for (name, chaos) in [
        ("tear", Chaos::new().tear(0.1)),
        ("corrupt", Chaos::new().corrupt(0.1)),
        ("distort", Chaos::new().distort(0.1)),
    ] {
        let refused = refusal(builder().removes(chaos.clone()));
        assert!(refused.contains(&format!("removes: {name}: ")), "{refused}");
        assert!(builder().reads(chaos.clone()).writes(chaos).build().is_ok());
    }
}

#[tokio::test]
async fn scripts_too() {
    let wrong = || Script::reads([None, Some(Fault::Late(Late::AFTER_THE_NEXT_CALL))]);
    let refused = refusal(builder().script(wrong()));
    assert!(
        refused.contains("script of reads: step 2: late: "),
        "{refused}"
    );

    let (_subject, handle) = scripted(Script::reads([]));
    let error = handle.script(wrong()).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
}
