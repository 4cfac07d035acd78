//! Servers that ask clients who they are.

use std::{fs, path::Path};

use crate::server::{PATIENT, key, value};
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use test_servers::redis::{RedisOptions, RedisServer, free_port};

/// Issues certificates.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        // Of another name than what it issues, which would be taken for issued by itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Settings of a server that wants TLS with this certificate at that port, and certificates of the authority's
/// from its clients.
pub(crate) fn asks_who_clients_are(
    directory: &Path,
    authority: &Authority,
    own: &Issued,
    port: u16,
) -> Vec<(&'static str, String)> {
    let write = |name: &str, pem: &str| {
        let path = directory.join(name);
        fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    vec![
        ("tls-port", port.to_string()),
        ("tls-cert-file", write("own.pem", &own.certificate)),
        ("tls-key-file", write("own.key", &own.key)),
        ("tls-ca-cert-file", write("ca.pem", &authority.certificate)),
        ("tls-auth-clients", "yes".to_owned()),
    ]
}

fn options(settings: Vec<(&str, String)>) -> RedisOptions {
    settings
        .into_iter()
        .fold(RedisOptions::new(), |options, (name, value)| {
            options.setting(name, &value)
        })
}

/// Some servers are built without. That of a package is not, so there nothing is left out.
pub(crate) async fn servers_know_tls() -> bool {
    let authority = Authority::new();
    let (directory, port) = (TempDir::new().unwrap(), free_port().unwrap());
    let own = authority.issue(&["localhost"]);
    let settings = asks_who_clients_are(directory.path(), &authority, &own, port);
    let Err(problem) = RedisServer::start(options(settings)).await else {
        return true;
    };
    let server = RedisServer::start(RedisOptions::new()).await.unwrap();
    let description = server.description();
    assert!(!description.ends_with("(redis-server)"), "{problem}");
    println!("{description} is built without TLS: nothing to see ({problem})");
    false
}

async fn assert_works(settings: RedisBackendBuilder) {
    let cache = settings.deadline(PATIENT).connect().await.unwrap();
    cache.write(&key("k"), value("live")).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());
}

#[tokio::test]
async fn who_has_a_certificate_is_let_in_and_nobody_else() {
    if !servers_know_tls().await {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let (directory, port) = (TempDir::new().unwrap(), free_port().unwrap());
    let own = authority.issue(&["localhost"]);
    let settings = asks_who_clients_are(directory.path(), &authority, &own, port);
    let _server = RedisServer::start(options(settings)).await.unwrap();
    let settings = RedisBackend::builder()
        .url(format!("rediss://localhost:{port}"))
        .root_certificate(authority.certificate.clone());

    let right = authority.issue(&["client"]);
    let right = settings
        .clone()
        .client_certificate(right.certificate, right.key);
    assert_works(right).await;

    let stranger = other.issue(&["client"]);
    let stranger = settings
        .clone()
        .client_certificate(stranger.certificate, stranger.key);
    for settings in [settings, stranger] {
        let error = settings.deadline(PATIENT).connect().await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    }
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn the_nodes_of_a_cluster_are_shown_it_too() {
    use test_servers::redis::RedisCluster;

    if !servers_know_tls().await {
        return;
    }
    let authority = Authority::new();
    let (directory, port) = (TempDir::new().unwrap(), free_port().unwrap());
    let own = authority.issue(&["127.0.0.1"]);
    let settings = asks_who_clients_are(directory.path(), &authority, &own, port);
    let options = options(settings).setting("tls-cluster", "yes");
    let _node = RedisCluster::start_one_with(options, Some(port))
        .await
        .unwrap();
    let client = authority.issue(&["client"]);
    let settings = RedisBackend::builder()
        .cluster_nodes([format!("rediss://127.0.0.1:{port}")])
        .root_certificate(authority.certificate.clone());
    assert_works(
        settings
            .clone()
            .client_certificate(client.certificate, client.key),
    )
    .await;
    settings.deadline(PATIENT).connect().await.unwrap_err();
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_by_name() {
    let authority = Authority::new();
    let (one, two) = (authority.issue(&["one"]), authority.issue(&["two"]));
    for (chain, key, words) in [
        ("no PEM", one.key.as_str(), "the chain of"),
        ("", &one.key, "the chain of"),
        (&one.key, &one.key, "the chain of"),
        (&one.certificate, "no PEM", "the key of"),
        (&one.certificate, &one.certificate, "the key of"),
        (&one.certificate, &two.key, "does not belong"),
    ] {
        let settings = RedisBackend::builder()
            .url("rediss://localhost")
            .root_certificate(authority.certificate.clone())
            .client_certificate(chain, key);
        assert!(!format!("{settings:?}").contains("PRIVATE"));
        let error = settings.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        let text = error.to_string();
        assert!(text.contains("`client_certificate`"), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

/// It would be taken for one that is shown.
#[test]
fn without_tls_it_is_refused() {
    let client = Authority::new().issue(&["client"]);
    let settings =
        RedisBackend::builder().client_certificate(client.certificate.clone(), client.key);
    for settings in [
        settings.clone().url("redis://localhost"),
        settings.clone().url("unix:///run/redis.sock"),
        settings.host("localhost", 6379),
    ] {
        let error = settings.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        let text = error.to_string();
        assert!(text.contains("`client_certificate`") && text.contains("rediss://"));
    }
}
