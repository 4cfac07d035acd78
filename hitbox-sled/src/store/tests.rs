use bytes::Bytes;
use chrono::TimeDelta;
use hitbox_backend::{compression::NoCompression, stored_form};
use hitbox_core::{CacheValue, Encoded, Stamp};

use super::*;
use crate::store::files::Unclaimed;

impl Store {
    /// Puts bytes where a value's would be, damaged or not, as one that never expires.
    pub(crate) fn inject(&self, key: &[u8], stored: &[u8]) {
        let unknown = EvictionKey::from(&CacheValue::loaded((), Stamp::now()));
        let eviction = slot::eviction_key_in(stored).unwrap_or(unknown);
        self.put(key, eviction, stored, Utc::now(), None).unwrap();
    }

    /// Has sled write so much into one page that it takes a file of its own.
    pub(crate) fn insert_blob(&self) -> sled::Result<()> {
        self.changing(|| self.values.insert(b"blob", vec![0; 1 << 20]).map(drop))
    }
}

struct Scene {
    store: Store,
    now: DateTime<Utc>,
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = sled::Config::new().path(directory.path()).open().unwrap();
        let (files, _) = Files::scan(&directory.path().join("values")).unwrap();
        let store = Store::new(database, directory.path(), Arc::new(files), u64::MAX).unwrap();
        Self {
            store,
            now: Utc::now(),
            directory,
        }
    }

    /// Stores a value that expires this many milliseconds after the scene's start, and returns its
    /// index key.
    fn put(&self, key: &[u8], expires_after: i64) -> Vec<u8> {
        let value = self.value(expires_after);
        let eviction = EvictionKey::from(&value);
        self.store
            .put(key, eviction, &stored(&value), self.now, None)
            .unwrap();
        eviction.index_key(key)
    }

    fn value(&self, expires_after: i64) -> CacheValue<Encoded> {
        self.value_of(1, expires_after)
    }

    fn value_of(&self, length: usize, expires_after: i64) -> CacheValue<Encoded> {
        let expire = self.now + TimeDelta::milliseconds(expires_after);
        CacheValue::loaded(Encoded::from(vec![1; length]), Stamp::now()).expires_at(expire)
    }

    /// The stored form under `key`.
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        let found = self.store.find(key).unwrap()?;
        self.store.load(key, found).unwrap()
    }

    fn sweep(&self, after: i64) -> u64 {
        let now = self.now + TimeDelta::milliseconds(after);
        self.store.sweep(now, || true).unwrap()
    }

    fn index_keys(&self) -> Vec<Vec<u8>> {
        let keys = self.store.index.iter().keys();
        keys.map(|key| key.unwrap().to_vec()).collect()
    }

    fn entries(&self) -> u64 {
        self.statistics().entries
    }

    fn statistics(&self) -> crate::Statistics {
        self.store.gauges().snapshot(&std::sync::Arc::default())
    }
}

fn stored(value: &CacheValue<Encoded>) -> Bytes {
    stored_form::encode(value, &NoCompression).unwrap()
}

#[test]
fn overwriting_and_removing_keep_the_index_in_step() {
    let scene = Scene::new();
    scene.put(b"k", 50);
    let later = scene.put(b"k", 100);
    assert_eq!(scene.index_keys(), [later]);
    let earlier = scene.put(b"k", 20);
    assert_eq!(scene.index_keys(), [earlier]);
    scene.store.remove(b"k", None).unwrap();
    assert!(scene.index_keys().is_empty());
}

#[test]
fn a_key_that_was_rewritten_survives_the_eviction_of_what_it_was() {
    let scene = Scene::new();
    let outdated = scene.put(b"k", 10);
    scene.put(b"k", 1_000);
    // A sweep that took the index entry into its batch before the key was rewritten.
    let evicted = scene
        .store
        .evict(&outdated, EvictionCause::Expired)
        .unwrap();
    assert!(!evicted);
    assert!(scene.get(b"k").is_some());
    assert_eq!(scene.entries(), 1);
}

#[test]
fn concurrent_sweeps_and_rewrites_never_lose_a_rewritten_key() {
    let scene = Scene::new();
    let done = AtomicBool::new(false);
    let lost = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                scene.sweep(500);
            }
        });
        let lost = (0..2_000_u32).filter(|round| {
            let key = format!("k{}", round % 20);
            scene.put(key.as_bytes(), 1);
            scene.put(key.as_bytes(), 1_000);
            scene.get(key.as_bytes()).is_none()
        });
        let lost = lost.count();
        done.store(true, Ordering::Release);
        lost
    });
    assert_eq!(lost, 0);
    assert_eq!(scene.entries(), 20);
    assert_eq!(scene.index_keys().len(), 20);
}

#[test]
fn a_sweep_deletes_what_is_due_in_more_than_one_batch() {
    let scene = Scene::new();
    let due = SWEEP_BATCH * 2 + 10;
    for number in 0..due {
        scene.put(format!("due{number}").as_bytes(), 10);
    }
    scene.put(b"stays", 11);
    assert_eq!(scene.sweep(9), 0);
    assert_eq!(scene.sweep(10), due as u64);
    assert_eq!(scene.entries(), 1);
    assert_eq!(scene.statistics().evicted_expired, due as u64);
    assert_eq!(scene.index_keys().len(), 1);
}

#[test]
fn reconciling_repairs_whatever_a_crash_left() {
    let scene = Scene::new();
    let (one, two) = (scene.value(10), scene.value(20));
    let index_key = |value, key: &[u8]| EvictionKey::from(value).index_key(key);
    // A value without its index entry, and an index entry that its value has outlived.
    scene
        .store
        .values
        .insert(b"one", stored(&one).to_vec())
        .unwrap();
    scene
        .store
        .values
        .insert(b"two", stored(&two).to_vec())
        .unwrap();
    for stray in [
        index_key(&two, b"two"),
        index_key(&one, b"two"),
        index_key(&one, b"nobody"),
        b"no index key".to_vec(),
    ] {
        scene.store.index.insert(stray, &[]).unwrap();
    }
    // Bytes that nobody can read.
    scene.store.values.insert(b"foreign", b"bytes").unwrap();

    scene
        .store
        .reconcile(Unclaimed::default(), scene.now)
        .unwrap();

    let expected = [index_key(&one, b"one"), index_key(&two, b"two")];
    assert_eq!(scene.index_keys(), expected);
    let statistics = scene.statistics();
    assert_eq!(statistics.entries, 2);
    assert_eq!(statistics.evicted_unreadable, 1);
    assert_eq!(statistics.bytes, 2 * slot::cost(b"one", &stored(&one)));
    assert_eq!(scene.sweep(20), 2);
    assert_eq!(scene.statistics().bytes, 0);
}

#[test]
fn damage_under_an_index_entry_is_swept_with_it() {
    let scene = Scene::new();
    scene.put(b"k", 10);
    let length = scene.get(b"k").unwrap().len();
    scene.store.values.insert(b"k", vec![0; length]).unwrap();
    assert_eq!(scene.sweep(10), 1);
    assert_eq!(scene.statistics().evicted_unreadable, 1);
    assert_eq!(scene.statistics().bytes, 0);
}

/// A long value, whose file is there.
fn put_long(scene: &Scene, key: &[u8]) -> FileRef {
    let value = scene.value_of(10_000, 50);
    let stored = stored(&value);
    let eviction = EvictionKey::from(&value);
    scene
        .store
        .put(key, eviction, &stored, scene.now, None)
        .unwrap();
    assert_eq!(scene.get(key), Some(stored));
    match scene.store.find(key).unwrap() {
        Some(Found::InFile(file)) => file,
        Some(Found::Inline(_)) | None => panic!("not in a file"),
    }
}

#[test]
fn what_replaces_a_long_value_gives_its_file_back() {
    let scene = Scene::new();
    let steps: [&dyn Fn(); 4] = [
        &|| assert_ne!(put_long(&scene, b"k").id, 0),
        &|| assert!(!scene.put(b"k", 60).is_empty()),
        &|| assert!(scene.store.remove(b"k", None).unwrap().is_some()),
        &|| assert_eq!(scene.sweep(50), 1),
    ];
    for replace in steps {
        let before = match scene.store.find(b"k").unwrap() {
            Some(Found::InFile(file)) => file,
            Some(Found::Inline(_)) | None => put_long(&scene, b"k"),
        };
        replace();
        scene.store.collect();
        assert!(scene.store.files.read(before, b"k").is_err());
    }
    assert_eq!(scene.store.files.on_disk(), 0);
}

/// sled shows the slot again if the process is killed before it has written that another has taken its
/// place.
#[test]
fn a_slot_that_comes_back_finds_its_file_no_more() {
    let scene = Scene::new();
    let replaces: [&dyn Fn(); 4] = [
        &|| assert_ne!(put_long(&scene, b"k").id, 0),
        &|| assert!(!scene.put(b"k", 60).is_empty()),
        &|| assert!(scene.store.remove(b"k", None).unwrap().is_some()),
        &|| assert_eq!(scene.sweep(50), 1),
    ];
    for replace in replaces {
        let before = put_long(&scene, b"k");
        let slot = scene.store.values.get(b"k").unwrap().unwrap();
        replace();
        assert!(scene.store.files.read(before, b"k").is_err());

        scene.store.values.insert(b"k", slot).unwrap();
        let (_, unclaimed) = Files::scan(&scene.directory.path().join("values")).unwrap();
        scene.store.reconcile(unclaimed, scene.now).unwrap();
        assert!(scene.store.find(b"k").unwrap().is_none());
        scene.store.collect();
    }
}

#[test]
fn a_value_that_is_replaced_between_finding_and_loading_gives_the_new_one() {
    let scene = Scene::new();
    put_long(&scene, b"k");
    for long in [true, false] {
        let found = scene.store.find(b"k").unwrap().unwrap();
        if long {
            put_long(&scene, b"k");
        } else {
            scene.put(b"k", 60);
        }
        scene.store.collect();
        let loaded = scene.store.load(b"k", found).unwrap();
        assert!(loaded.is_some());
        assert_eq!(loaded, scene.get(b"k"));
    }
    put_long(&scene, b"k");
    let found = scene.store.find(b"k").unwrap().unwrap();
    scene.store.remove(b"k", None).unwrap();
    scene.store.collect();
    assert_eq!(scene.store.load(b"k", found).unwrap(), None);
}

#[test]
fn clearing_a_long_namespace_leaves_its_neighbours() {
    let scene = Scene::new();
    let key = |last: &str| [&[b'n'; 600][..], last.as_bytes()].concat();
    for name in ["one:a", "one:b", "two:a"] {
        scene.put(&key(name), 50);
    }
    assert_eq!(scene.store.clear(&key("one:")).unwrap(), 2);
    assert!(scene.get(&key("two:a")).is_some());
    assert_eq!(scene.entries(), 1);
}

#[test]
fn of_two_long_values_the_one_that_began_later_stays_and_the_file_of_the_other_goes() {
    let scene = Scene::new();
    let (older, newer) = (scene.value_of(10_000, 50), scene.value_of(20_000, 50));
    let [older_began, newer_began] = [(); 2].map(|()| scene.store.begin(b"k"));
    for (value, begun) in [(&newer, newer_began), (&older, older_began)] {
        let eviction = EvictionKey::from(value);
        let stored = stored(value);
        scene
            .store
            .put(b"k", eviction, &stored, scene.now, Some(&begun))
            .unwrap();
    }
    assert!(scene.get(b"k") == Some(stored(&newer)), "the older one");
    assert_eq!(scene.entries(), 1);
    scene.store.collect();
    match scene.store.find(b"k").unwrap() {
        Some(Found::InFile(file)) => assert_eq!(scene.store.files.on_disk(), file.on_disk()),
        Some(Found::Inline(_)) | None => panic!("not in a file"),
    }
}
