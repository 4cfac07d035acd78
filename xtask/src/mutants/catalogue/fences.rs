//! Nothing older comes back.

use super::{
    FAILS_AGAIN, FENCED, FORGOTTEN_KEYS, INTERLEAVINGS, LAYER_FENCES, MODEL, READY_LAYERS,
    REPEATED, SCHEDULED_FENCES, WAITING_FOR_L2,
};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G3",
        mistake: "a change that was made by a second attempt is out of doubt",
        file: "hitbox-backend/src/composition/fences/effect.rs",
        right: "            Self::Repeated | Self::Unknown => true,
            Self::Confirmed | Self::None => false,",
        wrong: "            Self::Unknown => true,
            Self::Confirmed | Self::Repeated | Self::None => false,",
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "the retry wrapper hides that an attempt before the last may take effect yet",
        file: "hitbox-backend/src/outcome.rs",
        right: "answer.change().filter(|_| !failed.is_definite())",
        wrong: "answer.change().filter(|_| failed.is_retryable() && failed.is_definite())",
        check: REPEATED,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a write at once that fails counts as one that was taken",
        file: "hitbox-backend/src/composition/fences/shard.rs",
        right: "                if effect.confirms() {
",
        wrong: "                if effect.confirms() || effect.leaves_doubt() {
",
        check: READY_LAYERS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a write does not wait for the permit of others",
        file: "hitbox-backend/src/composition/fences/entry.rs",
        right: "        let free = !self.waiters.is_busy_in(layer);
        if free {
            self.take(layer);
        }
        free
",
        wrong: "        let free = true;
        self.take(layer);
        free
",
        check: READY_LAYERS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a layer that was waited for counts as written though it failed",
        file: "hitbox-backend/src/composition/write/single.rs",
        right: "writing.share.give_back(layer, effect);",
        wrong: "let _ = effect;
            writing.share.give_back(layer, Effect::Confirmed);",
        check: WAITING_FOR_L2,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a layer counts as untouched when a write is dropped that waits for it",
        file: "hitbox-backend/src/composition/write/single.rs",
        right: "                share.note(layer, Effect::Unknown);
",
        wrong: "",
        check: WAITING_FOR_L2,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a write that has been overtaken touches the layer",
        file: "hitbox-backend/src/composition/fences/share.rs",
        right: "if self.fences.shard(&self.key).is_newest(&self.key, self.id) {",
        wrong: "if self.fences.shard(&self.key).is_newest(&self.key, self.id) || layer == CompositionLayer::L2 {",
        check: INTERLEAVINGS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a layer is trusted again though something may still arrive in it",
        file: "hitbox-backend/src/composition/fences/layer_fence.rs",
        right: "            Some(left) if left > Duration::ZERO => Err(CannotLift::Late(left)),",
        wrong: "            Some(left) if left > Duration::MAX => Err(CannotLift::Late(left)),",
        check: LAYER_FENCES,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a key whose repair is given up is not among those that the layer's fence is about",
        file: "hitbox-backend/src/composition/fences/shard.rs",
        right: "self.given_up[layer as usize].insert(&key);",
        wrong: "let _ = &self.given_up[layer as usize];",
        check: FORGOTTEN_KEYS,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a refill does not look at what has ended since its read began",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "self.under_way == 0 && self.ended <= ends",
        wrong: "{ let _ = ends; self.under_way == 0 }",
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a change that was overtaken confirms the newer one",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "        if self.newest == id {
            let newest = self.newest_operation();
            self.layer_mut(layer).confirm(newest);
        }",
        wrong: "        let _ = id;
        let newest = self.newest_operation();
        self.layer_mut(layer).confirm(newest);",
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "two changes of a key go on in a layer at the same time",
        file: "hitbox-backend/src/composition/fences/shard.rs",
        right: "        if entry.take_if_free(layer) {
            return None;
        }
        Some(",
        wrong: "        if entry.take_if_free(layer) || entry.state.remembers() {
            return None;
        }
        Some(",
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a repair takes what a dirty layer holds for what it should hold",
        file: "hitbox-backend/src/composition/repair.rs",
        right: "Ok(found?.filter(|value| may_be_served(A::LAYER, value, snapshot, &moment)))",
        wrong: "{ let _ = (snapshot, moment); found }",
        check: MODEL,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a repair does not look at what has ended since it read the layers",
        file: "hitbox-backend/src/composition/fences/verifying.rs",
        right: "shard.begin_refill(key, layer, self.snapshot.ends)?",
        wrong: "shard.begin_refill(key, layer, u64::MAX)?",
        check: FAILS_AGAIN,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a read counts the ends of changes after it has looked at the fences",
        file: "hitbox-backend/src/composition/fences/records.rs",
        right: "        let ends = self.ends.load(Ordering::Acquire);
        if self.standing.get() == 0 {
            return FenceSnapshot {
                standing: None,
                ends,
            };
        }",
        wrong: "        let untouched = self.standing.get() == 0;
        let ends = self.ends.load(Ordering::Acquire);
        if untouched {
            return FenceSnapshot {
                standing: None,
                ends,
            };
        }",
        check: SCHEDULED_FENCES,
    },
    Mutant {
        guarantee: "G3",
        mistake: "a backend in fences is read without a look at them",
        file: "hitbox-backend/src/composition/fenced/backend.rs",
        right: "self.cache.trusts_all().then(|| self.get_ref())",
        wrong: "Some(self.get_ref())",
        check: FENCED,
    },
];
