//! `connect` that fails says so by its error, and nothing tries again behind it.

use crate::recorder;
use crate::server::{builder, start};
use hitbox_backend::BackendErrorKind;

#[tokio::test]
async fn a_first_connection_that_fails_is_one_error_and_no_warning() {
    let recorder = recorder::record();
    let mut server = start().await;
    let settings = builder(&server);
    server.kill();
    let error = settings.connect().await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    let lines = recorder.lines();
    let is_ours = |line: &&String| line.contains("no connection");
    let lines: Vec<_> = lines.iter().filter(is_ours).collect();
    assert!(
        lines.iter().all(|line| line.starts_with("DEBUG")
            && line.contains("backend=redis")
            && !line.contains("trying again")),
        "{lines:#?}"
    );
}
