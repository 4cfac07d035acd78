use std::{
    any::{TypeId, type_name},
    fmt,
    sync::OnceLock,
};

use super::{space::Space, typed::Key};
use crate::settings::Settings;

/// The keyspaces that a cache has seen, with what is in force for each.
///
/// Who asks for one that was seen takes no lock. They are as many as there are constants of the program, so nothing
/// is ever forgotten.
#[derive(Debug)]
pub(crate) struct KnownSpaces {
    of_cache: Settings,
    first: Table,
}

/// Why a cache does not serve a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unserved {
    /// Its keyspace has values of another type.
    Conflict(KeyConflict),
    /// A setting of its keyspace cannot work: a sentence that names it.
    Setting(String),
}

/// Two keyspaces of one name and version with different types of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyConflict {
    name: &'static str,
    version: u32,
    first: &'static str,
    second: &'static str,
}

const SLOTS: usize = 64;

/// Slots that are filled once each, and what follows when all are.
#[derive(Debug)]
struct Table {
    slots: [OnceLock<Box<Known>>; SLOTS],
    next: OnceLock<Box<Table>>,
}

#[derive(Debug)]
struct Known {
    space: &'static Space,
    values: TypeId,
    type_name: &'static str,
    settings: Settings,
}

impl KnownSpaces {
    /// None yet. `of_cache` is in force where a keyspace says nothing.
    pub(crate) const fn new(of_cache: Settings) -> Self {
        Self {
            of_cache,
            first: Table::new(),
        }
    }

    /// What is in force for this key: what its keyspace says, over what the cache does.
    #[inline]
    pub(crate) fn settings_of<V: 'static>(&self, key: &Key<V>) -> Result<&Settings, Box<Unserved>> {
        let Some(space) = key.space() else {
            return Ok(&self.of_cache);
        };
        let known = self.known::<V>(space)?;
        if known.values == TypeId::of::<V>() {
            return Ok(&known.settings);
        }
        Err(conflict::<V>(known))
    }

    /// The keyspace of this name and version, as the first one to ask has said it.
    #[inline]
    fn known<V: 'static>(&self, space: &'static Space) -> Result<&Known, Box<Unserved>> {
        match self.first.slots[place(space)].get() {
            Some(known) if known.space.is(space) => Ok(known),
            Some(_) | None => self.found_or_introduced::<V>(space),
        }
    }

    fn found_or_introduced<V: 'static>(
        &self,
        space: &'static Space,
    ) -> Result<&Known, Box<Unserved>> {
        let mut table = &self.first;
        loop {
            for slot in table.from(place(space)) {
                let known = match slot.get() {
                    Some(known) => known,
                    None => {
                        let new = self.introduced::<V>(space)?;
                        slot.get_or_init(|| Box::new(new))
                    }
                };
                if known.space.is(space) {
                    return Ok(known);
                }
            }
            table = table.next.get_or_init(|| Box::new(Table::new()));
        }
    }

    #[cold]
    fn introduced<V: 'static>(&self, space: &'static Space) -> Result<Known, Box<Unserved>> {
        let settings = space.settings.checked_over(&self.of_cache);
        let settings = settings.map_err(|detail| Box::new(Unserved::Setting(detail)))?;
        Ok(Known {
            space,
            values: TypeId::of::<V>(),
            type_name: type_name::<V>(),
            settings,
        })
    }
}

#[cold]
fn conflict<V>(known: &Known) -> Box<Unserved> {
    Box::new(Unserved::Conflict(KeyConflict {
        name: known.space.name,
        version: known.space.version,
        first: known.type_name,
        second: type_name::<V>(),
    }))
}

impl Table {
    const fn new() -> Self {
        Self {
            slots: [const { OnceLock::new() }; SLOTS],
            next: OnceLock::new(),
        }
    }

    /// All slots, from this one on.
    fn from(&self, place: usize) -> impl Iterator<Item = &OnceLock<Box<Known>>> {
        let (behind, from) = self.slots.split_at(place);
        from.iter().chain(behind)
    }
}

/// The slot that a keyspace is in, if none was before it.
fn place(space: &Space) -> usize {
    space.hash as usize % SLOTS
}

impl fmt::Display for KeyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            version,
            first,
            second,
        } = self;
        write!(
            f,
            "version {version} of the keyspace {name:?} has values of type {first}, not {second}: raise the version",
        )
    }
}

impl std::error::Error for KeyConflict {}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::{CacheKey, Keyspace, Refresh, settings::Life};

    const MINUTE: Duration = Duration::from_secs(60);

    fn none_yet() -> KnownSpaces {
        KnownSpaces::new(Settings::living(Life::For(MINUTE)))
    }

    const NUMBERS: Keyspace<u8, u64> = Keyspace::new("things", 1);
    const TEXTS: Keyspace<u8, String> = Keyspace::new("things", 1);
    const NEWER_TEXTS: Keyspace<u8, String> = Keyspace::new("things", 2);

    #[test]
    fn a_second_type_under_one_name_and_version_is_refused() {
        let known = none_yet();
        assert!(known.settings_of(&NUMBERS.key(1)).is_ok());
        let Unserved::Conflict(conflict) = *known.settings_of(&TEXTS.key(1)).unwrap_err() else {
            panic!("it was refused for something else");
        };
        assert_eq!(
            conflict.to_string(),
            "version 1 of the keyspace \"things\" has values of type u64, not alloc::string::String: raise the version",
        );
        assert!(known.settings_of(&NEWER_TEXTS.key(1)).is_ok());
        assert!(known.settings_of(&NUMBERS.key(2)).is_ok(), "as before");
        // Of another cache the first one is another.
        let other = none_yet();
        assert!(other.settings_of(&TEXTS.key(1)).is_ok());
        assert!(other.settings_of(&NUMBERS.key(1)).is_err());
    }

    #[test]
    fn a_keyspace_is_over_the_cache() {
        const SPACE: Keyspace<u8, u64> = Keyspace::new("a", 1)
            .never_expires()
            .absent_ttl(MINUTE)
            .refresh(Refresh::After(0.5));
        let known = none_yet();
        let in_force = known.settings_of(&SPACE.key(1)).unwrap();
        let expected = Settings {
            absent_ttl: MINUTE,
            refresh: Refresh::After(0.5),
            ..Settings::living(Life::Forever)
        };
        assert_eq!(*in_force, expected);
        let untyped = Key::<u64>::untyped(CacheKey::from_pair("a", "b"));
        assert_eq!(
            *known.settings_of(&untyped).unwrap(),
            Settings::living(Life::For(MINUTE))
        );
    }

    #[test]
    fn a_keyspace_with_a_setting_that_cannot_work_is_refused_each_time() {
        const SPACE: Keyspace<u8, u64> = Keyspace::new("a", 1).jitter(0.9);
        let known = none_yet();
        for _ in 0..2 {
            let Unserved::Setting(detail) = *known.settings_of(&SPACE.key(1)).unwrap_err() else {
                panic!("it was refused for something else");
            };
            assert!(detail.starts_with("`jitter` is 0.9"), "{detail}");
        }
    }

    /// docs/bounds.md has it.
    #[test]
    fn a_keyspace_takes_two_hundred_bytes() {
        assert!(size_of::<Known>() <= 184);
        assert!(size_of::<OnceLock<Box<Known>>>() <= 16);
    }

    /// Keyspaces enough for several tables, which threads ask for at once and in other orders.
    #[test]
    fn any_number_of_keyspaces_is_known_to_all_threads_alike() {
        // Few names and few versions: some share their slot, and some of these their name or their version.
        let space = |n: u32| Keyspace::new(format!("space{}", n % 64).leak(), n / 64);
        let spaces: Vec<&'static Keyspace<u8, u64>> = (0..3 * SLOTS as u32)
            .map(|n| &*Box::leak(Box::new(space(n))))
            .collect();
        let known = none_yet();
        let known_to = |turn: usize| {
            let ask = |n: usize| known.settings_of(&spaces[(n + turn) % spaces.len()].key(1));
            let found: Vec<_> = (0..spaces.len()).map(|n| ask(n).unwrap()).collect();
            let start = spaces.len() - turn;
            let in_order = (0..spaces.len()).map(|n| found[(n + start) % found.len()]);
            in_order
                .map(std::ptr::from_ref)
                .map(<*const _>::addr)
                .collect::<Vec<_>>()
        };
        let found = thread::scope(|scope| {
            let threads = [0, 7, 70, 100].map(|turn| scope.spawn(move || known_to(turn)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(found.iter().all(|of_thread| *of_thread == found[0]));
        let mut distinct = found[0].clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), spaces.len());
    }
}
