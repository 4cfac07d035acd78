use std::env;

use super::{RedisOptions, RedisServer, StartError};

/// A server for whoever only reads and writes: the one that `REDIS_URL` names, or else a
/// [`RedisServer`] of its own.
///
/// The named server is used as it is; [`namespace`](Self::namespace) keeps its users apart.
#[derive(Debug)]
pub struct SharedRedis {
    url: String,
    namespace: String,
    own: Option<RedisServer>,
}

impl SharedRedis {
    /// The server.
    ///
    /// # Errors
    ///
    /// [`StartError`] if none is named and none can be started.
    pub async fn open() -> Result<Self, StartError> {
        let named = env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let (url, own) = match named {
            Some(url) => (url, None),
            None => {
                let server = RedisServer::start(RedisOptions::new()).await?;
                (server.url(), Some(server))
            }
        };
        Ok(Self {
            url,
            namespace: format!("test-{:016x}", fastrand::u64(..)),
            own,
        })
    }

    /// Where it is. May hold a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A namespace that nobody else uses.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What is in use, in words.
    #[must_use]
    pub fn description(&self) -> String {
        self.own.as_ref().map_or_else(
            || "the server named by REDIS_URL".to_owned(),
            RedisServer::description,
        )
    }
}
