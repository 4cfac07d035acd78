//! What is served under which path.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use crate::{headers, primes::LARGEST_LIMIT, reports::Reports};

pub(crate) fn router(reports: Arc<Reports>) -> Router {
    Router::new()
        .route("/primes/{limit}", get(report).delete(remove))
        .route("/status", get(status))
        .with_state(reports)
}

async fn report(State(reports): State<Arc<Reports>>, Path(limit): Path<usize>) -> Response {
    if limit > LARGEST_LIMIT {
        let refusal = format!("{limit} is over {LARGEST_LIMIT}\n");
        return (StatusCode::BAD_REQUEST, refusal).into_response();
    }
    match reports.get(limit).await {
        Ok(answer) => {
            let headers = headers::of(&answer, reports.lives);
            (headers, Json(&**answer.report.data())).into_response()
        }
        Err(error) => {
            eprintln!("moka_redis: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn remove(State(reports): State<Arc<Reports>>, Path(limit): Path<usize>) -> Response {
    match reports.remove(limit).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        // To be tried again: other instances may serve it until then.
        Err(error) => {
            let explanation = format!("not certain to be removed everywhere: {error}\n");
            (StatusCode::SERVICE_UNAVAILABLE, explanation).into_response()
        }
    }
}

#[derive(Serialize)]
struct Status {
    /// Reports that Redis is not trusted with, because it has not confirmed a write or a removal.
    pending_repairs: usize,
    background: Background,
}

#[derive(Serialize)]
struct Background {
    unfinished: usize,
    completed: u64,
}

async fn status(State(reports): State<Arc<Reports>>) -> Json<Status> {
    let background = reports.offload.statistics();
    Json(Status {
        pending_repairs: reports.cache.pending_repairs().len(),
        background: Background {
            unfinished: background.pending + background.running,
            completed: background.completed,
        },
    })
}
