//! The connections of a backend: so many at most, each driven by the runtime that made it, and all
//! of them given up when one turns out to be dead.

use std::{
    collections::HashMap,
    fmt, panic,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    pool::{self, ConnectionEvent, ConnectionPool},
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{HttpConnectorSettings, SharedHttpConnector},
};
use hitbox_core::BackendLabel;
use tokio::{
    runtime::{Handle, Id},
    sync::{Semaphore, SemaphorePermit},
    task::AbortHandle,
};

use crate::{
    connection::{clock_skew::ClockSkew, transport::Watched},
    error::failure::Failure,
    lock::locked,
};

/// How long a connection is kept that has nothing to do.
const IDLE: Duration = Duration::from_secs(60);

/// What connections are made of.
#[derive(Clone)]
pub(crate) enum Transport {
    /// Without TLS, and without what that needs.
    Plain(ProxyConfig),
    Secure(ProxyConfig),
    /// The application's own: how it keeps connections is its own business.
    Given(SharedHttpClient),
}

pub(crate) struct Connections {
    transport: Transport,
    most: usize,
    skew: Arc<ClockSkew>,
    opened: Arc<AtomicU64>,
    runtimes: Mutex<HashMap<Id, Arc<Here>>>,
}

/// The connections of one runtime. Those of another are driven by that one, which may have ended,
/// or be doing something else.
pub(crate) struct Here {
    free: Semaphore,
    pool: Mutex<Arc<Pool>>,
    defect: Option<&'static str>,
    until_the_runtime_ends: AbortHandle,
}

/// Connections that are kept for the next request.
pub(crate) struct Pool {
    client: SharedHttpClient,
    /// Whether any reply has come through it: if not, there is nothing in it to give up.
    proven: Arc<AtomicBool>,
}

impl Connections {
    pub(crate) fn to(transport: Transport, most: usize, label: BackendLabel) -> Arc<Self> {
        Arc::new(Self {
            transport,
            most,
            skew: Arc::new(ClockSkew::new(label)),
            opened: Arc::default(),
            runtimes: Mutex::default(),
        })
    }

    pub(crate) fn clock_skew(&self) -> &ClockSkew {
        &self.skew
    }

    /// How many connections have been opened, in all runtimes.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// The connections of the runtime that this is called in.
    pub(crate) fn here(self: &Arc<Self>) -> Result<Arc<Here>, Failure> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(Failure::invalid_configuration(
                "there is no tokio runtime here: call the backend from within one",
            ));
        };
        let known = locked(&self.runtimes).get(&runtime.id()).cloned();
        let here = known.unwrap_or_else(|| self.settle_in(&runtime));
        match here.defect {
            None => Ok(here),
            Some(defect) => Err(Failure::invalid_configuration(defect)),
        }
    }

    fn settle_in(self: &Arc<Self>, runtime: &Handle) -> Arc<Here> {
        let defect = defect_of_runtime();
        let mut runtimes = locked(&self.runtimes);
        let entry = runtimes.entry(runtime.id()).or_insert_with(|| {
            let departure = Departure {
                connections: Arc::downgrade(self),
                runtime: runtime.id(),
            };
            // Dropped with the runtime.
            let stay = runtime.spawn(async move {
                let _departure = departure;
                std::future::pending::<()>().await;
            });
            Arc::new(Here {
                free: Semaphore::new(self.most),
                pool: Mutex::new(self.pool()),
                defect,
                until_the_runtime_ends: stay.abort_handle(),
            })
        });
        Arc::clone(entry)
    }

    fn pool(&self) -> Arc<Pool> {
        Arc::new(Pool {
            client: self.transport.client(self.most, &self.opened),
            proven: Arc::default(),
        })
    }
}

impl Here {
    /// Waits until there are fewer requests under way than there may be connections.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.free.acquire().await.ok()
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&locked(&self.pool))
    }

    /// Gives up the connections of `failed`: what has broken one of them, or keeps it silent, has
    /// most likely met all. Requests that are under way on them go on.
    pub(crate) fn renew(&self, failed: &Arc<Pool>, connections: &Connections) {
        if !failed.proven.load(Ordering::Relaxed) {
            return;
        }
        let mut pool = locked(&self.pool);
        if Arc::ptr_eq(&pool, failed) {
            *pool = connections.pool();
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.until_the_runtime_ends.abort();
    }
}

/// Forgets a runtime that has ended, and with it its connections.
struct Departure {
    connections: Weak<Connections>,
    runtime: Id,
}

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.upgrade() {
            let gone = locked(&connections.runtimes).remove(&self.runtime);
            drop(gone);
        }
    }
}

/// tokio panics where a runtime lacks what is asked of it; asked once, that is one panic.
fn defect_of_runtime() -> Option<&'static str> {
    let timer = panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
    if timer.is_err() {
        return Some("the tokio runtime has no timer: build it with `enable_all`");
    }
    let socket = panic::catch_unwind(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        tokio::net::UdpSocket::from_std(socket).map(drop)
    });
    match socket {
        // For want of a socket, nothing is said of the runtime.
        Ok(_) => None,
        Err(_) => Some("the tokio runtime has no I/O: build it with `enable_all`"),
    }
}

impl Transport {
    fn client(&self, most: usize, opened: &Arc<AtomicU64>) -> SharedHttpClient {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let opened = Arc::clone(opened);
        let builder = ConnectionPool::builder()
            .idle_timeout(IDLE)
            .max_connections_per_host(most)
            .event_listener(move |event: &ConnectionEvent<'_>| {
                if let ConnectionEvent::Opened(_) = event {
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
        let pool = match self {
            Self::Given(client) => return client.clone(),
            Self::Plain(proxy) => builder.proxy_config(proxy.clone()).build_http(),
            Self::Secure(proxy) => builder
                .proxy_config(proxy.clone())
                .tls_provider(tls.clone())
                .build_https(),
        };
        let client = pool.ok().and_then(|pool| pool::Client::new(&pool).ok());
        match client {
            Some(client) => SharedHttpClient::new(client),
            // Only settings that are not made here keep a pool from being built.
            None => HttpClientBuilder::new().tls_provider(tls).build_https(),
        }
    }
}

/// The connections as the SDK asks for them.
#[derive(Clone)]
pub(crate) struct Http(pub(crate) Arc<Connections>);

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // Outside of a runtime no call gets as far as this.
        let pool = self.0.here().map(|here| here.pool());
        let pool = pool.unwrap_or_else(|_| self.0.pool());
        SharedHttpConnector::new(Watched {
            connector: pool.client.http_connector(settings, components),
            proven: Arc::clone(&pool.proven),
            skew: Arc::clone(&self.0.skew),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        match &self.0.transport {
            Transport::Plain(_) | Transport::Secure(_) => None,
            Transport::Given(client) => client.connector_metadata(),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("most", &self.0.most)
            .finish_non_exhaustive()
    }
}
