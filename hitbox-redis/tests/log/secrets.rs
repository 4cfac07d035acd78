//! No password and no value shows up in anything that may be logged.

use std::{
    error::Error,
    fmt::Debug,
    time::{Duration, SystemTime},
};

use crate::recorder::record;
use crate::server;
use crate::server::{Observer, PATIENT, Provider, key, start, until, value};
use hitbox_backend::{Backend, BackendError};
use hitbox_redis::{Credentials, RedisBackend};
use test_servers::redis::{RedisOptions, RedisServer};

const SECRET: &str = "hunter2";

/// As text, as a list of numbers and in hexadecimal digits.
fn assert_discreet(shown: &str) {
    let bytes = SECRET.as_bytes();
    let list = format!("{bytes:?}");
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for form in [SECRET, list.trim_matches(['[', ']']), &digits] {
        assert!(!shown.to_lowercase().contains(form), "{shown}");
    }
}

fn assert_error_discreet(error: &BackendError) {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        assert_discreet(&format!("{error} {error:?} {error:#?}"));
        cause = error.source();
    }
}

fn assert_debug_discreet(thing: &impl Debug) {
    assert_discreet(&format!("{thing:?} {thing:#?}"));
}

#[tokio::test]
async fn a_password_in_the_url_or_on_its_own() {
    let recorder = record();
    let options = RedisOptions::new().setting("requirepass", SECRET);
    let server = RedisServer::start(options).await.unwrap();
    let port = server.port();
    let in_url = format!("redis://:{SECRET}@127.0.0.1:{port}");
    let wrong = format!("redis://user:{SECRET}-wrong@127.0.0.1:{port}");
    let refused = format!("redis://user:{SECRET}@127.0.0.1:1");
    let unix = format!("unix:///nowhere?pass={SECRET}");
    for url in [in_url.clone(), wrong, refused, unix] {
        let builder = RedisBackend::builder().url(url);
        assert_debug_discreet(&builder);
        let cache = builder.clone().build().unwrap();
        assert_debug_discreet(&cache);
        for error in [
            cache.read(&key("k")).await.err(),
            cache.write(&key("k"), value("x")).await.err(),
            cache.remove(&key("k")).await.err(),
            builder.connect().await.err(),
        ] {
            error.iter().for_each(assert_error_discreet);
        }
        assert_debug_discreet(&cache);
        assert_debug_discreet(&cache.statistics());
    }
    let apart = RedisBackend::builder()
        .host("127.0.0.1", port)
        .username("default");
    let apart = apart.password(SECRET);
    assert_debug_discreet(&apart);
    assert_debug_discreet(&apart.connect().await.unwrap());
    RedisBackend::builder().url(in_url).connect().await.unwrap();
    recorder
        .lines()
        .iter()
        .for_each(|line| assert_discreet(line));
}

/// It quotes the arguments, and one of them is the password.
#[tokio::test]
async fn a_server_that_does_not_know_how_to_log_in() {
    let _turn = record();
    let options = RedisOptions::new().setting("rename-command", "AUTH NO_AUTH");
    let server = RedisServer::start(options).await.unwrap();
    for settings in [
        server::builder(&server).password(SECRET),
        server::builder(&server).username("user").password(SECRET),
    ] {
        let error = settings.clone().connect().await.unwrap_err();
        assert_error_discreet(&error);
        let error = settings.build().unwrap().read(&key("k")).await.unwrap_err();
        assert_error_discreet(&error);
        assert!(error.to_string().contains("unknown command"), "{error}");
    }
}

#[test]
fn a_url_that_cannot_be_used() {
    let _turn = record();
    for url in [
        format!("redis://:{SECRET}/@host"),
        format!("redis://:{SECRET}@host:port"),
        format!("redis://:pass@host/{SECRET}"),
        format!("redis://:pass@host/?protocol={SECRET}"),
        format!("http://:{SECRET}@host"),
        format!("rediss://:{SECRET}@host/#{SECRET}"),
        format!("{SECRET}@host:6379"),
    ] {
        let builder = RedisBackend::builder().url(&url);
        assert_debug_discreet(&builder);
        assert_error_discreet(&builder.build().unwrap_err());
    }
}

/// A server that does not know a command quotes its arguments in its answer.
#[tokio::test]
async fn an_answer_that_quotes_the_command() {
    let _turn = record();
    let options = RedisOptions::new()
        .setting("rename-command", "SET NO_SET")
        .setting("rename-command", "UNLINK NO_UNLINK");
    let server = RedisServer::start(options).await.unwrap();
    let cache = server::backend(&server);
    let key = key(SECRET);
    let written = cache.write(&key, value(SECRET)).await;
    assert_error_discreet(&written.unwrap_err());
    for written in cache.write_many(vec![(key.clone(), value(SECRET))]).await {
        assert_error_discreet(&written.unwrap_err());
    }
    let removed = cache.remove(&key).await;
    assert_error_discreet(&removed.unwrap_err());
    for removed in cache.remove_many(&[key]).await {
        assert_error_discreet(&removed.unwrap_err());
    }
}

#[tokio::test]
async fn a_value_in_debug_output_of_a_used_backend() {
    let _turn = record();
    let server = start().await;
    let cache = server::backend(&server);
    cache.write(&key("k"), value(SECRET)).await.unwrap();
    assert_debug_discreet(&cache.read(&key("k")).await.unwrap());
    assert_debug_discreet(&cache);
}

#[tokio::test]
async fn all_that_is_logged() {
    let recorder = record();
    let options = RedisOptions::new().setting("requirepass", SECRET);
    let server = RedisServer::start(options).await.unwrap();
    let port = server.port();
    let url = format!("redis://:{SECRET}@127.0.0.1:{port}");
    let wrong = format!("redis://:{SECRET}-wrong@127.0.0.1:{port}");
    let refused = format!("redis://user:{SECRET}@127.0.0.1:1");
    for url in [wrong, refused] {
        let cache = RedisBackend::builder().url(url).build().unwrap();
        cache.read(&key("k")).await.unwrap_err();
        cache.write(&key("k"), value(SECRET)).await.unwrap_err();
    }
    let cache = RedisBackend::builder().url(&url).connect().await.unwrap();
    cache.write(&key("k"), value(SECRET)).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());
    // Stored by somebody else, under the name of the key.
    let mut observer = Observer::connect(&url).await;
    let () = observer.ask(&[b"SET", b"k:v1", SECRET.as_bytes()]).await;
    assert_eq!(cache.read(&key("k")).await.unwrap(), None);

    let lines = recorder.lines();
    lines.iter().for_each(|line| assert_discreet(line));
    for message in ["no connection", "connected", "stored bytes not served"] {
        let told = lines.iter().any(|line| line.contains(message));
        assert!(told, "nobody told {message:?}: {lines:#?}");
    }
}

/// Also where a renewal is refused, which nobody's call is told of.
#[tokio::test]
async fn what_a_provider_gives() {
    let recorder = record();
    let options = RedisOptions::new().setting("requirepass", SECRET);
    let server = RedisServer::start(options).await.unwrap();
    let soon = SystemTime::now() + Duration::from_secs(1);
    let right = Credentials::of_default_user(SECRET).until(soon);
    let wrong = Credentials::new(SECRET, format!("{SECRET}-wrong"));
    assert_debug_discreet(&right);
    assert_debug_discreet(&wrong);

    let provider = Provider::default();
    provider.give([Ok(wrong.clone())]);
    let settings = server::builder(&server).credentials(provider);
    assert_debug_discreet(&settings);
    assert_error_discreet(&settings.connect().await.unwrap_err());

    let provider = Provider::default();
    provider.give([Ok(right), Ok(wrong)]);
    let settings = server::builder(&server).credentials(provider.clone());
    let cache = settings.deadline(PATIENT).connect().await.unwrap();
    assert_debug_discreet(&cache);
    until(async || provider.asked() >= 4).await;
    cache.write(&key("k"), value("live")).await.unwrap();
    let lines = recorder.lines();
    lines.iter().for_each(|line| assert_discreet(line));
    let told = |level: &str| {
        let of_level = lines.iter().filter(|line| line.contains(level));
        of_level.filter(|line| line.contains("credentials")).count()
    };
    assert_eq!(told("WARN"), 1, "{lines:#?}");
    assert!(told("DEBUG") >= 1, "{lines:#?}");
}
