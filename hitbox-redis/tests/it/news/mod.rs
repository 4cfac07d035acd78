//! Changes that are announced, and who hears of them.

mod announced;
pub(crate) mod coherent;
mod plane;
mod refused;
mod settings;

use crate::server::{self, PATIENT};
use hitbox_backend::coherence::{Backplane, Heard, Mark, News};
use hitbox_redis::{RedisBackend, RedisBackendBuilder, RedisBackplane};
use test_servers::redis::RedisServer;

const NEWS: &[u8] = b"hitbox:{shop}:news";

fn plane(server: &RedisServer) -> RedisBackplane {
    let plane = RedisBackplane::builder().url(server.url());
    plane.namespace("shop").build().unwrap()
}

fn announcing(server: &RedisServer) -> RedisBackendBuilder {
    server::builder(server)
        .namespace("shop")
        .deadline(PATIENT)
        .announce(&plane(server))
}

/// One that is connected, and has told others that it announces.
async fn at_work(server: &RedisServer) -> RedisBackend {
    let cache = announcing(server).connect().await.unwrap();
    let mut observer = server::Observer::connect(&server.url()).await;
    hitbox_backend::Backend::write(&cache, &server::key("first"), server::value("1"))
        .await
        .unwrap();
    server::until(async || {
        observer
            .ask::<bool>(&[b"EXISTS", b"hitbox:{shop}:coherent"])
            .await
    })
    .await;
    cache
}

async fn begin(plane: &RedisBackplane) -> Mark {
    plane
        .ask(None, std::time::Duration::ZERO)
        .await
        .unwrap()
        .mark
}

async fn ask(plane: &RedisBackplane, mark: &Mark) -> Heard {
    plane
        .ask(Some(mark), std::time::Duration::ZERO)
        .await
        .unwrap()
}

/// The prefixes of the keys that have changed.
fn names(heard: &Heard) -> Vec<String> {
    let name = |news: &News| match news {
        News::Changed { key, .. } => key.prefix(),
        News::Invalidated(_) | _ => unreachable!("there are no other news"),
    };
    heard.news.iter().map(name).collect()
}
