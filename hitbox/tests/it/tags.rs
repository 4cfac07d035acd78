//! Tags and clear: many values are invalidated at once, in whatever layer they are, and while they are being loaded.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::{future::BoxFuture, poll};
use hitbox::{
    Backend, BackendErrorKind, Batch, Cache, CacheBuilder, InvalidTags, Kept, LoadErrorKind,
    Loaded, Stamp, Status, VirtualTime, Why,
};

use crate::{
    backends::{Over, of_moka, of_moka_over_redis, on_every_backend, on_redis},
    source::{Asking, NUMBERS, Source, until, waiters},
};
use test_servers::redis::SharedRedis;

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    what_has_the_tag_is_gone_and_nothing_else,
    what_has_the_tag_is_stale_and_nothing_else,
    everything_is_gone,
    everything_is_stale,
    nothing_removed_by_tag_or_with_everything_is_a_fallback,
    a_refresh_that_a_tag_overtakes_is_never_served,
    a_tag_that_only_the_loader_knows,
    a_clear_overtakes_a_load_at_once,
    what_is_absent_has_every_tag_unless_some_are_named,
    a_call_names_tags_for_what_is_loaded,
    tags_of_what_is_inserted,
    many_are_loaded_with_their_tags,
);

on_redis!(
    what_has_the_tag_is_gone_and_nothing_else,
    what_has_the_tag_is_stale_and_nothing_else,
    everything_is_gone,
    everything_is_stale,
    nothing_removed_by_tag_or_with_everything_is_a_fallback,
    a_refresh_that_a_tag_overtakes_is_never_served,
    a_tag_that_only_the_loader_knows,
    a_clear_overtakes_a_load_at_once,
    what_is_absent_has_every_tag_unless_some_are_named,
    tags_of_what_is_inserted,
    many_are_loaded_with_their_tags,
);

fn built(over: Over, build: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
    build(Cache::builder(over).ttl(MINUTE)).build().unwrap()
}

fn cache(over: Over) -> Cache {
    built(over, |cache| cache)
}

/// A load of the source, with these tags.
fn tagged(
    source: &Source,
    tags: &'static [&'static str],
) -> impl FnOnce() -> BoxFuture<'static, Loaded<u64>> + Send + use<> {
    let load = source.load();
    move || Box::pin(async move { Loaded::new(load().await).tags(tags) })
}

async fn fill(cache: &Cache, id: u64, source: &Source, tags: &'static [&'static str]) -> u64 {
    let fills = cache.statistics().fills;
    let value = cache.get_or_load(NUMBERS.key(id), tagged(source, tags));
    let value = *value.await.unwrap();
    until(|| cache.statistics().fills > fills).await;
    value
}

async fn found(cache: &Cache, id: u64) -> Option<u64> {
    let found = cache.get(NUMBERS.key(id)).await.unwrap();
    // In place, where it can be: the same.
    if let Some(in_place) = cache.try_get(NUMBERS.key(id)) {
        assert_eq!(found, Some(in_place));
    }
    let many = cache.get_many([NUMBERS.key(id)]).await.pop().unwrap();
    assert_eq!(many.unwrap(), found);
    found.map(|value| *value)
}

async fn what_has_the_tag_is_gone_and_nothing_else(over: Over) {
    let (cache, source) = (cache(over), Source::open());
    fill(&cache, 1, &source, &["users", "team:1"]).await;
    fill(&cache, 2, &source, &["users", "team:2"]).await;
    fill(&cache, 3, &source, &[]).await;
    assert_eq!(found(&cache, 1).await, Some(1));

    cache.remove_tagged("team:1").await.unwrap();
    assert_eq!(found(&cache, 1).await, None);
    assert_eq!(found(&cache, 2).await, Some(2));
    assert_eq!(found(&cache, 3).await, Some(3));
    // What is loaded after it is not concerned.
    assert_eq!(fill(&cache, 1, &source, &["users", "team:1"]).await, 4);
    assert_eq!(found(&cache, 1).await, Some(4));

    cache.remove_tagged("users").await.unwrap();
    for (id, left) in [(1, None), (2, None), (3, Some(3))] {
        assert_eq!(found(&cache, id).await, left);
    }
}

async fn what_has_the_tag_is_stale_and_nothing_else(over: Over) {
    let cache = built(over, |cache| cache.stale_if_error(MINUTE));
    let source = Source::open();
    fill(&cache, 1, &source, &["t"]).await;
    fill(&cache, 2, &source, &["u"]).await;
    cache.expire_tagged("t").await.unwrap();
    assert_eq!(found(&cache, 1).await, None);
    assert_eq!(found(&cache, 2).await, Some(2));
    let stale = cache.get_or_try_load(NUMBERS.key(1), source.fail());
    let stale = stale.entry().await.unwrap();
    assert_eq!(
        (stale.status(), **stale.value()),
        (Status::Stale(Why::LoadFailed), 1)
    );
    // It is loaded anew as soon as that can be done.
    cache.expire_tagged("t").await.unwrap();
    assert_eq!(fill(&cache, 1, &source, &["t"]).await, 4);
}

async fn everything_is_gone(over: Over) {
    let (cache, source) = (cache(over), Source::open());
    fill(&cache, 1, &source, &["t"]).await;
    fill(&cache, 2, &source, &[]).await;
    cache.clear().await.unwrap();
    assert_eq!(
        (found(&cache, 1).await, found(&cache, 2).await),
        (None, None)
    );
    assert_eq!(fill(&cache, 2, &source, &[]).await, 3);
    assert_eq!(found(&cache, 2).await, Some(3));
}

async fn everything_is_stale(over: Over) {
    let cache = built(over, |cache| cache.stale_if_error(MINUTE));
    let source = Source::open();
    fill(&cache, 1, &source, &[]).await;
    cache.expire_all().await.unwrap();
    assert_eq!(found(&cache, 1).await, None);
    let stale = cache.get_or_try_load(NUMBERS.key(1), source.fail());
    let stale = stale.entry().await.unwrap();
    assert_eq!(stale.status(), Status::Stale(Why::LoadFailed));
    cache.expire_all().await.unwrap();
    assert_eq!(fill(&cache, 1, &source, &[]).await, 3);
}

/// Scenario 22.
async fn nothing_removed_by_tag_or_with_everything_is_a_fallback(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let cache = built(over, |cache| {
        cache.stale_if_error(MINUTE).retry_after(Duration::ZERO)
    });
    for soft in [true, false] {
        for by_tag in [true, false] {
            let source = Source::held();
            source.let_go();
            cache.remove(NUMBERS.key(1)).await.unwrap();
            fill(&cache, 1, &source, &["t"]).await;
            clock.advance(TimeDelta::seconds(61));
            let mut call = cache.get_or_try_load(NUMBERS.key(1), source.fail()).entry();
            assert!(poll!(&mut call).is_pending());
            source.begun(2).await;
            match (soft, by_tag) {
                (true, true) => cache.expire_tagged("t").await,
                (true, false) => cache.expire_all().await,
                (false, true) => cache.remove_tagged("t").await,
                (false, false) => cache.clear().await,
            }
            .unwrap();
            source.let_go();
            match call.await {
                Ok(entry) => {
                    assert!(soft, "what was removed has come back");
                    assert_eq!(entry.status(), Status::Stale(Why::LoadFailed));
                }
                Err(error) => {
                    assert!(!soft, "{error}");
                    assert_eq!(error.kind(), LoadErrorKind::Loader);
                }
            }
        }
    }
}

/// Scenario 28: in one process.
async fn a_refresh_that_a_tag_overtakes_is_never_served(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let cache = built(over, |cache| cache.stale_while_revalidate(MINUTE));
    let source = Source::held();
    source.let_go();
    fill(&cache, 1, &source, &["t"]).await;
    clock.advance(TimeDelta::seconds(61));
    let stale = cache.get_or_load(NUMBERS.key(1), tagged(&source, &["t"]));
    let stale = stale.entry().await.unwrap();
    assert_eq!(stale.status(), Status::Stale(Why::Refreshing));
    source.begun(2).await;

    cache.remove_tagged("t").await.unwrap();
    source.let_go();
    until(|| cache.loads().is_empty()).await;
    cache.drain().await;
    assert_eq!(found(&cache, 1).await, None);
    source.let_go();
    assert_eq!(fill(&cache, 1, &source, &["t"]).await, 3);
}

/// Scenario 29.
async fn a_tag_that_only_the_loader_knows(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let first = Asking::of_loaded(&cache, tagged(&source, &["t"]));
    source.begun(1).await;
    cache.remove_tagged("t").await.unwrap();
    // He joins: nobody knows the tags of what is being loaded.
    let second = Asking::of_loaded(&cache, tagged(&source, &["t"]));
    until(|| waiters(&cache) == 2).await;
    assert_eq!(source.loads(), 1);
    source.let_go();
    let entry = first.entry().await;
    assert_eq!((**entry.value(), entry.kept()), (1, Kept::Overtaken));
    source.begun(2).await;
    source.let_go();
    assert_eq!(second.value().await, 2);
    assert_eq!(source.loads(), 2);

    // Of another tag it is accepted.
    let source = Source::held();
    cache.remove(NUMBERS.key(1)).await.unwrap();
    let first = Asking::of_loaded(&cache, tagged(&source, &["u"]));
    source.begun(1).await;
    cache.remove_tagged("t").await.unwrap();
    let second = Asking::of_loaded(&cache, tagged(&source, &["u"]));
    until(|| waiters(&cache) == 2).await;
    source.let_go();
    assert_eq!((first.value().await, second.value().await), (1, 1));
}

async fn a_clear_overtakes_a_load_at_once(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let first = Asking::of(&cache, source.load());
    source.begun(1).await;
    let joined = Asking::of(&cache, source.load());
    until(|| waiters(&cache) == 2).await;
    cache.clear().await.unwrap();
    // Who had joined has been woken: he does not wait for the first load.
    source.begun(2).await;
    source.let_go();
    source.let_go();
    assert_eq!((first.value().await, joined.value().await), (1, 2));
    until(|| cache.loads().is_empty()).await;
    assert_eq!(found(&cache, 1).await, Some(2));
}

async fn what_is_absent_has_every_tag_unless_some_are_named(over: Over) {
    let cache = built(over, |cache| cache.absent_ttl(MINUTE));
    let source = Source::open();
    let absent = |tags: &'static [&'static str]| {
        let load = source.load();
        move || async move {
            load().await;
            Loaded::<u64>::absent().tags(tags)
        }
    };
    let ask = async |id: u64, tags| {
        let asked = cache.get_or_load(NUMBERS.key(id), absent(tags));
        assert_eq!(asked.optional().await.unwrap(), None);
        cache.drain().await;
        source.loads()
    };
    assert_eq!((ask(1, &[]).await, ask(2, &["u"]).await), (1, 2));
    assert_eq!((ask(1, &[]).await, ask(2, &["u"]).await), (2, 2));
    cache.remove_tagged("t").await.unwrap();
    assert_eq!((ask(1, &[]).await, ask(2, &["u"]).await), (3, 3));
    cache.expire_tagged("u").await.unwrap();
    assert_eq!((ask(1, &[]).await, ask(2, &["u"]).await), (4, 5));
}

async fn a_call_names_tags_for_what_is_loaded(over: Over) {
    let (cache, source) = (cache(over), Source::open());
    let ask = async |tag: &str| {
        let call = cache.get_or_load(NUMBERS.key(1), tagged(&source, &["t"]));
        let value = *call.tag(tag).await.unwrap();
        cache.drain().await;
        value
    };
    assert_eq!(ask("u").await, 1);
    // A hit has the tags that it was stored with.
    assert_eq!(ask("v").await, 1);
    cache.remove_tagged("v").await.unwrap();
    assert_eq!(ask("v").await, 1);
    cache.remove_tagged("u").await.unwrap();
    assert_eq!(ask("v").await, 2);
    cache.remove_tagged("t").await.unwrap();
    assert_eq!(ask("v").await, 3);
}

async fn tags_of_what_is_inserted(over: Over) {
    let cache = cache(over);
    let value = Loaded::new(7).tag("t");
    cache.insert(NUMBERS.key(1), value).tag("u").await.unwrap();
    assert_eq!(found(&cache, 1).await, Some(7));
    cache.remove_tagged("u").await.unwrap();
    assert_eq!(found(&cache, 1).await, None);
    let before = Stamp::now();
    cache.remove_tagged("t").await.unwrap();
    let value = Loaded::new(8).tag("t");
    let inserted = cache.insert(NUMBERS.key(1), value).loaded_since(before);
    inserted.await.unwrap();
    assert_eq!(found(&cache, 1).await, None);
}

async fn many_are_loaded_with_their_tags(over: Over) {
    let cache = cache(over);
    let ask = async |value: u64| {
        let load = move |mut missing: Batch<u64, u64>| async move {
            for id in missing.ids().to_vec() {
                let tag = format!("id:{id}");
                missing.found(id, Loaded::new(value).tag(tag));
            }
            Ok::<_, std::io::Error>(missing)
        };
        let asked = cache.get_many_or_load(&NUMBERS, [1, 2], load).tag("all");
        let values = asked.await.into_iter().map(|value| *value.unwrap());
        let values: Vec<u64> = values.collect();
        cache.drain().await;
        values
    };
    assert_eq!(ask(1).await, [1, 1]);
    cache.remove_tagged("id:2").await.unwrap();
    assert_eq!(ask(2).await, [1, 2]);
    cache.remove_tagged("all").await.unwrap();
    assert_eq!(ask(3).await, [3, 3]);
}

/// 1,000 invalidations during a load: every caller is answered after two loads at most.
#[tokio::test(start_paused = true)]
async fn many_invalidations_keep_nobody_waiting() {
    let (cache, source) = (cache(of_moka()), Source::held());
    let mut asking = Vec::new();
    for round in 0..10 {
        asking.push(Asking::of_loaded(&cache, tagged(&source, &["t"])));
        if round == 0 {
            source.begun(1).await;
        }
        for _ in 0..100 {
            cache.remove_tagged("t").await.unwrap();
        }
    }
    until(|| waiters(&cache) == 10).await;
    source.let_go();
    source.begun(2).await;
    source.let_go();
    for (number, asking) in asking.into_iter().enumerate() {
        assert_eq!(asking.value().await, if number == 0 { 1 } else { 2 });
    }
    assert_eq!(source.loads(), 2);
}

/// Scenario 30: the table has no room.
#[tokio::test(start_paused = true)]
async fn what_is_forgotten_counts_as_invalidated() {
    let cache = built(of_moka(), |cache| cache.tag_memory(0));
    let source = Source::open();
    fill(&cache, 1, &source, &["t"]).await;
    fill(&cache, 2, &source, &[]).await;
    cache.remove_tagged("u").await.unwrap();
    // Nobody knows any more that it was another tag.
    assert_eq!(found(&cache, 1).await, None);
    assert_eq!(found(&cache, 2).await, Some(2));
    assert_eq!(fill(&cache, 1, &source, &["t"]).await, 3);
    assert_eq!(found(&cache, 1).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_tag_is_refused() {
    let cache = cache(of_moka());
    let long = "t".repeat(256);
    for tag in ["", &long] {
        let error = cache.remove_tagged(tag).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    }
    let insert = cache.insert(NUMBERS.key(1), 1).tag(&long).await;
    let error = insert.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    assert!(error.to_string().contains("255 bytes"), "{error}");

    let many = |count: usize| (0..count).map(|tag| tag.to_string());
    let load = |count| {
        cache.get_or_load(NUMBERS.key(1), move || async move {
            Loaded::new(1).tags(many(count))
        })
    };
    let error = load(17).await.unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Loader);
    assert_eq!(error.downcast_ref(), Some(&InvalidTags::TooMany));
    assert_eq!(*load(16).await.unwrap(), 1);
    // Also those of the call count.
    cache.remove(NUMBERS.key(1)).await.unwrap();
    let error = load(16).tag("more").await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&InvalidTags::TooMany));
}

/// Another cache over the same server, as another process would have: it has heard of nothing.
#[tokio::test]
async fn over_a_server_it_holds_for_who_comes_later() {
    let redis = SharedRedis::open().await.unwrap();
    let (first, source) = (cache(of_moka_over_redis(&redis)), Source::open());
    fill(&first, 1, &source, &["t"]).await;
    fill(&first, 2, &source, &["u"]).await;
    first.remove_tagged("t").await.unwrap();

    let second = cache(of_moka_over_redis(&redis));
    assert_eq!(
        (found(&second, 1).await, found(&second, 2).await),
        (None, Some(2))
    );
    first.clear().await.unwrap();
    let third = cache(of_moka_over_redis(&redis));
    assert_eq!(found(&third, 2).await, None);
    assert_eq!(fill(&third, 2, &source, &["u"]).await, 3);
    let fourth = cache(of_moka_over_redis(&redis));
    assert_eq!(found(&fourth, 2).await, Some(3));
}

/// Scenario 30: what was stored of a tag is lost, or a cache of another name is cleared.
#[tokio::test]
async fn a_tag_of_which_nothing_is_stored_counts_as_invalidated() {
    let redis = SharedRedis::open().await.unwrap();
    let (first, source) = (cache(of_moka_over_redis(&redis)), Source::open());
    fill(&first, 1, &source, &["t"]).await;
    fill(&first, 2, &source, &["u"]).await;
    let other = of_moka_over_redis(&redis);
    let other = built(other, |cache| cache.name("other"));
    other.clear().await.unwrap();
    assert_eq!(found(&cache(of_moka_over_redis(&redis)), 1).await, Some(1));

    let entry = hitbox::CacheKey::new(
        "hitbox.tags",
        0,
        [
            hitbox::KeyPart::new("cache", Some("")),
            hitbox::KeyPart::new("tag", Some("t")),
        ],
    );
    assert!(first.backend().read(&entry).await.unwrap().is_some());
    let over = of_moka_over_redis(&redis);
    over.remove(&entry).await.unwrap();
    let second = cache(over);
    assert_eq!(
        (found(&second, 1).await, found(&second, 2).await),
        (None, Some(2))
    );
    assert_eq!(fill(&second, 1, &source, &["t"]).await, 3);
    let third = cache(of_moka_over_redis(&redis));
    assert_eq!(
        (found(&third, 1).await, found(&third, 2).await),
        (Some(3), Some(2))
    );
}
