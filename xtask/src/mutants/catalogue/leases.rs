//! What leases and soft expiries do.

use super::{LEASES, SOFT_EXPIRY};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G3",
        mistake: "a lease does not keep its key from being forgotten",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "self.under_way == 0 && self.pins == 0 && !self.is_fenced()",
        wrong: "self.under_way == 0 && !self.is_fenced()",
        check: LEASES,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a lease pins nothing in a composition within",
        file: "hitbox-backend/src/composition/member.rs",
        right: "let begun = self.backend.begin_load(&self.own(key)).await;",
        wrong: "let begun = self.backend.begin_load(&self.own(key)).await;
        let begun = begun.map(|_| Begun::Lead(Lease::default()));",
        check: LEASES,
    },
    Mutant {
        guarantee: "G3",
        mistake: "the value of a load is stored though something newer has been done",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "            _ if !is_newest => Err(Refusal::Superseded),",
        wrong: "            _ if !is_newest && origin != Origin::Fill => Err(Refusal::Superseded),",
        check: LEASES,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a load is not told that its value was refused",
        file: "hitbox-backend/src/composition/write/settle.rs",
        right: "was older than what was done to the key since\");
                Self::Refused",
        wrong: "was older than what was done to the key since\");
                Self::Done",
        check: LEASES,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a value is fresh though its key has been expired since",
        file: "hitbox-backend/src/composition/fences/snapshot.rs",
        right: "&& !is_above(value.created(), standing.soft_expiry)",
        wrong: "&& value.created() == standing.soft_expiry",
        check: SOFT_EXPIRY,
    },
    Mutant {
        guarantee: "G3",
        mistake: "reads do not look for a key that has been expired",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "self.is_fenced() || self.known_soft_expiry() > Stamp::ZERO",
        wrong: "self.is_fenced()",
        check: SOFT_EXPIRY,
    },
    Mutant {
        guarantee: "G3",
        mistake: "that a key has been expired is forgotten with its record",
        file: "hitbox-backend/src/composition/fences/idle.rs",
        right: "self.expired.insert(key);",
        wrong: "let _ = key;",
        check: SOFT_EXPIRY,
    },
];
