//! The log in process, under the suite that every log has to pass.

use hitbox_backend::{
    coherence::{LocalBackplane, News},
    conformance::{BackplaneSubject, CheckOutcome},
};

fn subject(plane: &LocalBackplane) -> BackplaneSubject {
    let (announcing, forgetting) = (plane.clone(), plane.clone());
    let subject = BackplaneSubject::new(plane.clone(), move |news| {
        for news in news {
            if let News::Changed { key, origin, stamp } = news {
                announcing.announce(key, origin, stamp);
            }
        }
        async {}
    });
    subject.forget_with(move || {
        forgetting.forget();
        async {}
    })
}

#[tokio::test]
async fn the_log_in_process_conforms() {
    subject(&LocalBackplane::new()).assert_conforms().await;
}

/// One that keeps too little cannot answer with all that was announced.
#[tokio::test]
async fn a_log_that_forgets_does_not_conform() {
    let report = subject(&LocalBackplane::with_capacity(50)).report().await;
    assert!(!report.conforms(), "{report}");
    let forgets = "backplane::more_than_an_answer_takes";
    assert!(report.failures().any(|(name, _)| name == forgets));
    let is_spoilt = |outcome: &CheckOutcome| matches!(outcome, CheckOutcome::NotCalledFor(_));
    assert_eq!(
        report
            .outcomes()
            .filter(|(_, outcome)| is_spoilt(outcome))
            .count(),
        1
    );
}
