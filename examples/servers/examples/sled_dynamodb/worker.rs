//! One job, and all of them.

use std::{error::Error, future::Future, pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hitbox_backend::CacheBackend;
use hitbox_core::{CacheContext, CacheKey, CacheValue, KeyPart, ResponseSource, Stamp};
use tokio::task::{JoinError, spawn_blocking};

use crate::{
    cache::Cache,
    country::{Country, EDITION, Route},
    jobs::Job,
    tally::{Origin, Tally},
};

/// How long a route is kept.
const LIFE: Duration = Duration::from_hours(30 * 24);

pub(crate) struct Worker {
    pub(crate) cache: Cache,
    pub(crate) country: Arc<Country>,
}

impl Worker {
    /// Does the jobs, several at once, until there are no more or `end` comes.
    pub(crate) async fn run(
        &self,
        jobs: impl Iterator<Item = Job>,
        end: impl Future,
    ) -> Result<Tally, Box<dyn Error + Send + Sync>> {
        // Some compute while others wait for the table.
        let at_once = 2 * std::thread::available_parallelism()?.get();
        let end = pin!(end);
        let mut tally = Tally::begin();
        let mut routes = stream::iter(jobs)
            .take_until(end)
            .map(|job| self.route_of(job))
            .buffer_unordered(at_once);
        while let Some(route) = routes.next().await {
            let (route, origin) = route?;
            tally.add(&route, origin);
        }
        Ok(tally.end())
    }

    async fn route_of(&self, job: Job) -> Result<(Arc<Route>, Origin), JoinError> {
        let key = key_of(job);
        let mut context = CacheContext::default().boxed();
        match self.cache.get_with::<Route>(&key, &mut context).await {
            Ok(Some(cached)) => {
                let origin = origin_of(context.source());
                return Ok((cached.into_inner(), origin));
            }
            Ok(None) => {}
            // Both layers failed. That is no reason to leave the job undone.
            Err(error) => eprintln!("sled_dynamodb: {error}"),
        }
        let began = Stamp::now(); // before the work, whose result it dates
        let country = Arc::clone(&self.country);
        let route = spawn_blocking(move || Arc::new(country.route(job.from, job.to))).await?;
        let value = CacheValue::loaded(Arc::clone(&route), began).ttl(LIFE);
        if let Err(error) = self.cache.set(&key, value).await {
            eprintln!("sled_dynamodb: {error}");
        }
        Ok((route, Origin::Computed))
    }
}

fn key_of(job: Job) -> CacheKey {
    let parts = [("from", job.from), ("to", job.to)];
    let parts = parts.map(|(name, cell)| KeyPart::new(name, Some(cell.to_string())));
    CacheKey::new("route", EDITION, parts)
}

fn origin_of(source: &ResponseSource) -> Origin {
    match source {
        ResponseSource::Backend(path) if path.as_str() == "composition.sled" => Origin::Sled,
        ResponseSource::Backend(_) => Origin::DynamoDb,
        ResponseSource::Upstream => Origin::Computed,
    }
}
