//! Credentials that change while the backend lives.

use std::time::{Duration, SystemTime};

use crate::server::{Observer, PATIENT, Provider, builder, key, start, until, value};
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_redis::{Credentials, RedisBackend};
use test_servers::redis::{RedisOptions, RedisServer};

const USER: &str = "cache";

fn with(password: &str) -> Result<Credentials, String> {
    Ok(Credentials::new(USER, password))
}

/// A server that lets the user in with this password.
async fn server_with(password: &str) -> (RedisServer, Observer) {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    set_password(&mut observer, password).await;
    (server, observer)
}

/// The password in place of the one before.
async fn set_password(observer: &mut Observer, password: &str) {
    let password = format!(">{password}");
    let rules: [&[u8]; 8] = [
        b"ACL",
        b"SETUSER",
        USER.as_bytes(),
        b"on",
        b"~*",
        b"+@all",
        b"resetpass",
        password.as_bytes(),
    ];
    let () = observer.ask(&rules).await;
}

async fn kill_the_users_connections(observer: &mut Observer) {
    let killed: u32 = observer
        .ask(&[b"CLIENT", b"KILL", b"USER", USER.as_bytes()])
        .await;
    assert!(killed > 0, "there was one");
}

#[tokio::test]
async fn a_rotation_costs_one_connection() {
    let (server, mut observer) = server_with("one").await;
    let provider = Provider::default();
    provider.give([with("one")]);
    let settings = builder(&server)
        .credentials(provider.clone())
        .deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    cache.write(&key("k"), value("before")).await.unwrap();

    for (round, password) in ["two", "three"].into_iter().enumerate() {
        set_password(&mut observer, password).await;
        provider.give([with(password)]);
        kill_the_users_connections(&mut observer).await;
        // A write that is on its way when the connection ends would be in doubt; a read shows that it has.
        assert!(cache.read(&key("k")).await.unwrap().is_some());
        cache.write(&key("k"), value("after")).await.unwrap();
        let opened = u64::try_from(round).unwrap() + 2;
        assert_eq!(cache.statistics().connections_opened, opened);
        assert_eq!(u64::from(provider.asked()), opened);
    }
}

/// The server knows the new password before the provider does.
#[tokio::test]
async fn a_refused_login_asks_again() {
    let (server, _observer) = server_with("new").await;
    let provider = Provider::default();
    provider.give([with("old"), with("old"), with("new")]);
    let settings = builder(&server).credentials(provider.clone());
    let cache = settings.deadline(PATIENT).build().unwrap();
    let error = cache.read(&key("k")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
    until(async || cache.read(&key("k")).await.is_ok()).await;
    assert_eq!(provider.asked(), 3);
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_again_and_its_words_are_shown() {
    let (server, _observer) = server_with("right").await;
    let provider = Provider::default();
    let failure = Err("the vault is sealed\nand more".to_owned());
    provider.give([failure.clone(), failure, with("right")]);
    let settings = builder(&server).credentials(provider.clone());
    let cache = settings.deadline(PATIENT).build().unwrap();
    let error = cache.read(&key("k")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.is_definite() && error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("no credentials: the vault is sealed"));
    assert!(text.contains(&server.port().to_string()) && !text.contains("and more"));
    until(async || cache.read(&key("k")).await.is_ok()).await;
    assert_eq!(provider.asked(), 3);
}

/// Each attempt to connect would otherwise begin anew, and none would live to see the answer.
#[tokio::test]
async fn a_provider_that_takes_longer_than_an_attempt_is_heard() {
    let (server, _observer) = server_with("right").await;
    let provider = Provider::default();
    provider.give([with("right")]);
    provider.take(Duration::from_millis(400));
    let cache = builder(&server)
        .credentials(provider.clone())
        .connect_timeout(Duration::from_millis(100))
        .deadline(PATIENT)
        .build()
        .unwrap();
    let error = cache.read(&key("k")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("has not answered"), "{error}");
    until(async || cache.ping().await.is_ok()).await;
    assert_eq!(provider.asked(), 1, "one answer was enough");
}

/// How many connections the user has, and how often one of them has logged in.
async fn logins(observer: &mut Observer) -> (usize, u64) {
    let list: String = observer.ask(&[b"CLIENT", b"LIST"]).await;
    let of_user = format!("user={USER} ");
    let connections = list.lines().filter(|line| line.contains(&of_user)).count();
    (connections, observer.calls("auth").await)
}

#[tokio::test]
async fn a_connection_logs_in_anew_before_its_credentials_end() {
    let (server, mut observer) = server_with("one").await;
    let provider = Provider::default();
    let soon = SystemTime::now() + Duration::from_secs(3);
    provider.give([with("one").map(|given| given.until(soon)), with("two")]);
    let settings = builder(&server)
        .credentials(provider.clone())
        .deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    set_password(&mut observer, "two").await;
    assert_eq!(logins(&mut observer).await, (1, 1));
    until(async || {
        cache.write(&key("k"), value("live")).await.unwrap();
        logins(&mut observer).await == (1, 2)
    })
    .await;
    assert_eq!(cache.statistics().connections_opened, 1);
    assert_eq!(provider.asked(), 2);
}

/// What it was let in with counts until the server says otherwise.
#[tokio::test]
async fn a_renewal_that_fails_leaves_the_connection_and_is_tried_again() {
    let (server, mut observer) = server_with("one").await;
    let provider = Provider::default();
    let soon = SystemTime::now() + Duration::from_secs(1);
    let first = with("one").map(|given| given.until(soon));
    let sealed = Err("the vault is sealed".to_owned());
    provider.give([first, with("wrong"), sealed, with("one")]);
    let settings = builder(&server)
        .credentials(provider.clone())
        .deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    until(async || {
        cache.write(&key("k"), value("live")).await.unwrap();
        provider.asked() == 4
    })
    .await;
    until(async || logins(&mut observer).await.0 == 1).await;
    assert_eq!(cache.statistics().connections_opened, 1);
}

#[tokio::test]
async fn the_default_user_has_a_password_only() {
    let options = RedisOptions::new().setting("requirepass", "secret");
    let server = RedisServer::start(options).await.unwrap();
    for (credentials, is_let_in) in [
        (Credentials::of_default_user("secret"), true),
        (Credentials::new("default", "secret"), true),
        (Credentials::of_default_user("other"), false),
    ] {
        let settings = builder(&server).credentials(credentials).deadline(PATIENT);
        assert_eq!(settings.connect().await.is_ok(), is_let_in);
    }
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn each_node_of_a_cluster_is_logged_in_to() {
    let cluster = test_servers::redis::RedisCluster::start().await.unwrap();
    let mut nodes = Vec::new();
    for url in cluster.urls() {
        let mut observer = Observer::connect(&url).await;
        set_password(&mut observer, "one").await;
        nodes.push(observer);
    }
    let provider = Provider::default();
    provider.give([with("one")]);
    let cache = RedisBackend::builder()
        .cluster_nodes(cluster.urls())
        .credentials(provider.clone())
        .deadline(PATIENT)
        .build()
        .unwrap();
    let keys: Vec<_> = (0..30).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        cache.write(key, value("live")).await.unwrap();
    }
    for node in &mut nodes {
        assert_eq!(logins(node).await.0, 1);
        set_password(node, "two").await;
    }
    provider.give([with("two")]);
    for node in &mut nodes {
        kill_the_users_connections(node).await;
    }
    for found in cache.read_many(&keys).await {
        assert!(found.unwrap().is_some());
    }
    assert_eq!(provider.asked(), 6, "for each node, twice");
}

#[test]
fn a_provider_besides_a_fixed_password_is_refused() {
    let settings = || RedisBackend::builder().credentials(Credentials::new(USER, "one"));
    for settings in [
        settings().url("redis://:secret@localhost"),
        settings().url("redis://localhost").password("secret"),
        settings().url("redis://localhost").username("user"),
        settings().host("localhost", 6379).password("secret"),
    ] {
        let error = settings.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains("`credentials`"), "{error}");
    }
}
