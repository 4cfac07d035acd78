//! Runtimes that come and go, that lack something, and that are not there.

use std::{pin::Pin, sync::Arc, thread, time::Duration};

use crate::server::{PATIENT, builder, key, patient, start, value};
use futures::{FutureExt, executor, future::join_all};
use hitbox_backend::{Backend, BackendErrorKind, BackendResult, compression::GzipCompressor};
use hitbox_redis::RedisBackend;
use test_servers::redis::RedisServer;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server on a runtime that stays.
fn served() -> (Runtime, RedisServer, RedisBackend) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(start());
    let cache = patient(&server);
    runtime
        .block_on(cache.write(&key("k"), value("live")))
        .unwrap();
    drop(cache);
    let cache = patient(&server);
    (runtime, server, cache)
}

/// As a static of a program whose tests run in parallel: each has a runtime of its own.
#[test]
fn the_end_of_one_runtime_costs_the_others_no_error() {
    const THREADS: usize = 8;
    const RUNTIMES: usize = 40;
    const READS: usize = 30;
    let (_stays, _server, cache) = served();
    let failures: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let cache = cache.clone();
                scope.spawn(move || {
                    let mut failed = 0;
                    for round in 0..RUNTIMES {
                        let own = key(&format!("{number}-{round}"));
                        failed += runtime().block_on(async {
                            let reads = (0..READS).map(|_| async {
                                matches!(cache.read(&key("k")).await, Ok(Some(_)))
                            });
                            let served = join_all(reads).await;
                            let written = cache.write(&own, value("own")).await;
                            // One that was repeated is done.
                            let failed = written.is_err_and(|error| error.repeated().is_none());
                            served.iter().filter(|served| !**served).count() + usize::from(failed)
                        });
                    }
                    failed
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let opened = cache.statistics().connections_opened;
    println!("{failures} failures; {opened} connections");
    assert_eq!(failures, 0);
    assert!(
        opened <= 3,
        "it stays when it has a thread of its own: {opened}"
    );
}

#[test]
fn without_a_runtime_it_says_so() {
    let (_stays, server, cache) = served();
    // What is long is compressed elsewhere.
    let compressing = builder(&server).compressor(GzipCompressor::default());
    let compressing = compressing.build().unwrap();
    let outcomes = [
        executor::block_on(cache.read(&key("k"))).err(),
        executor::block_on(cache.write(&key("k"), value("x"))).err(),
        executor::block_on(cache.remove(&key("k"))).err(),
        executor::block_on(cache.read_many(&[key("k")]))
            .remove(0)
            .err(),
        executor::block_on(cache.write_many(vec![(key("k"), value("x"))]))
            .remove(0)
            .err(),
        executor::block_on(cache.remove_many(&[key("k")]))
            .remove(0)
            .err(),
        executor::block_on(cache.ping()).err(),
        executor::block_on(compressing.write(&key("k"), value(vec![7; 1 << 20]))).err(),
    ];
    for error in outcomes {
        let error = error.unwrap();
        assert_eq!(
            error.kind(),
            BackendErrorKind::InvalidConfiguration,
            "{error}"
        );
        assert!(error.to_string().contains("tokio runtime"), "{error}");
    }
}

#[test]
fn a_runtime_without_io_or_without_a_timer_is_named() {
    let (stays, _server, cache) = served();
    let without_io = Builder::new_current_thread().enable_time().build().unwrap();
    let without_time = Builder::new_current_thread().enable_io().build().unwrap();
    let without_both = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for (runtime, lacks) in [
        (without_io, "no I/O"),
        (without_time, "no timer"),
        (without_both, "no timer"),
    ] {
        for _ in 0..3 {
            let errors = runtime.block_on(async {
                let key = key("k");
                join_all((0..64).map(|_| cache.read(&key))).await
            });
            for error in errors {
                let error = error.unwrap_err();
                assert_eq!(
                    error.kind(),
                    BackendErrorKind::InvalidConfiguration,
                    "{error}"
                );
                let told = error.to_string();
                assert!(
                    told.contains(lacks) && told.contains("enable_all"),
                    "{told}"
                );
            }
        }
    }
    // It is the runtime's fault, not the backend's.
    assert!(stays.block_on(cache.read(&key("k"))).unwrap().is_some());
}

#[test]
fn what_a_runtime_leaves_behind_is_done_by_the_backends_own_thread() {
    let (stays, _server, cache) = served();
    let cache = Arc::new(cache);
    for round in 0..20 {
        let first = runtime();
        let begun: Vec<_> = first.block_on(async {
            cache.read(&key("k")).await.unwrap();
            (0..64)
                .map(|_| {
                    let cache = Arc::clone(&cache);
                    stays.spawn(async move { cache.read(&key("k")).await })
                })
                .collect()
        });
        drop(first);
        for read in begun {
            let found = stays.block_on(read).unwrap();
            assert!(found.unwrap().is_some(), "{round}");
        }
    }
    assert!(cache.statistics().connections_opened <= 2);
    stays.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
}

type Call<'c> = Pin<Box<dyn Future<Output = BackendResult<()>> + Send + 'c>>;

/// One of each kind.
fn calls(cache: &RedisBackend) -> Vec<Call<'_>> {
    vec![
        Box::pin(async { cache.read(&key("k")).await.map(drop) }),
        Box::pin(async { cache.write(&key("k"), value("x")).await }),
        Box::pin(async { cache.remove(&key("k")).await.map(drop) }),
        Box::pin(async { cache.read_many(&[key("k")]).await.remove(0).map(drop) }),
        Box::pin(async {
            let entries = vec![(key("k"), value("x")), (key("l"), value("x"))];
            cache.write_many(entries).await.remove(0)
        }),
        Box::pin(async {
            let keys = [key("k"), key("l")];
            cache.remove_many(&keys).await.remove(0).map(drop)
        }),
        Box::pin(async { cache.ping().await }),
    ]
}

/// Begins calls in a runtime that ends, and goes on with them in another one, or in none.
fn assert_fails_without_a_panic(cache: &RedisBackend, elsewhere: Option<&Runtime>) {
    // More than go by themselves.
    let mut begun: Vec<_> = (0..4).flat_map(|_| calls(cache)).collect();
    let ends = runtime();
    ends.block_on(async {
        for call in &mut begun {
            assert!(call.now_or_never().is_none(), "the server is silent");
        }
    });
    drop(ends);
    for call in begun {
        let outcome = match elsewhere {
            Some(runtime) => runtime.block_on(call),
            None => executor::block_on(call),
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("runtime"), "{error}");
        assert!(!error.is_definite(), "{error}");
    }
}

#[test]
fn a_call_that_goes_on_after_its_runtime_has_ended_fails() {
    let (stays, server, cache) = served();
    stays.block_on(cache.ping()).unwrap();
    server.pause().unwrap();
    assert_fails_without_a_panic(&cache, Some(&stays));
    assert_fails_without_a_panic(&cache, None);
    // Nobody is connected yet.
    let cold = builder(&server).deadline(PATIENT).build().unwrap();
    assert_fails_without_a_panic(&cold, Some(&stays));
    server.resume().unwrap();
    for cache in [cache, cold] {
        stays.block_on(cache.read(&key("k"))).unwrap();
    }
}
