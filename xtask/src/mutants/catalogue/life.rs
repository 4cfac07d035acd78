//! How long a value lives.

use super::{BEGUN_LAYERS, CORE, EXPIRED_LAYERS, MODEL, SCENARIOS, STORED_FORM};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G1",
        mistake: "a value still lives at the instant of its expiry",
        file: "hitbox-core/src/clock.rs",
        right: "Reading::Coarse(earliest) => time <= self.read_exactly(earliest),",
        wrong: "Reading::Coarse(earliest) => time < self.read_exactly(earliest),",
        check: CORE,
    },
    Mutant {
        guarantee: "G1",
        mistake: "an expired value is a hit for the policies",
        file: "hitbox-backend/src/composition/admission.rs",
        right: "!value.is_expired_at(moment) && snapshot.allows(layer, value.created())",
        wrong: "{ let _ = moment; snapshot.allows(layer, value.created()) }",
        check: EXPIRED_LAYERS,
    },
    Mutant {
        guarantee: "G1",
        mistake: "a hit is held against the moment before the other layer was asked",
        file: "hitbox-backend/src/composition/read/single.rs",
        right: "Observed::Hit(_) | Observed::Miss | Observed::Failed => &later,",
        wrong: "Observed::Hit(_) | Observed::Miss | Observed::Failed => moment,",
        check: BEGUN_LAYERS,
    },
    Mutant {
        guarantee: "G2",
        mistake: "the cap on L1 lengthens shorter lives",
        file: "hitbox-core/src/value.rs",
        right: "self.expire.min(LifeTime::until(Some(limit)))",
        wrong: "LifeTime::until(Some(limit))",
        check: SCENARIOS,
    },
    Mutant {
        guarantee: "G2",
        mistake: "the stored form loses the expiry",
        file: "hitbox-backend/src/stored_form/header.rs",
        right: "expire: time(flags & HAS_EXPIRE, array_at(header, 24))?,",
        wrong: "expire: time(flags & HAS_EXPIRE, array_at(header, 24))?.filter(|_| false),",
        check: STORED_FORM,
    },
    Mutant {
        guarantee: "G2",
        mistake: "a repair gives L2 the copy of L1, which has a shorter life",
        file: "hitbox-backend/src/composition/repair.rs",
        right: "(Asked::Value, CompositionLayer::L1, Some(_)) | (Asked::Nothing, _, _) => Ok(None),",
        wrong: "(Asked::Nothing, _, _) => { let _ = rules; Ok(None) }",
        check: MODEL,
    },
];
