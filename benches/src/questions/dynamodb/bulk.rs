//! Reads of many keys at a time: those that L1 does not hold, and no others, are to be asked for.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
        },
    },
    error::BoxError,
    operation::batch_get_item::BatchGetItemInput,
    types::{AttributeValue, KeysAndAttributes},
};
use bytes::Bytes;
use hitbox_backend::{CacheBackend, Compose, stored_form::HEADER_LENGTH};
use hitbox_dynamodb::DynamoDbBackend;

use super::{Stage, TABLE, case};
use crate::{
    Case, Contest, Extent, Failure, Runner, Target, Unit,
    bodies::{Body, Size, Text},
    keys,
    questions::{
        arrangement::{background, moka_over},
        in_l1::{self, InL1, MANY},
    },
    sampling::Sample,
};

/// The backend by itself.
fn alone<T: Body>(stage: &Stage, size: Size) -> Result<Runner, Failure> {
    let cache = stage.backend::<T>(size)?;
    let keys = keys::keys(MANY);
    Ok(Runner::repeating(&stage.runtime, async move || {
        for outcome in cache.get_many::<T>(&keys).await {
            std::hint::black_box(&outcome?.ok_or("a miss")?);
        }
        Ok(())
    }))
}

fn composed<T: Body>(
    stage: &Stage,
    l2: DynamoDbBackend,
    held: InL1,
    size: Size,
) -> Result<Runner, Failure> {
    let l1 = moka_over(10_000, &l2)?;
    let cache = l1.clone().compose(l2, background(&stage.runtime)?);
    Ok(in_l1::reads::<T>(&stage.runtime, cache, l1, held, size))
}

/// The items of those that L1 does not hold, by one BatchGetItem.
struct Asking {
    client: Client,
    partitions: Vec<AttributeValue>,
}

impl Asking {
    fn new(stage: &Stage, held: InL1) -> Self {
        let keys = keys::keys(MANY).split_off(held.count());
        Self {
            client: stage.client(),
            partitions: keys.iter().map(|key| stage.partition(key)).collect(),
        }
    }

    async fn items(&self) -> Result<Vec<HashMap<String, AttributeValue>>, Failure> {
        let mut asked = KeysAndAttributes::builder().consistent_read(true);
        for partition in &self.partitions {
            asked = asked.keys([("key".to_owned(), partition.clone())].into());
        }
        let request = self.client.batch_get_item();
        let request = request.request_items(TABLE, asked.build()?);
        let found = request.send().await?.responses.unwrap_or_default();
        let items: Vec<_> = found.into_values().flatten().collect();
        if items.len() != self.partitions.len() {
            return Err("a miss".into());
        }
        Ok(items)
    }
}

/// One BatchGetItem of those that L1 does not hold.
fn batch_get_item(stage: &Stage, held: InL1) -> Runner {
    let asking = Asking::new(stage, held);
    Runner::repeating(&stage.runtime, async move || {
        std::hint::black_box(&asking.items().await?);
        Ok(())
    })
}

/// All that the parts have to do.
fn parts<T: Body>(stage: &Stage, held: InL1, size: Size) -> Result<Runner, Failure> {
    let asking = Asking::new(stage, held);
    in_l1::parts::<T>(&stage.runtime, held, size, async move || {
        let items = asking.items().await?.into_iter();
        let payloads = items.filter_map(|item| {
            item.into_values().find_map(|value| {
                let AttributeValue::B(stored) = value else {
                    return None;
                };
                // Without the header, which a floor has no use for.
                Some(Bytes::from(stored.into_inner()).split_off(HEADER_LENGTH))
            })
        });
        Ok(payloads.collect())
    })
}

fn against_parts(held: InL1, size: Size) -> Case {
    let what = format!(
        "get_many of {MANY}, {}, against BatchGetItem, moka and decoding",
        held.name()
    );
    case(&what, size, None, move |stage, size| {
        let l2 = stage.backend::<Text>(size)?;
        let ours = composed::<Text>(stage, l2, held, size)?;
        Ok(Contest::between(ours, parts::<Text>(stage, held, size)?))
    })
}

/// What a client has sent.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Of any kind, retries included.
    requests: Arc<AtomicUsize>,
    /// Of BatchGetItem.
    keys: Arc<AtomicUsize>,
}

impl Intercept for Asked {
    fn name(&self) -> &'static str {
        "Asked"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let batch = context.input().downcast_ref::<BatchGetItemInput>();
        let tables = batch.and_then(BatchGetItemInput::request_items);
        let keys = tables.into_iter().flat_map(|tables| tables.values());
        let keys = keys.map(|table| table.keys().len()).sum();
        self.keys.fetch_add(keys, Ordering::Relaxed);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Of what is asked, one is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Requests,
    Keys,
}

impl Figure {
    fn of(self, asked: &Asked) -> usize {
        match self {
            Self::Requests => asked.requests.load(Ordering::Relaxed),
            Self::Keys => asked.keys.load(Ordering::Relaxed),
        }
    }

    fn expected(self, held: InL1) -> usize {
        match self {
            Self::Requests => usize::from(held != InL1::All),
            Self::Keys => MANY - held.count(),
        }
    }
}

fn counted(held: InL1, figure: Figure) -> Case {
    let what = match figure {
        Figure::Requests => "requests",
        Figure::Keys => "keys asked for",
    };
    let name = format!("dynamodb/get_many of {MANY}, {}/{what}", held.name());
    let case = Case::measured(name, Unit::Count, move |extent| {
        let reads = match extent {
            Extent::Quick => 3,
            Extent::Full => 10,
        };
        let (stage, asked) = (Stage::new()?, Asked::default());
        let l2 = stage.watched_backend::<Text>(asked.clone(), Size::ONE_KB)?;
        let mut ours = composed::<Text>(&stage, l2, held, Size::ONE_KB)?;
        let sample = |_| {
            ours.prepare()?;
            let before = figure.of(&asked);
            ours.run(1)?;
            Ok(Sample {
                ours: (figure.of(&asked) - before) as f64,
                floor: Some(figure.expected(held) as f64),
            })
        };
        (0..reads).map(sample).collect()
    });
    case.target(Target::exactly()).quick()
}

fn timed(held: InL1, size: Size) -> Case {
    let (floor, target) = match held {
        InL1::None | InL1::Half => ("BatchGetItem", Some(Target::at_most(1.2))),
        InL1::All => ("raw moka", None),
    };
    let what = format!("get_many of {MANY}, {}, against {floor}", held.name());
    case(&what, size, target, move |stage, size| {
        let l2 = stage.backend::<Text>(size)?;
        let ours = composed::<Text>(stage, l2, held, size)?;
        let floor = match held {
            InL1::None | InL1::Half => batch_get_item(stage, held).prepared(1, || Ok(())),
            InL1::All => in_l1::raw_gets::<Text>(&stage.runtime, size)?,
        };
        Ok(Contest::between(ours, floor))
    })
}

/// By the backend alone; through a composition; and what that asks for.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        let what = format!("get_many of {MANY}, without L1, against BatchGetItem");
        let target = Some(Target::at_most(1.2));
        cases.push(case(&what, size, target, |stage, size| {
            let ours = alone::<Text>(stage, size)?;
            let floor = batch_get_item(stage, InL1::None);
            Ok(Contest::between(ours, floor))
        }));
    }
    for held in InL1::EACH {
        cases.extend(Size::USUAL.map(|size| timed(held, size)));
        match held {
            InL1::None | InL1::Half => {
                cases.extend(Size::USUAL.map(|size| against_parts(held, size)));
            }
            InL1::All => {}
        }
        cases.extend([counted(held, Figure::Requests), counted(held, Figure::Keys)]);
    }
    cases
}
