//! Copies in coherent compositions.

use super::{COHERENCE, SCHEDULED_COHERENCE};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G16",
        mistake: "a copy is kept though news of it have come since it was seen",
        file: "hitbox-backend/src/composition/copies/kept.rs",
        right: "if keep && let",
        wrong: "if let",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "a copy is served that nothing vouches for",
        file: "hitbox-backend/src/composition/copies/role.rs",
        right: "Self::ForCopy(_, credit) if credit.covers(value.seen(), now) => {}",
        wrong: "Self::ForCopy(_, _) if value.seen() <= now => {}",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "news do not drop the copy",
        file: "hitbox-backend/src/composition/copies/kept.rs",
        right: "        slot.note_news(Tick::now());
        self.drop_other_than(version);",
        wrong: "        slot.note_news(Tick::now());",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "what one composition has written is not dropped by another of its process",
        file: "hitbox-backend/src/composition/copies/kept.rs",
        right: "Attempt::Ready(Ok(Some(copy))) => Some(copy.created()) != version,",
        wrong: "Attempt::Ready(Ok(Some(_))) => version.is_none(),",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "a gap is not noticed",
        file: "hitbox-backend/src/composition/coherent.rs",
        right: "if !heard.follows {",
        wrong: "if heard.follows && !heard.complete {",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "a repair copies to the store what only this process has",
        file: "hitbox-backend/src/composition/repair.rs",
        right: "        (Asked::Value, _, _) if !source.may_be_copied() => Ok(None),
",
        wrong: "",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "a copy of another version stays when a reader is handed L2's",
        file: "hitbox-backend/src/composition/read/settle.rs",
        right: "CompositionLayer::L2 => self.layers.l1.drop_other(key, hit.value.created()),",
        wrong: "CompositionLayer::L2 => {}",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "who has joined a read leaves it to the leader to drop a copy of another version",
        file: "hitbox-backend/src/composition/read/settle.rs",
        right: "CompositionLayer::L2 => self.layers.l1.drop_other(key, hit.value.created()),",
        wrong: "CompositionLayer::L2 if hit.standing == Standing::Joined => {}
            CompositionLayer::L2 => self.layers.l1.drop_other(key, hit.value.created()),",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "a write that something newer has kept out is confirmed though that is not",
        file: "hitbox-backend/src/composition/write/settle.rs",
        right: "if self.layers.fences.has_confirmed(key, layer).await {",
        wrong: "if self.layers.fences.has_confirmed(key, layer).await || true {",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "a copy of a copy counts as seen when it was read",
        file: "hitbox-backend/src/composition/coherent.rs",
        right: "match announces.by_copies {",
        wrong: "match announces.by_copies && false {",
        check: COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "an answer is kept that another one has followed",
        file: "hitbox-backend/src/coherence/hearing.rs",
        right: "        seen > news && is_last",
        wrong: "        seen > news && (is_last || seen <= last.at)",
        check: SCHEDULED_COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "the credit is taken in the wrong order",
        file: "hitbox-backend/src/coherence/hearing.rs",
        right: "        let as_of = self.as_of.load(Ordering::Acquire);
        Credit {
            as_of: Tick::from_nanos(as_of),
            since: Tick::from_nanos(self.since.load(Ordering::Acquire)),",
        wrong: "        let since = self.since.load(Ordering::Acquire);
        Credit {
            as_of: Tick::from_nanos(self.as_of.load(Ordering::Acquire)),
            since: Tick::from_nanos(since),",
        check: SCHEDULED_COHERENCE,
    },
    Mutant {
        guarantee: "G16",
        mistake: "what vouches for a copy is taken after the look for it",
        file: "hitbox-backend/src/composition/member.rs",
        right: "        let look = self.role.get().map(Role::look);
        let attempt = self.backend.try_read(key, context, moment);",
        wrong: "        let attempt = self.backend.try_read(key, context, moment);
        let look = self.role.get().map(Role::look);",
        check: COHERENCE,
    },
];
