//! TLS, by a proxy in front of a server that knows none.

use std::sync::Arc;

use crate::server::{key, start, value};
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_redis::RedisBackend;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// Speaks TLS to clients and forwards what they say. Returns its port, and its certificate as PEM.
async fn proxy(server: u16) -> (u16, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let private = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let _ended = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, cert.pem())
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_and_another_is_not() {
    let server = start().await;
    let (port, certificate) = proxy(server.port()).await;
    let settings = RedisBackend::builder().url(format!("rediss://localhost:{port}"));

    let trusting = settings.clone().root_certificate(certificate);
    let cache = trusting.connect().await.unwrap();
    cache.write(&key("k"), value("live")).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());

    let (_, unrelated) = proxy(server.port()).await;
    for settings in [settings.clone(), settings.root_certificate(unrelated)] {
        let error = settings.connect().await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_refused_by_name() {
    let settings = RedisBackend::builder().url("rediss://localhost");
    let error = settings.root_certificate("no PEM").build().unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    assert!(error.to_string().contains("`root_certificate`"), "{error}");
}

/// It would be taken for one that is checked.
#[test]
fn a_certificate_without_tls_is_refused() {
    for settings in [
        RedisBackend::builder().url("redis://localhost"),
        RedisBackend::builder().url("unix:///run/redis.sock"),
        RedisBackend::builder().host("localhost", 6379),
    ] {
        let error = settings.root_certificate("no PEM").build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains("rediss://"), "{error}");
    }
}
