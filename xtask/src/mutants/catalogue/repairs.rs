//! Pending repairs.

use super::{FENCES, LATE_EFFECTS, MODEL, SCENARIOS, SCHEDULED_FENCES, SCHEDULED_REPAIRS};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G4",
        mistake: "a layer that failed a change counts as having done it",
        file: "hitbox-backend/src/composition/fences/permit.rs",
        right: "Effect::of(operation.await);
        self.settle(effect);",
        wrong: "Effect::of(operation.await);
        let _ = effect;
        self.settle(Effect::Confirmed);",
        check: FENCES,
    },
    Mutant {
        guarantee: "G4",
        mistake: "reads trust a layer that has not confirmed",
        file: "hitbox-backend/src/composition/admission.rs",
        right: "!value.is_expired_at(moment) && snapshot.allows(layer, value.created())",
        wrong: "{ let _ = (layer, snapshot); !value.is_expired_at(moment) }",
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
        file: "hitbox-backend/src/composition/fences/pending.rs",
        right: "pending.leased[self.job.index()].store(false, Ordering::Release);",
        wrong: "pending.leased[self.job.index()].store(true, Ordering::Release);",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a repair that ends keeps others from looking at the layer",
        file: "hitbox-backend/src/composition/fences/verifying.rs",
        right: ".end_verifying(&self.key, self.layer);",
        wrong: ".is_newest(&self.key, 0);",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "what was unsettled for long enough is not looked at",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "        if remembers && state.sync == LayerSync::InSync {
            state.sync = LayerSync::Unverified;
        }",
        wrong: "        let _ = remembers;",
        check: MODEL,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a composition that is a layer takes refills past its record",
        file: "hitbox-backend/src/composition/backend.rs",
        right: "        self.begin_write(Origin::OtherLayer, key, value)
            .finish()
            .await",
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
        guarantee: "G4",
        mistake: "the pending repairs of single keys are forgotten before the layer has its fence",
        file: "hitbox-backend/src/composition/fences/layer_fence.rs",
        right: "        let before = self.stamp.fetch_max(now.as_micros(), Ordering::AcqRel);
        if before == 0 {
            standing.apply(1);
        }
        given_up.times += 1;
        given_up.in_doubt_until = given_up.in_doubt_until.max(give_up());
",
        wrong: "        given_up.times += 1;
        given_up.in_doubt_until = given_up.in_doubt_until.max(give_up());
        let before = self.stamp.fetch_max(now.as_micros(), Ordering::AcqRel);
        if before == 0 {
            standing.apply(1);
        }
",
        check: SCHEDULED_FENCES,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a lease of repairs is given back without a fence",
        file: "hitbox-backend/src/composition/fences/pending.rs",
        right: "        // it sees that the lease is free.
        fence(Ordering::SeqCst);
",
        wrong: "        // it sees that the lease is free.
        fence(Ordering::Release);
",
        check: SCHEDULED_REPAIRS,
    },
    Mutant {
        guarantee: "G4",
        mistake: "nobody looks at what has become pending as repairs end",
        file: "hitbox-backend/src/composition/fences/pending.rs",
        right: "LeaseProgress::Begun => pending.call_for_repairs(),",
        wrong: "LeaseProgress::Begun => {}",
        check: SCHEDULED_REPAIRS,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a repair is pending for ever of what nobody has written or removed",
        file: "hitbox-backend/src/composition/fences/key_state.rs",
        right: "            Some(_) if self.doubt_ended_beneath => LayerSync::Unverified,",
        wrong: "            _ if self.doubt_ended_beneath => LayerSync::Unverified,",
        check: LATE_EFFECTS,
    },
    Mutant {
        guarantee: "G4",
        mistake: "a layer that keeps bytes is repaired with an object that has none",
        file: "hitbox-backend/src/composition/member.rs",
        right: "let value = with_bytes(&self.backend, value)?;",
        wrong: "if false { return with_bytes(&self.backend, value).map(drop); }",
        check: MODEL,
    },
];
