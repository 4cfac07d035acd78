//! A web service that caches what it computes in moka (in process), and behind it in Redis, which
//! all instances of the service share.
//!
//! ```text
//! cargo xtask example moka_redis
//! ```
//!
//! brings a Redis server up and takes it down again with the service. With a server of your own:
//!
//! ```text
//! REDIS_URL=redis://localhost cargo run --example moka_redis -- --listen 127.0.0.1:3000
//! ```
//!
//! The first request for a report makes it, the second is answered by moka:
//!
//! ```text
//! $ curl -i http://127.0.0.1:3000/primes/10000000
//! HTTP/1.1 200 OK
//! content-type: application/json
//! x-cache-status: loaded
//! x-cache-source: upstream
//! age: 1
//! cache-control: max-age=60, stale-while-revalidate=540
//! content-length: 103
//! date: Sun, 22 Nov 2026 13:06:42 GMT
//!
//! {"limit":10000000,"primes":664579,"sum":3203324994356,"largest":9999991,"twins":58980,"widest_gap":154}
//! $ curl -i http://127.0.0.1:3000/primes/10000000
//! HTTP/1.1 200 OK
//! content-type: application/json
//! x-cache-status: hit
//! x-cache-source: composition.moka
//! age: 4
//! ...
//! ```
//!
//! A second instance (`--instances 2`, on port 3001) has not made it and answers from Redis,
//! `x-cache-source: composition.redis`, and from its own moka the next time.
//!
//! What one instance changes, the others have within 250 milliseconds, though each serves from its own moka:
//!
//! ```text
//! $ cargo xtask example moka_redis -- --instances 2
//! $ curl -X PUT -d 'the twins are rare' http://127.0.0.1:3000/notes/100
//! $ curl http://127.0.0.1:3001/notes/100
//! the twins are rare
//! ```
//!
//! - A report that is no longer fresh is served as it is (`x-cache-status: stale`), and made anew in
//!   the background.
//! - `curl -X DELETE` drops a report from moka and Redis, and from the moka of the other instances. One that is just
//!   making it does not bring it back. Whoever has kept a response, as its `cache-control` permits, is not told.
//! - Without Redis, reports are made and kept in moka, and served from there as stale for half a minute; nothing fails but
//!   removals and notes, which cannot be certain (503). `curl http://127.0.0.1:3000/status` tells how many keys Redis has not confirmed.
//! - Ctrl-C and SIGTERM end the service in good order: the requests under way may finish, then what
//!   runs in the background. What came to nothing is said; here Redis had stopped answering:
//!
//! ```text
//! ending
//! drained: 1 done in the background
//! not confirmed by Redis: primes:v1:id=1000
//! ```
//!
//! - However many ask for a report that is not there, of whatever instance, it is made once (`x-cache-status: loaded` for the
//!   first of them, `joined` for the others of one instance).

mod arguments;
mod cache;
mod headers;
mod instances;
mod notes;
mod primes;
mod routes;
mod shutdown;

use std::{error::Error, pin::pin, process::ExitCode};

use futures::{
    FutureExt,
    future::{Either, select},
};
use hitbox::OffloadManager;
use tokio::{net::TcpListener, sync::oneshot, time::sleep};

use arguments::{Arguments, Command, Role};
use instances::Others;
use notes::Notes;
use routes::Service;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Command::Run(arguments)) => arguments,
        Ok(Command::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("moka_redis: {error} (--help lists the options)");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moka_redis: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let offload = OffloadManager::builder().build()?;
    let layers = cache::layers(arguments.redis.clone(), offload.clone())?;
    let cache = cache::cache(layers.clone(), arguments.lives)?;
    let service = Service {
        cache: cache.clone(),
        layers: layers.clone(),
        offload: offload.clone(),
        lives: arguments.lives,
        notes: Notes::open(arguments.notes.clone())
            .map_err(|error| format!("--notes {}: {error}", arguments.notes.display()))?,
    };
    // Said now for whoever has mistyped the address. The service does without Redis.
    match layers.l2().ping().await {
        Ok(()) => println!("Redis answers"),
        Err(error) => println!("going on without Redis: {error}"),
    }
    let end = shutdown::requested()?;
    let listener = TcpListener::bind(&arguments.listen)
        .await
        .map_err(|error| format!("--listen {}: {error}", arguments.listen))?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    let others = Others::start(&arguments, address)?;
    match arguments.role {
        Role::First => serve(listener, service, end).await?,
        Role::Another => {
            let end = select(Box::pin(end), Box::pin(instances::first_has_ended()));
            serve(listener, service, end.map(drop)).await?;
        }
    }
    drop(others);
    shutdown::drain(&cache, &offload, &layers).await;
    Ok(())
}

/// Serves until `end`, and then no longer than the requests under way take, within bounds.
async fn serve(
    listener: TcpListener,
    service: Service,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let (ending, ended) = oneshot::channel();
    let request_to_end = async move {
        end.await;
        println!("ending");
        // Nobody listens only if the service has ended already.
        let _ = ending.send(());
    };
    let serving = axum::serve(listener, routes::router(service))
        .with_graceful_shutdown(request_to_end)
        .into_future();
    let out_of_patience = async {
        match ended.await {
            Ok(()) => sleep(shutdown::PATIENCE).await,
            Err(_) => std::future::pending().await,
        }
    };
    match select(pin!(serving), pin!(out_of_patience)).await {
        Either::Left((served, _)) => Ok(served?),
        Either::Right(((), _)) => {
            println!("some requests were broken off");
            Ok(())
        }
    }
}
