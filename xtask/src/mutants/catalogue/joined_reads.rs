//! Reads of L2 that others join.

use super::JOINED_READS;
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G3",
        mistake: "a read joins one that began before its key was changed",
        file: "hitbox-backend/src/composition/read/under_way.rs",
        right: "            && self.changes == other.changes",
        wrong: "            && self.changes >= other.changes",
        check: JOINED_READS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a read joins one that began beneath other fences",
        file: "hitbox-backend/src/composition/read/under_way.rs",
        right: "            && self.snapshot.trusts_the_same_as(&other.snapshot)
",
        wrong: "",
        check: JOINED_READS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a read joins one that began long ago",
        file: "hitbox-backend/src/composition/read/under_way.rs",
        right: "let is_recent = now.duration_since(one.began) <= within;",
        wrong: "let is_recent = within > Duration::ZERO;",
        check: JOINED_READS,
    },
    Mutant {
        guarantee: "G6",
        mistake: "a read joins one of a reader who wants another type",
        file: "hitbox-backend/src/composition/read/under_way.rs",
        right: "(Some(one), Some(two)) => one.is(two),",
        wrong: "(Some(_), Some(_)) => true,",
        check: JOINED_READS,
    },
    Mutant {
        guarantee: "G5",
        mistake: "whoever joins a read of L2 copies its value to L1",
        file: "hitbox-backend/src/composition/read/single.rs",
        right: "None => (Standing::Joined, None),",
        wrong: "None => (Standing::Full, None),",
        check: JOINED_READS,
    },
];
