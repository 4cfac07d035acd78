//! A web service with a cache, and as little code for that as it takes: in process (moka) and in Redis, each user loaded
//! once for all who ask, stale ones served while they are loaded anew, and those remembered who are not there.
//!
//! ```text
//! cargo xtask example users
//! curl -i http://127.0.0.1:3000/users/42
//! ```
//!
//! The lines for the cache are counted, at most 40:
//!
//! ```text
//! cargo xtask cache-lines --most 40 examples/servers/examples/users.rs
//! ```

// Not counted: what the service has without a cache, too.
use {
    axum::{
        Json, Router,
        extract::{Path, State},
        http::StatusCode,
        response::{IntoResponse, Response},
        routing::get,
    },
    serde::{Deserialize, Serialize},
    std::{
        env, io,
        sync::atomic::{AtomicU64, Ordering},
    },
    tokio::{net::TcpListener, signal, time::sleep},
};

use hitbox::{BackendResult, Cache, Compose, Entry, Keyspace, LoadError, OffloadManager};
use hitbox::{moka::MokaBackend, redis::RedisBackend};
use std::{error::Error, sync::Arc, time::Duration};

const USERS: Keyspace<u64, User> = Keyspace::new("users", 1);

const PATIENCE: Duration = Duration::from_secs(5);

// Not counted: what is kept.
#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

/// What the service serves from.
#[derive(Clone)]
struct Service {
    cache: Cache,
    table: Arc<Table>,
}

fn cache(redis: &str, fresh: Duration, background: OffloadManager) -> BackendResult<Cache> {
    let moka = MokaBackend::builder().max_bytes(64 << 20).build()?;
    let redis = RedisBackend::builder().url(redis).build()?;
    Cache::builder(moka.compose(redis, background))
        .ttl(fresh)
        .stale_while_revalidate(9 * fresh)
        .absent_ttl(fresh / 4)
        .build()
}

impl Service {
    /// The user, as he is in the cache, or else in the table.
    async fn user(&self, id: u64) -> Result<Option<Entry<User>>, LoadError> {
        let table = Arc::clone(&self.table);
        let load = move || async move { table.find(id).await };
        let user = self.cache.get_or_try_load(USERS.key(id), load);
        user.entry().optional().await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    // Not counted: arguments.
    let argument = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    // Not counted: arguments.
    let redis = argument("REDIS_URL", "redis://127.0.0.1:6379");
    // Not counted: arguments.
    let fresh = Duration::from_secs(argument("FRESH_SECONDS", "60").parse()?);
    let background = OffloadManager::builder().build()?;
    let cache = cache(&redis, fresh, background)?;
    // Not counted: the server.
    serve(&argument("LISTEN", "127.0.0.1:3000"), cache.clone()).await?;
    let report = cache.close(PATIENCE).await;
    if !report.is_complete() {
        eprintln!("users: not done within {PATIENCE:?}: {report:?}");
    }
    Ok(())
}

// Not counted: the server.
async fn serve(address: &str, cache: Cache) -> io::Result<()> {
    let table = Arc::default();
    let routes = Router::new()
        .route("/users/{id}", get(user))
        .route("/queries", get(queries))
        .with_state(Service { cache, table });
    let end = async {
        // Where it cannot be noticed, the process is ended by other means.
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes)
        .with_graceful_shutdown(end)
        .await
}

// Not counted: a handler.
async fn user(State(service): State<Service>, Path(id): Path<u64>) -> Response {
    match service.user(id).await {
        Ok(Some(user)) => {
            let headers = [("x-cache-status", user.status().as_str())];
            (headers, Json(&**user.value())).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            eprintln!("users: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

// Not counted: a handler.
async fn queries(State(service): State<Service>) -> String {
    service.table.queries.load(Ordering::Relaxed).to_string()
}

// Not counted: where users are from.
/// Stands for a table of a database. It has the users up to 1,000.
#[derive(Default)]
struct Table {
    queries: AtomicU64,
}

// Not counted: where users are from.
impl Table {
    async fn find(&self, id: u64) -> io::Result<Option<User>> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(200)).await;
        let name = format!("user {id}");
        Ok((id <= 1_000).then_some(User { id, name }))
    }
}
