//! What stands around a composition, and what comes into it and out of it.

use super::{
    CORE, HOSTILE, INTERLEAVINGS, KEY_FORM, MODEL, OFFLOAD_CLOSE, OFFLOAD_DEFERRED,
    SCHEDULED_BREAKER, SCHEDULED_OFFLOAD, SCHEDULED_PERMITS, STORED_FORM, WRAPPERS,
};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G5",
        mistake: "calls may take a thousand times their deadline",
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
        guarantee: "G5",
        mistake: "calls are told of the state of the circuit after its lock is released",
        file: "hitbox-backend/src/wrapper/circuit_breaker/circuit.rs",
        right: "            let transition = machine.conclude(ticket, verdict, Instant::now(), fastrand::f64());
            self.publish(&machine);
            transition",
        wrong: "            let transition = machine.conclude(ticket, verdict, Instant::now(), fastrand::f64());
            let word = fast_word(&machine);
            drop(machine);
            self.fast.store(word, Ordering::Release);
            transition",
        check: SCHEDULED_BREAKER,
    },
    Mutant {
        guarantee: "G5",
        mistake: "work that a waiter gives back is not offered to the others who wait for its permit",
        file: "hitbox-backend/src/composition/fences/help.rs",
        right: "            Progress::Open => (self.task.offer)(&self.task),",
        wrong: "            Progress::Open => {}",
        check: SCHEDULED_PERMITS,
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
        guarantee: "G6",
        mistake: "what is absent is stored and read, and that it is gets lost",
        file: "hitbox-backend/src/stored_form/header.rs",
        right: ".with_meta(self.meta.map(Arc::new));",
        wrong: ".with_meta(self.meta.map(Arc::new).filter(|_| false));",
        check: STORED_FORM,
    },
    Mutant {
        guarantee: "G6",
        mistake: "a later version of the stored form is read like this one",
        file: "hitbox-backend/src/stored_form/header.rs",
        right: "            Some(_) => return Err(Rejection::Version),",
        wrong: "            Some(_) => {}",
        check: STORED_FORM,
    },
    Mutant {
        guarantee: "G6",
        mistake: "what is decompressed may go past its limit",
        file: "hitbox-backend/src/compression/bounded_read.rs",
        right: "        if length > limit {",
        wrong: "        if length > limit.saturating_mul(64) {",
        check: HOSTILE,
    },
    Mutant {
        guarantee: "G7",
        mistake: "an ampersand in a key is not escaped",
        file: "hitbox-core/src/key/escape.rs",
        right: "matches!(ascii, b'%' | b':' | b'&' | b'=' | b' ')",
        wrong: "matches!(ascii, b'%' | b':' | b'=' | b' ')",
        check: KEY_FORM,
    },
    Mutant {
        guarantee: "G7",
        mistake: "an empty value in a key is written like none",
        file: "hitbox-core/src/key/writer.rs",
        right: "if let Some(value) = value {",
        wrong: "if let Some(value) = value.filter(|value| !value.is_empty()) {",
        check: KEY_FORM,
    },
    Mutant {
        guarantee: "G8",
        mistake: "a dropped change counts as one without effect",
        file: "hitbox-backend/src/composition/fences/permit.rs",
        right: "self.if_dropped = Some(Effect::Unknown);",
        wrong: "self.if_dropped = Some(Effect::None);",
        check: MODEL,
    },
    Mutant {
        guarantee: "G8",
        mistake: "a dropped change keeps its permit",
        file: "hitbox-backend/src/composition/fences/permit.rs",
        right: "                shard.release(key, layer, delta)
",
        wrong: "                if effect == Effect::Unknown {
                    return None;
                }
                shard.release(key, layer, delta)
",
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
        guarantee: "G9",
        mistake: "who waits for work begins to listen after looking whether it has ended",
        file: "hitbox-backend/src/offload/manager.rs",
        right: "            let ended = self.ended.notified();
            if is_so(&self.ledger()) {
                return;
            }
            ended.await;",
        wrong: "            if is_so(&self.ledger()) {
                return;
            }
            self.ended.notified().await;",
        check: SCHEDULED_OFFLOAD,
    },
    Mutant {
        guarantee: "G9",
        mistake: "work that is not due yet is forgotten when the manager closes",
        file: "hitbox-backend/src/offload/ledger.rs",
        right: "            self.pending.push_back(Task { id, key, future });
        }
        let free",
        wrong: "            drop(Task { id, key, future });
        }
        let free",
        check: OFFLOAD_DEFERRED,
    },
    Mutant {
        guarantee: "G10",
        mistake: "the Debug form of an encoded value shows its payload",
        file: "hitbox-core/src/encoded.rs",
        right: ".field(\"len\", &self.payload.len())",
        wrong: ".field(\"payload\", &self.payload)",
        check: CORE,
    },
];
