//! Every method of `Backend` reaches the backend behind a pointer or in a wrapper, once, and its
//! answer comes back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendExt, BackendResult, Begun,
    CacheKeyFormat, Capabilities, CircuitBreakerConfig, Compressor, Condition, Conditional,
    DeleteStatus, Fencing, Format, Invalidations, Lease, Leftovers, Operation, ReadAttempt,
    ReadOutcome, Rejection, RetryConfig, WriteAttempt,
    coherence::{Announces, Origin, PlaneId},
    compression::{CompressionError, NoCompression},
    format::{BincodeFormat, FormatError, Visit},
    tags::SharedTags,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, CompressorId, FormatId, Raw,
    Stamp, clock::Moment,
};

/// Notes the name of every method that is called, and answers each in a way no default does.
#[derive(Debug)]
struct Recorder {
    calls: Mutex<Vec<&'static str>>,
    key_format: CacheKeyFormat,
}

impl Recorder {
    fn new() -> Self {
        Self {
            calls: Mutex::default(),
            key_format: CacheKeyFormat::namespaced("recorder"),
        }
    }

    fn note(&self, method: &'static str) {
        self.calls.lock().unwrap().push(method);
    }

    fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[derive(Debug)]
struct OwnFormat;

impl Format for OwnFormat {
    fn id(&self) -> FormatId {
        FormatId::custom(201)
    }
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        BincodeFormat.encode(value)
    }
    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        BincodeFormat.decode(payload, visit)
    }
}

#[derive(Debug)]
struct OwnCompressor;

impl Compressor for OwnCompressor {
    fn id(&self) -> CompressorId {
        CompressorId::custom(202)
    }
    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        NoCompression.compress(payload)
    }
    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        NoCompression.decompress(compressed, limit)
    }
}

fn value(payload: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![payload]), Stamp::now())
}

fn error(detail: &str) -> BackendError {
    BackendError::new(
        BackendErrorKind::Internal,
        Operation::Write,
        "recorder".into(),
    )
    .with_detail(detail)
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is added to the trait is to be looked for here"
)]
#[async_trait]
impl Backend for Recorder {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        self.note("read");
        Ok(Some(value(1)))
    }
    async fn write(&self, _key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.note("write");
        Err(error(&format!(
            "write of {:?}",
            value.data().payload().unwrap().to_vec()
        )))
    }
    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.note("remove");
        Ok(DeleteStatus::Deleted(3))
    }
    async fn read_with(&self, _key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        self.note("read_with");
        context.set_status(CacheStatus::Stale);
        Ok(Some(value(4)))
    }
    fn try_read<'a>(
        &'a self,
        _key: &'a CacheKey,
        _context: &mut BoxContext,
        _moment: &Moment,
    ) -> ReadAttempt<'a> {
        self.note("try_read");
        Attempt::Ready(Ok(Some(value(8))))
    }
    fn try_write<'a>(&'a self, _key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.note("try_write");
        Attempt::WouldBlock(value)
    }
    fn try_refill<'a>(&'a self, _key: &'a CacheKey, _value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.note("try_refill");
        Attempt::Ready(Ok(()))
    }
    fn is_non_blocking(&self) -> bool {
        self.note("is_non_blocking");
        true
    }
    async fn refill(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        self.note("refill");
        Ok(())
    }
    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.note("read_many");
        keys.iter().map(|_| Ok(Some(value(5)))).collect()
    }
    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.note("read_many_with");
        for context in contexts {
            context.set_status(CacheStatus::Stale);
        }
        keys.iter().map(|_| Ok(Some(value(6)))).collect()
    }
    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.note("write_many");
        entries.iter().map(|_| Err(error("write_many"))).collect()
    }
    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.note("refill_many");
        entries.iter().map(|_| Ok(())).collect()
    }
    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.note("remove_many");
        keys.iter().map(|_| Ok(DeleteStatus::Deleted(8))).collect()
    }
    fn fencing(&self) -> Fencing {
        self.note("fencing");
        Fencing::Fenced
    }
    async fn begin_load(&self, _key: &CacheKey) -> BackendResult<Begun> {
        self.note("begin_load");
        Err(error("begin_load"))
    }
    async fn write_if(
        &self,
        _key: &CacheKey,
        _value: CacheValue<Raw>,
        _condition: Condition,
    ) -> BackendResult<Conditional> {
        self.note("write_if");
        Ok(Conditional::Refused)
    }
    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        self.note("write_many_if");
        entries.iter().map(|_| Ok(Conditional::Refused)).collect()
    }
    fn invalidations(&self, _key: &CacheKey) -> Invalidations {
        self.note("invalidations");
        Invalidations {
            hard: Stamp::from_micros(9),
            soft: Stamp::from_micros(10),
        }
    }
    async fn expire(&self, _key: &CacheKey) -> BackendResult<()> {
        self.note("expire");
        Ok(())
    }
    async fn close(&self, within: Duration) -> Leftovers {
        assert_eq!(within, Duration::from_secs(3));
        self.note("close");
        Leftovers::failure(error("close"))
    }
    fn shared_tags(&self) -> Option<SharedTags> {
        self.note("shared_tags");
        None
    }
    fn announces(&self) -> Option<Announces> {
        self.note("announces");
        Some(Announces::new(
            PlaneId::new("plane"),
            Origin::from_bits(216),
        ))
    }

    fn label(&self) -> BackendLabel {
        self.note("label");
        BackendLabel::new_static("recorder")
    }
    fn value_format(&self) -> &dyn Format {
        self.note("value_format");
        &OwnFormat
    }
    fn key_format(&self) -> &CacheKeyFormat {
        self.note("key_format");
        &self.key_format
    }
    fn compressor(&self) -> &dyn Compressor {
        self.note("compressor");
        &OwnCompressor
    }
    fn capabilities(&self) -> Capabilities {
        self.note("capabilities");
        let mut capabilities = Capabilities::default();
        capabilities.expiry_granularity = Duration::from_secs(13);
        capabilities.keeps_metadata = true;
        capabilities
    }
    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        self.note("find_format");
        (id == FormatId::custom(214)).then_some(&OwnFormat)
    }
    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        self.note("find_compressor");
        (id == CompressorId::custom(215)).then_some(&OwnCompressor)
    }
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        assert_eq!((key.as_text(), rejection), (":v0:a=1", Rejection::Version));
        self.note("reject");
    }
}

/// Generic, so that each call goes through the implementation for `B` itself: method syntax on a
/// known pointer type would find the pointee's.
async fn assert_forwards<B: Backend>(backend: B, recorder: &Recorder) {
    let key = CacheKey::from_pair("a", "1");
    let keys = [key.clone(), CacheKey::from_pair("b", "2")];
    let reached = |method| assert_eq!(recorder.take_calls(), [method]);

    assert_eq!(payloads([backend.read(&key).await]), [1]);
    reached("read");
    let refused = backend.write(&key, value(77)).await.unwrap_err();
    assert!(refused.to_string().ends_with("write of [77]"), "{refused}");
    reached("write");
    let removed = backend.remove(&key).await.unwrap();
    assert_eq!(removed, DeleteStatus::Deleted(3));
    reached("remove");
    let mut context = BoxContext::default();
    assert_eq!(payloads([backend.read_with(&key, &mut context).await]), [4]);
    assert_eq!(context.status(), CacheStatus::Stale);
    reached("read_with");

    backend.refill(&key, value(0)).await.unwrap();
    reached("refill");

    assert_eq!(payloads(backend.read_many(&keys).await), [5, 5]);
    reached("read_many");
    let mut contexts = [BoxContext::default()];
    let outcomes = backend.read_many_with(&keys, &mut contexts).await;
    assert_eq!(payloads(outcomes), [6, 6]);
    assert_eq!(contexts[0].status(), CacheStatus::Stale);
    reached("read_many_with");
    let entries = keys.clone().map(|key| (key, value(0)));
    let refused = backend.write_many(entries.into()).await;
    assert!(refused.len() == 2 && refused.iter().all(Result::is_err));
    reached("write_many");
    let entries = keys.clone().map(|key| (key, value(0)));
    assert_eq!(backend.refill_many(entries.into()).await.len(), 2);
    reached("refill_many");
    for removed in backend.remove_many(&keys).await {
        assert_eq!(removed.unwrap(), DeleteStatus::Deleted(8));
    }
    reached("remove_many");

    assert_loads_are_forwarded(&backend, recorder).await;
    assert_properties_are_forwarded(&backend, recorder);
}

async fn assert_loads_are_forwarded<B: Backend>(backend: &B, recorder: &Recorder) {
    let key = CacheKey::from_pair("a", "1");
    let reached = |method| assert_eq!(recorder.take_calls(), [method]);
    let lease = || Condition::Lease(Lease::default());
    assert_eq!(B::fencing(backend), Fencing::Fenced);
    reached("fencing");
    assert!(B::begin_load(backend, &key).await.is_err());
    // Wrappers ask first whether that asks a store.
    let calls = recorder.take_calls();
    assert!(
        matches!(&calls[..], ["begin_load"] | ["capabilities", "begin_load"]),
        "{calls:?}"
    );
    let refused = B::write_if(backend, &key, value(0), lease()).await;
    assert_eq!(refused.unwrap(), Conditional::Refused);
    reached("write_if");
    let entries = [1, 2].map(|payload| (key.clone(), value(payload), lease()));
    let refused = B::write_many_if(backend, entries.into()).await;
    let are_refused = |one: &BackendResult<_>| matches!(one, Ok(Conditional::Refused));
    assert!(refused.len() == 2 && refused.iter().all(are_refused));
    reached("write_many_if");
    let invalidations = B::invalidations(backend, &key);
    assert_eq!(invalidations.hard, Stamp::from_micros(9));
    assert_eq!(invalidations.soft, Stamp::from_micros(10));
    reached("invalidations");
    B::expire(backend, &key).await.unwrap();
    reached("expire");
    let leftovers = B::close(backend, Duration::from_secs(3)).await;
    assert_eq!(leftovers.failures.len(), 1);
    reached("close");
}

fn assert_properties_are_forwarded<B: Backend>(backend: &B, recorder: &Recorder) {
    let reached = |method| assert_eq!(recorder.take_calls(), [method]);
    let announces = B::announces(backend).unwrap();
    assert_eq!(announces.origin, Origin::from_bits(216));
    reached("announces");
    assert!(B::shared_tags(backend).is_none());
    reached("shared_tags");
    assert_eq!(B::label(backend).as_str(), "recorder");
    reached("label");
    assert_eq!(B::value_format(backend).id(), OwnFormat.id());
    reached("value_format");
    assert_eq!(B::key_format(backend).namespace(), "recorder::");
    reached("key_format");
    assert_eq!(B::compressor(backend).id(), OwnCompressor.id());
    reached("compressor");
    let granularity = B::capabilities(backend).expiry_granularity;
    assert_eq!(granularity, Duration::from_secs(13));
    reached("capabilities");
    assert!(B::find_format(backend, FormatId::custom(214)).is_some());
    reached("find_format");
    assert!(B::find_compressor(backend, CompressorId::custom(215)).is_some());
    reached("find_compressor");
    B::reject(backend, &CacheKey::from_pair("a", "1"), Rejection::Version);
    reached("reject");
}

fn payloads(outcomes: impl IntoIterator<Item = ReadOutcome>) -> Vec<u8> {
    let payload = |outcome: ReadOutcome| outcome.unwrap().unwrap().data().payload().unwrap()[0];
    outcomes.into_iter().map(payload).collect()
}

/// As [`assert_forwards`], and reads and writes are begun in the backend itself.
async fn assert_points_to<B: Backend>(backend: B, recorder: &Recorder) {
    let (key, mut context) = (CacheKey::from_pair("a", "1"), BoxContext::default());
    let Attempt::Ready(outcome) = backend.try_read(&key, &mut context, &Moment::default()) else {
        panic!("not answered at once");
    };
    assert_eq!(payloads([outcome]), [8]);
    assert_eq!(recorder.take_calls(), ["try_read"]);
    let Attempt::WouldBlock(given_back) = backend.try_write(&key, value(9)) else {
        panic!("begun");
    };
    assert_eq!(given_back.data().payload().unwrap()[..], [9]);
    assert_eq!(recorder.take_calls(), ["try_write"]);
    assert!(matches!(
        backend.try_refill(&key, value(9)),
        Attempt::Ready(Ok(()))
    ));
    assert_eq!(recorder.take_calls(), ["try_refill"]);
    assert!(backend.is_non_blocking());
    assert_eq!(recorder.take_calls(), ["is_non_blocking"]);
    assert_forwards(backend, recorder).await;
}

#[tokio::test]
async fn through_references() {
    let recorder = Recorder::new();
    assert_points_to(&recorder, &recorder).await;
    assert_points_to(&&recorder, &recorder).await;
    assert_points_to(&recorder as &dyn Backend, &recorder).await;
}

#[tokio::test]
async fn through_boxes() {
    let recorder: &'static Recorder = Box::leak(Box::new(Recorder::new()));
    assert_points_to(Box::new(recorder), recorder).await;
    assert_points_to(Box::new(recorder) as Box<dyn Backend>, recorder).await;
}

#[tokio::test]
async fn through_arcs() {
    let recorder = Arc::new(Recorder::new());
    assert_points_to(Arc::clone(&recorder), &recorder).await;
    assert_points_to(Arc::clone(&recorder) as Arc<dyn Backend>, &recorder).await;
}

#[tokio::test]
async fn through_nested_pointers() {
    let recorder = Arc::new(Recorder::new());
    let shared: Arc<dyn Backend> = recorder.clone();
    let boxed: Box<dyn Backend> = Box::new(shared);
    let nested: Arc<Box<dyn Backend>> = Arc::new(boxed);
    assert_points_to(&nested, &recorder).await;
}

#[tokio::test]
async fn through_wrappers() {
    let recorder: &'static Recorder = Box::leak(Box::new(Recorder::new()));
    let deadline = recorder.deadline(Duration::from_secs(60)).unwrap();
    assert_forwards(deadline, recorder).await;
    let retry = recorder.retry(RetryConfig::new()).unwrap();
    assert_forwards(retry, recorder).await;
    let breaker = recorder.circuit_breaker(CircuitBreakerConfig::new());
    let breaker = breaker.unwrap();
    // It has asked for the label, to have it for the log.
    assert_eq!(recorder.take_calls(), ["label"]);
    assert_forwards(breaker, recorder).await;
}
