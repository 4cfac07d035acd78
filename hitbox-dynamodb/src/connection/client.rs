//! From what the application has, to clients with this backend's deadlines, connections and
//! credentials.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client, Config,
    config::{
        self, BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_types::SdkConfig;
use hitbox_core::BackendLabel;
use http::Uri;

use crate::connection::{
    connections::{Connections, Http, Transport},
    credentials::{Cache, Keeper},
};

/// Where the client comes from.
pub(crate) enum Connection {
    Client(Client),
    SdkConfig(Box<SdkConfig>),
    Parts {
        endpoint: Option<String>,
        region: String,
        credentials: Credentials,
    },
}

/// What bounds requests and connections.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) deadline: Duration,
    pub(crate) attempt: Duration,
    pub(crate) connect: Duration,
    pub(crate) connections: usize,
}

pub(crate) struct Clients {
    pub(crate) per_attempt: Client,
    pub(crate) full_timeout: Client,
    pub(crate) connections: Arc<Connections>,
    pub(crate) credentials: Arc<Keeper>,
}

impl Connection {
    /// A client that gives up an attempt when its time is over, and one that does so when the
    /// call's is. They share connections and credentials.
    pub(crate) fn clients(self, limits: Limits, label: &BackendLabel) -> Clients {
        let connections = Connections::to(self.transport(), limits.connections, label.clone());
        let credentials = Keeper::new(label.clone());
        let base = self
            .config()
            .http_client(Http(Arc::clone(&connections)))
            .identity_cache(Cache(Arc::clone(&credentials)));
        let client = |limit| Client::from_conf(with_limit(base.clone(), limits.connect, limit));
        Clients {
            per_attempt: client(limits.attempt),
            full_timeout: client(limits.deadline),
            connections,
            credentials,
        }
    }

    /// Which server is asked, for a sentence to end with.
    pub(crate) fn server(&self) -> String {
        let (endpoint, region) = match self {
            Self::Client(client) => (None, client.config().region().map(Region::as_ref)),
            Self::SdkConfig(config) => (config.endpoint_url(), config.region().map(Region::as_ref)),
            Self::Parts {
                endpoint, region, ..
            } => (endpoint.as_deref(), Some(region.as_str())),
        };
        match (endpoint, region) {
            (Some(endpoint), _) => format!(" at {endpoint}"),
            (None, Some(region)) => format!(" in {region}"),
            (None, None) => String::new(),
        }
    }

    fn transport(&self) -> Transport {
        let (given, endpoint) = match self {
            Self::Client(client) => (client.config().http_client(), None),
            Self::SdkConfig(config) => (config.http_client(), config.endpoint_url()),
            Self::Parts { endpoint, .. } => (None, endpoint.as_deref()),
        };
        let proxy = match endpoint {
            Some(url) if is_near(url) => ProxyConfig::disabled(),
            Some(_) | None => ProxyConfig::from_env(),
        };
        match (given, endpoint) {
            (Some(client), _) => Transport::Given(client),
            // Spares a machine without root certificates from looking for them.
            (None, Some(url)) if url.starts_with("http://") => Transport::Plain(proxy),
            (None, _) => Transport::Secure(proxy),
        }
    }

    fn config(self) -> config::Builder {
        match self {
            Self::Client(client) => client.config().to_builder(),
            Self::SdkConfig(given) => {
                let config = config::Builder::from(&*given);
                // Without one `from_conf` panics.
                match given.behavior_version() {
                    Some(_) => config,
                    None => config.behavior_version(behavior_version()),
                }
            }
            Self::Parts {
                endpoint,
                region,
                credentials,
            } => {
                let mut config = Config::builder()
                    .behavior_version(behavior_version())
                    .region(Region::new(region))
                    .credentials_provider(credentials);
                config.set_endpoint_url(endpoint);
                config
            }
        }
    }
}

/// On this machine, where no proxy has to be asked.
fn is_near(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn with_limit(base: config::Builder, connect: Duration, limit: Duration) -> Config {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(connect)
        // With this the SDK does not use the connection again; by a future that is merely dropped
        // it would not learn that the connection is dead.
        .operation_attempt_timeout(limit)
        .disable_operation_timeout()
        .build();
    base.timeout_config(timeouts)
        // A change that is sent twice must not look as if it had been sent once.
        .retry_config(RetryConfig::disabled())
        // Watches the throughput of bodies; the deadlines are stricter.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// Pinned: another one may change defaults.
fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_near() {
        for near in [
            "http://localhost:8000",
            "https://127.0.0.1:1",
            "http://[::1]:1",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "http://localhost.example",
            "http://dynamodb:8000",
            "http://10.0.0.1",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }
}
