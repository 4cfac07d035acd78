//! Leases in a store that processes share.

use super::{FLEET, LEASES_IN_REDIS};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G18",
        mistake: "a value that the shared layer has refused is kept by the other one",
        file: "hitbox-backend/src/composition/write/fill.rs",
        right: "None | Some(Ok(Conditional::Refused)) => (None, Ended::Refused),",
        wrong: "None | Some(Ok(Conditional::Refused)) => (Some(in_other), Ended::Refused),",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a copy that was loaded without a lease is kept though news have overtaken it",
        file: "hitbox-backend/src/composition/write/fill.rs",
        right: "|value: CacheValue<Raw>| value.seen_at(began);",
        wrong: "|value: CacheValue<Raw>| value.seen_at(Tick::now().max(began));",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a repair copies to a store what only this process has",
        file: "hitbox-backend/src/composition/member.rs",
        right: "self.keeps_copies().is_none() && !self.other_gives_leases",
        wrong: "self.keeps_copies().is_none()",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a fill is stored whatever has been done to the key",
        file: "hitbox-redis/src/lease/take.rs",
        right: "            None | Some((_, Basis::Anything)) => {",
        wrong: "            _ => {",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a script stores a value in place of another one than was found",
        file: "hitbox-redis/src/commands/conditional.rs",
        right: "==ARGV[1] then \\
    redis.call('SET'",
        wrong: "~='' then \\
    redis.call('SET'",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a lease that is given up stays",
        file: "hitbox-redis/src/lease/held.rs",
        right: "let _ = inner.take_away(&marked.at, &marked.marker).await;",
        wrong: "let _ = inner.renew(&marked.at, &marked.marker).await;",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a fill that replaces a value is not announced",
        file: "hitbox-redis/src/lease/take.rs",
        right: "self.exchange.change(key, subject, set).await",
        wrong: "self.exchange.change_unannounced(key, set).await",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "the lease of a process that is alive is taken over",
        file: "hitbox-redis/src/lease/marker.rs",
        right: "self.life().saturating_sub(left) > BELIEVED_FOR.as_millis() as u64",
        wrong: "self.life().saturating_sub(left) < BELIEVED_FOR.as_millis() as u64",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "a lease is not renewed",
        file: "hitbox-redis/src/lease/held.rs",
        right: "let _ = inner.renew(&at, &marker).await;",
        wrong: "let _ = (&inner, &at, &marker);",
        check: LEASES_IN_REDIS,
    },
    Mutant {
        guarantee: "G18",
        mistake: "who waits for a key holds others that come after it",
        file: "hitbox/src/load/lease.rs",
        right: "if comes_later || !loading",
        wrong: "if comes_later && !loading",
        check: FLEET,
    },
    Mutant {
        guarantee: "G18",
        mistake: "who loads beside another process takes what that one stores away",
        file: "hitbox-backend/src/composition/load.rs",
        right: "            (false, Course::Wait) => InLayer::Elsewhere,",
        wrong: "            (false, Course::Wait) => InLayer::NotTaken,",
        check: LEASES_IN_REDIS,
    },
];
