use std::{borrow::Borrow, fmt, marker::PhantomData};

use hitbox_core::{CacheKey, KeyWriter};

use super::{
    parts::{KeyParts, PartWriter},
    space::Space,
    typed::Key,
};
use crate::settings::setters;

/// Values of one type, `V`, under ids of one type, `I`: a constant of the service.
///
/// ```
/// use hitbox::Keyspace;
///
/// const USERS: Keyspace<u64, String> = Keyspace::new("users", 1);
/// const GREETINGS: Keyspace<(u64, &str), String> = Keyspace::new("greetings", 1);
///
/// assert_eq!(USERS.key(42).to_string(), "users:v1:id=42");
/// assert_eq!(GREETINGS.key((42, "en")).to_string(), "greetings:v1:0=42&1=en");
/// ```
///
/// Equal ids of keyspaces with another name, or another version, never share an entry. Raise the version when the
/// type is changed in a deploy: new processes load anew, old ones keep what they have. In a process a keyspace has
/// one type of values: a cache refuses a second one under the same name and version. Have one constant for each:
/// of two that differ in settings, a cache goes by the one that it is asked with first; of two that differ in the type of
/// the ids, equal texts share an entry.
///
/// It has to be a `const` or a `static`, since keys refer to it. Where something of it is known at run time only, such
/// as a setting, that is `static USERS: LazyLock<Keyspace<u64, User>>`.
#[must_use = "a keyspace does nothing by itself"]
pub struct Keyspace<I: ?Sized, V> {
    space: Space,
    of: PhantomData<fn(&I) -> V>,
}

impl<I: ?Sized, V> Keyspace<I, V> {
    /// The keyspace of this name, and this version of the type that is stored.
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self {
            space: Space::new(name, version),
            of: PhantomData,
        }
    }

    /// What its keys begin with.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.space.name
    }

    /// The version of what is stored.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.space.version
    }
}

/// What is set here is over what is set on the cache; what is set on a call is over both.
impl<I: ?Sized, V> Keyspace<I, V> {
    setters!(const space.settings);
}

impl<I: KeyParts + ?Sized, V> Keyspace<I, V> {
    /// The key of the value that has this id.
    ///
    /// Makes two allocations, for ids whose text is short; more for keys of over 64 bytes.
    #[must_use]
    pub fn key(&'static self, id: impl Borrow<I>) -> Key<V> {
        let mut writer = KeyWriter::new(self.space.name, self.space.version);
        id.borrow().parts(&mut PartWriter::new(&mut writer));
        Key::within(&self.space, CacheKey::from(writer))
    }
}

impl<I: ?Sized, V> fmt::Debug for Keyspace<I, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace")
            .field("name", &self.space.name)
            .field("version", &self.space.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::LazyLock};

    use super::*;
    use crate::settings::Life;

    #[test]
    fn equal_ids_of_different_keyspaces_are_different_keys() {
        const SPACES: [Keyspace<str, u8>; 5] = [
            Keyspace::new("a", 1),
            Keyspace::new("a", 2),
            Keyspace::new("b", 1),
            Keyspace::new("a:v1", 1),
            Keyspace::new("", 1),
        ];
        static EACH: [Keyspace<str, u8>; 5] = SPACES;
        let ids = ["", "1", "id=1", ":v1:id=1"];
        let keys = EACH.iter().flat_map(|space| ids.map(|id| space.key(id)));
        let distinct: HashSet<_> = keys.map(CacheKey::from).collect();
        assert_eq!(distinct.len(), EACH.len() * ids.len());
        // However the id is at hand, and wherever the constant is used.
        let key = SPACES[0].key(String::from("1"));
        assert_eq!(key, EACH[0].key("1"));
    }

    #[test]
    fn what_is_known_at_run_time_only_can_be_set() {
        static SPACE: LazyLock<Keyspace<u64, u8>> = LazyLock::new(|| {
            let ttl = std::time::Duration::from_secs(u64::from(std::process::id()));
            Keyspace::new("a", 1).ttl(ttl)
        });
        let space = SPACE.key(42).space().unwrap();
        assert!(matches!(space.settings.life, Some(Life::For(_))));
    }
}
