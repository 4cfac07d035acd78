//! What an error tells its reader: where, what, and what to do, each once.

use std::error::Error;

use crate::server::{Observer, PATIENT, builder, key, start, value};
use hitbox_backend::{Backend, BackendError, BackendErrorKind as Kind};
use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::{io::AsyncWriteExt, net::TcpListener};

/// The error and all its causes, as programs print them.
fn told(error: &BackendError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(&format!(": {error}"));
        cause = error.source();
    }
    told
}

#[track_caller]
fn assert_tells(error: &BackendError, kind: Kind, once: &[&str]) {
    let told = told(error);
    assert_eq!(error.kind(), kind, "{told}");
    for part in once {
        assert_eq!(told.matches(part).count(), 1, "{part:?} in {told:?}");
    }
}

async fn errors(settings: RedisBackendBuilder) -> Vec<BackendError> {
    let cache = settings.deadline(PATIENT).build().unwrap();
    let key = key("k");
    let keys = [key.clone()];
    let mut errors = vec![
        cache.read(&key).await.unwrap_err(),
        cache.write(&key, value("x")).await.unwrap_err(),
        cache.remove(&key).await.unwrap_err(),
        cache.ping().await.unwrap_err(),
    ];
    errors.extend(
        cache
            .read_many(&keys)
            .await
            .into_iter()
            .map(Result::unwrap_err),
    );
    errors.extend(
        cache
            .remove_many(&keys)
            .await
            .into_iter()
            .map(Result::unwrap_err),
    );
    let entries = vec![(key, value("x"))];
    errors.extend(
        cache
            .write_many(entries)
            .await
            .into_iter()
            .map(Result::unwrap_err),
    );
    errors
}

#[tokio::test]
async fn a_server_that_is_down() {
    let mut server = start().await;
    let address = format!("127.0.0.1:{}", server.port());
    server.kill();
    for error in errors(builder(&server)).await {
        assert_tells(&error, Kind::Unavailable, &[&address, "Connection refused"]);
        assert!(error.is_definite(), "nothing was sent: {error}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let settings = RedisBackend::builder().url("redis://user:secret@nowhere.invalid:1234");
    for error in errors(settings).await {
        let told = told(&error);
        assert!(!told.contains("secret"), "{told}");
        // Where there is no resolver at all, the look-up may not end in time.
        let kinds = [Kind::Unavailable, Kind::Timeout];
        assert!(kinds.contains(&error.kind()), "{told}");
        assert_eq!(told.matches("nowhere.invalid:1234").count(), 1, "{told}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there() {
    let server = start().await;
    for error in errors(builder(&server).database(99)).await {
        let parts = ["`database`", "DB index is out of range"];
        assert_tells(&error, Kind::InvalidConfiguration, &parts);
    }
}

#[tokio::test]
async fn credentials_that_are_wrong_or_missing() {
    let options = RedisOptions::new().setting("requirepass", "right");
    let server = RedisServer::start(options).await.unwrap();
    for error in errors(builder(&server).password("wrong")).await {
        let parts = [
            "user name or password",
            "WRONGPASS invalid username-password pair",
        ];
        assert_tells(&error, Kind::Denied, &parts);
    }
    for error in errors(builder(&server)).await {
        let parts = ["`password`", "NOAUTH", "Authentication required"];
        assert_tells(&error, Kind::Denied, &parts);
    }
    let open = start().await;
    for error in errors(builder(&open).password("pass")).await {
        let parts = ["without any password configured"];
        assert_tells(&error, Kind::Denied, &parts);
    }
}

#[tokio::test]
async fn a_server_with_no_room_for_clients() {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let () = observer
        .ask(&[b"CONFIG", b"SET", b"maxclients", b"1"])
        .await;
    for error in errors(builder(&server)).await {
        let parts = ["no room", "max number of clients reached"];
        assert_tells(&error, Kind::Throttled, &parts);
    }
}

/// What only servers on other machines say, or old ones, by a stub.
async fn stub(refusals: &'static [(&'static str, &'static str)]) -> RedisBackendBuilder {
    use tokio::io::AsyncReadExt;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(length @ 1..) = client.read(&mut buffer).await {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    // One reply for each command, by its name. A value may have a star in it, too.
                    let commands = text.strip_prefix('*').unwrap_or_default();
                    for command in commands.split("\r\n*") {
                        let name = command.split("\r\n").nth(2).unwrap_or_default();
                        let refusal = refusals.iter().find(|(refused, _)| *refused == name);
                        let reply = refusal.map_or("+OK", |(_, reply)| reply);
                        if client
                            .write_all(format!("{reply}\r\n").as_bytes())
                            .await
                            .is_err()
                        {
                            return;
                        }
                    }
                }
            });
        }
    });
    RedisBackend::builder().host("127.0.0.1", port)
}

#[tokio::test]
async fn protected_mode() {
    let settings = stub(&[(
        "CLIENT",
        "-DENIED Redis is running in protected mode because protected mode is enabled",
    )])
    .await;
    for error in errors(settings).await {
        assert_tells(
            &error,
            Kind::Denied,
            &["`protected-mode`", "running in protected mode"],
        );
    }
}

#[tokio::test]
async fn a_sentinel_an_old_server_and_too_few_replicas() {
    let unknown = "-ERR unknown command 'GET', with args beginning with: 'secret'";
    let settings = stub(Box::leak(Box::new([("GET", unknown)]))).await;
    let error = settings
        .build()
        .unwrap()
        .read(&key("secret"))
        .await
        .unwrap_err();
    assert_tells(&error, Kind::InvalidConfiguration, &["Sentinel", "6.2"]);
    assert!(!told(&error).contains("secret"));

    let settings = stub(&[("SET", "-ERR syntax error")]).await;
    let cache = settings.deadline(PATIENT).build().unwrap();
    let error = cache.write(&key("k"), value("x")).await.unwrap_err();
    assert_tells(&error, Kind::InvalidConfiguration, &["PXAT", "6.2"]);

    let replicas = "-NOREPLICAS Not enough good replicas to write.";
    let settings = stub(Box::leak(Box::new([("SET", replicas)]))).await;
    let cache = settings.deadline(PATIENT).build().unwrap();
    let error = cache.write(&key("k"), value("x")).await.unwrap_err();
    assert_tells(&error, Kind::Unavailable, &["too few replicas"]);
    assert!(error.is_retryable() && error.is_definite(), "{error}");
}

#[tokio::test]
async fn replies_of_the_wrong_kind() {
    for [get, mget, set, unlink] in [
        [":5", ":5", ":5", "$1\r\nx"],
        ["+OK", "*0", "$-1", "+OK"],
        ["*1\r\n:5", "*1\r\n:5", "*0", "$-1"],
    ] {
        let kinds = [
            ("GET", get),
            ("MGET", mget),
            ("SET", set),
            ("UNLINK", unlink),
        ];
        let settings = stub(Box::leak(Box::new(kinds))).await;
        let cache = settings.deadline(PATIENT).build().unwrap();
        let (one, two) = (key("1"), key("2"));
        let keys = [one.clone(), two.clone()];
        let entries = vec![(one.clone(), value("x")), (two.clone(), value("x"))];
        let mut errors = vec![
            cache.read(&one).await.unwrap_err(),
            cache.write(&one, value("x")).await.unwrap_err(),
            cache.remove(&one).await.unwrap_err(),
        ];
        let found = cache.read_many(&keys).await.into_iter();
        errors.extend(found.map(Result::unwrap_err));
        let written = cache.write_many(entries).await.into_iter();
        errors.extend(written.map(Result::unwrap_err));
        let removed = cache.remove_many(&keys).await.into_iter();
        errors.extend(removed.map(Result::unwrap_err));
        for error in errors {
            let parts = ["127.0.0.1:", "does not fit the command"];
            assert_tells(&error, Kind::Internal, &parts);
        }
    }
}
