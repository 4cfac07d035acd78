use super::{Check, Mutant};

const SCENARIOS: Check = Check::Tests("hitbox-backend", "composition");
const INTERLEAVINGS: Check = Check::Tests("hitbox-backend", "interleavings");
const FENCES: Check = Check::Tests("hitbox-backend", "fences");
const WRAPPERS: Check = Check::Tests("hitbox-backend", "wrappers");
const STORED_FORM: Check = Check::Tests("hitbox-backend", "stored_form");
const OFFLOAD_CLOSE: Check = Check::Tests("hitbox-backend", "offload_close");
const KEY_FORM: Check = Check::Tests("hitbox-core", "key_form");
const CORE: Check = Check::UnitTests("hitbox-core");

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G1",
        mistake: "a value still lives at the instant of its expiry",
        file: "hitbox-core/src/value.rs",
        right: "self.expire.is_some_and(|expire| expire <= clock::now())",
        wrong: "self.expire.is_some_and(|expire| expire < clock::now())",
        check: CORE,
    },
    Mutant {
        guarantee: "G1",
        mistake: "an expired value is a hit for the policies",
        file: "hitbox-backend/src/composition/read.rs",
        right: "!value.is_expired() && trust.covers(layer, value.created())",
        wrong: "trust.covers(layer, value.created())",
        check: SCENARIOS,
    },
    Mutant {
        guarantee: "G2",
        mistake: "the cap on L1 lengthens shorter lives",
        file: "hitbox-core/src/value.rs",
        right: "self.expire.map_or(limit, |expire| expire.min(limit))",
        wrong: "self.expire.map_or(limit, |_| limit)",
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
        guarantee: "G3",
        mistake: "a refill does not look at what has ended since its read began",
        file: "hitbox-backend/src/composition/ledger/shard.rs",
        right: "record.under_way == 0 && record.ended <= ends_when_read_began",
        wrong: "record.under_way == 0",
        check: INTERLEAVINGS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a change that was overtaken confirms the newer one",
        file: "hitbox-backend/src/composition/ledger/shard.rs",
        right: "            if record.newest == id {
                let newest = record.newest_change();
                record.layers[layer as usize].confirm(newest);
            }",
        wrong: "            let _ = id;
            let newest = record.newest_change();
            record.layers[layer as usize].confirm(newest);",
        check: INTERLEAVINGS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "two changes of a key go on in a layer at the same time",
        file: "hitbox-backend/src/composition/ledger/shard.rs",
        right: "        if !state.busy {
            state.busy = true;
            return None;
        }",
        wrong: "        if !state.busy || id > 0 {
            state.busy = true;
            return None;
        }",
        check: INTERLEAVINGS,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a layer that failed a change counts as having done it",
        file: "hitbox-backend/src/composition/ledger/turn.rs",
        right: "self.settle(Effect::of(&outcome));",
        wrong: "self.settle(Effect::Confirmed);",
        check: FENCES,
    },
    Mutant {
        guarantee: "G4",
        mistake: "reads trust a layer that owes",
        file: "hitbox-backend/src/composition/read.rs",
        right: "!value.is_expired() && trust.covers(layer, value.created())",
        wrong: "{ let _ = (layer, trust); !value.is_expired() }",
        check: SCENARIOS,
    },
    Mutant {
        guarantee: "G5",
        mistake: "writes have no deadline",
        file: "hitbox-backend/src/wrapper/deadline.rs",
        right: "match timeout(self.limit(operation), call).await {
            Ok(outcome) => outcome,",
        wrong: "match timeout(self.limit(operation) * 1_000, call).await {
            Ok(outcome) => outcome,",
        check: WRAPPERS,
    },
    Mutant {
        guarantee: "G5",
        mistake: "a half-open circuit lets a second probe through",
        file: "hitbox-backend/src/wrapper/circuit_breaker/machine.rs",
        right: "} => Admission::Refused(CircuitOpen::while_probed(now - since)),",
        wrong: "} => Admission::Probe(self.begin_probe(since), None),",
        check: WRAPPERS,
    },
    Mutant {
        guarantee: "G6",
        mistake: "the checksum is not compared",
        file: "hitbox-backend/src/stored_form/header.rs",
        right: "if checksum(header, payload) != stored_checksum {",
        wrong: "if checksum(header, payload) == 0 && stored_checksum == 1 {",
        check: STORED_FORM,
    },
    Mutant {
        guarantee: "G7",
        mistake: "an ampersand in a key is not escaped",
        file: "hitbox-core/src/key/text.rs",
        right: "matches!(byte, b'%' | b':' | b'&' | b'=' | b' ')",
        wrong: "matches!(byte, b'%' | b':' | b'=' | b' ')",
        check: KEY_FORM,
    },
    Mutant {
        guarantee: "G8",
        mistake: "a dropped change counts as one without effect",
        file: "hitbox-backend/src/composition/ledger/turn.rs",
        right: "self.if_dropped = Effect::Unknown;",
        wrong: "self.if_dropped = Effect::None;",
        check: INTERLEAVINGS,
    },
    Mutant {
        guarantee: "G9",
        mistake: "what is pending when the deadline comes is forgotten",
        file: "hitbox-backend/src/offload/manager.rs",
        right: "            self.ledger().finish(id, Outcome::Abandoned);",
        wrong: "            self.ledger().finish(id, Outcome::Completed);",
        check: OFFLOAD_CLOSE,
    },
    Mutant {
        guarantee: "G10",
        mistake: "the Debug form of an encoded value shows its payload",
        file: "hitbox-core/src/raw.rs",
        right: ".field(\"len\", &self.shared.payload.len())",
        wrong: ".field(\"payload\", &self.shared.payload)",
        check: CORE,
    },
];
