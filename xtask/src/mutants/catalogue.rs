use super::{Check, Mutant};

const SCENARIOS: Check = Check::Tests("hitbox-backend", "composition");
/// From one seed: what it finds there once, it finds always.
const MODEL: Check = Check::Model {
    seed: 1,
    operations: 20_000,
};
/// All schedules of what the model meets rarely: an operation at the one moment that matters.
const FAILS_AGAIN: Check = Check::Test(
    "hitbox-backend",
    "interleavings",
    "the_layer_fails_again_while_it_is_repaired",
);
const FENCES: Check = Check::Tests("hitbox-backend", "fences");
const AT_ONCE: Check = Check::Tests("hitbox-backend", "at_once");
const WRAPPERS: Check = Check::Tests("hitbox-backend", "wrappers");
const STORED_FORM: Check = Check::Tests("hitbox-backend", "stored_form");
const OFFLOAD_CLOSE: Check = Check::Tests("hitbox-backend", "offload_close");
const KEY_FORM: Check = Check::Tests("hitbox-core", "key_form");
const CORE: Check = Check::UnitTests("hitbox-core");

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G1",
        mistake: "a value still lives at the instant of its expiry",
        file: "hitbox-core/src/value/life_time.rs",
        right: "self.0 <= moment.unix_millis()",
        wrong: "self.0 < moment.unix_millis()",
        check: CORE,
    },
    Mutant {
        guarantee: "G1",
        mistake: "an expired value is a hit for the policies",
        file: "hitbox-backend/src/composition/read.rs",
        right: "!value.is_expired_at(moment) && trust.covers(layer, value.created())",
        wrong: "{ let _ = moment; trust.covers(layer, value.created()) }",
        check: SCENARIOS,
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
    Mutant {
        guarantee: "G3",
        mistake: "a write at once that fails counts as one that was taken",
        file: "hitbox-backend/src/composition/ledger/shard.rs",
        right: "                    (Effect::Confirmed, Some(newest)) => state.confirm(newest),
                    (Effect::Confirmed, None) | (Effect::None | Effect::Unknown, _) => {}",
        wrong: "                    (_, Some(newest)) => state.confirm(newest),
                    (_, None) => {}",
        check: AT_ONCE,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a write at once does not wait for the turn of others",
        file: "hitbox-backend/src/composition/ledger/shard.rs",
        right: "self.records.get(key).is_some_and(Record::is_busy)",
        wrong: "self.records.get(key).is_some_and(|record| record.layers.len() > 2)",
        check: AT_ONCE,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a refill does not look at what has ended since its read began",
        file: "hitbox-backend/src/composition/ledger/shard.rs",
        right: "record.under_way == 0 && record.ended <= ends_when_read_began",
        wrong: "record.under_way == 0",
        check: MODEL,
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
        check: MODEL,
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
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a repair takes what an owing layer holds for what it should hold",
        file: "hitbox-backend/src/composition/repair.rs",
        right: "Ok(found?.filter(|value| is_usable(A::LAYER, value, trust, &moment)))",
        wrong: "{ let _ = (trust, moment); found }",
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a repair does not look at what has ended since it read the layers",
        file: "hitbox-backend/src/composition/ledger/debts.rs",
        right: "shard.begin_refill(key, layer, trust.ends)?",
        wrong: "{ let _ = trust; shard.begin_refill(key, layer, u64::MAX)? }",
        check: FAILS_AGAIN,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a layer that failed a change counts as having done it",
        file: "hitbox-backend/src/composition/ledger/turn.rs",
        right: "let outcome = operation.await;
        self.settle(Effect::of(&outcome));",
        wrong: "let outcome = operation.await;
        self.settle(Effect::Confirmed);",
        check: FENCES,
    },
    Mutant {
        guarantee: "G4",
        mistake: "reads trust a layer that owes",
        file: "hitbox-backend/src/composition/read.rs",
        right: "!value.is_expired_at(moment) && trust.covers(layer, value.created())",
        wrong: "{ let _ = (layer, trust); !value.is_expired_at(moment) }",
        check: SCENARIOS,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a repair removes the value that it should copy",
        file: "hitbox-backend/src/composition/repair.rs",
        right: "(Ok(None), Ok(Some(value))) => Remedy::Copy(value),",
        wrong: "(Ok(None), Ok(Some(value))) if value.is_expired() => Remedy::Copy(value),
        (Ok(None), Ok(Some(_))) => Remedy::Remove,",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "nobody repairs a layer after the first round of repairs",
        file: "hitbox-backend/src/composition/ledger/debts.rs",
        right: "ledger.pending.claimed[self.chore.index()].store(false, Ordering::Release);",
        wrong: "ledger.pending.claimed[self.chore.index()].store(true, Ordering::Release);",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a repair that ends keeps others from looking at the layer",
        file: "hitbox-backend/src/composition/ledger/debts.rs",
        right: "self.ledger.shard(&self.key).end_look(&self.key, self.layer);",
        wrong: "let _ = &self.ledger.shard(&self.key);",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "what was unsettled for long enough is not looked at",
        file: "hitbox-backend/src/composition/ledger/record.rs",
        right: "        if remembers && state.debt == Debt::None {
            state.debt = Debt::Unverified;
        }",
        wrong: "        let _ = remembers;",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a composition that is a layer takes refills past its record",
        file: "hitbox-backend/src/composition/backend.rs",
        right: "        self.write_from(Origin::OtherLayer, key, value).await",
        wrong: "        self.layers.l1.refill(key, value.clone()).await?;
        self.layers.l2.refill(key, value).await",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "an error blames the layer of a nested composition",
        file: "hitbox-backend/src/error.rs",
        right: "self.inner.layers.insert(0, layer);",
        wrong: "self.inner.layers.push(layer);",
        check: MODEL,
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
        right: "if checksum(stored) != Some(stored_checksum) {",
        wrong: "if checksum(stored) == Some(0) && stored_checksum == 1 {",
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
        check: MODEL,
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
