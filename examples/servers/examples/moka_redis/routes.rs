//! What is served under which path.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use hitbox::{BackendResult, Cache, LoadError, LoadErrorKind, Loaded, OffloadManager};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::{
    arguments::Lives,
    cache::{Layers, NOTES, REPORTS},
    headers,
    notes::Notes,
    primes::{LARGEST_LIMIT, Report},
};

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) cache: Cache,
    pub(crate) layers: Layers,
    pub(crate) offload: OffloadManager,
    pub(crate) lives: Lives,
    pub(crate) notes: Notes,
}

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/primes/{limit}", get(report).delete(remove))
        .route("/notes/{limit}", get(note).put(put_note))
        .route("/status", get(status))
        .with_state(service)
}

async fn note(State(service): State<Service>, Path(limit): Path<usize>) -> Response {
    let notes = service.notes.clone();
    let load = move || async move { notes.find(limit).await.map(Loaded::from) };
    let note = service.cache.get_or_try_load(NOTES.key(limit), load);
    match note.entry().await {
        Ok(note) => {
            let status = [("x-cache-status", note.status().as_str())];
            (status, (**note.value()).clone()).into_response()
        }
        Err(error) => failure(&error),
    }
}

async fn put_note(
    State(service): State<Service>,
    Path(limit): Path<usize>,
    note: String,
) -> Response {
    if let Err(error) = service.notes.put(limit, note.clone()).await {
        eprintln!("moka_redis: {error}");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    changed(service.cache.insert(NOTES.key(limit), note).await)
}

async fn report(State(service): State<Service>, Path(limit): Path<usize>) -> Response {
    if limit > LARGEST_LIMIT {
        let refusal = format!("{limit} is over {LARGEST_LIMIT}\n");
        return (StatusCode::BAD_REQUEST, refusal).into_response();
    }
    let make = move || spawn_blocking(move || Report::up_to(limit));
    match service
        .cache
        .get_or_try_load(REPORTS.key(limit), make)
        .entry()
        .await
    {
        Ok(report) => {
            let headers = headers::of(&report, service.lives);
            (headers, Json(&**report.value())).into_response()
        }
        Err(error) => failure(&error),
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else it is, the service is at fault"
)]
fn failure(error: &LoadError) -> Response {
    eprintln!("moka_redis: {error}");
    let status = match error.kind() {
        LoadErrorKind::Absent => StatusCode::NOT_FOUND,
        LoadErrorKind::Timeout | LoadErrorKind::Overloaded | LoadErrorKind::Closed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    status.into_response()
}

async fn remove(State(service): State<Service>, Path(limit): Path<usize>) -> Response {
    changed(service.cache.remove(REPORTS.key(limit)).await)
}

fn changed<T>(outcome: BackendResult<T>) -> Response {
    match outcome {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        // To be tried again: this instance does not serve what was there before, but others may until then.
        Err(error) => {
            let explanation = format!("not certain to be changed everywhere: {error}\n");
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

async fn status(State(service): State<Service>) -> Json<Status> {
    let background = service.offload.statistics();
    let loads = service.cache.statistics().under_way;
    Json(Status {
        pending_repairs: service.layers.pending_repairs().len(),
        background: Background {
            unfinished: background.pending + background.running + loads,
            completed: background.completed,
        },
    })
}
