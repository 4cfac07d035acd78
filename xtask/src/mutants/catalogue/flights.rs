//! Who joins a load, what he is handed, and when the next one begins.

use super::{FLIGHT_MODEL, MODEL_OF_CACHE, SCHEDULED_FLIGHTS};
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G11",
        mistake: "who comes joins whatever load is under way",
        file: "hitbox-backend/src/flights/key_flights.rs",
        right: "Terms::Valid => accepts(caller.came, began, began, || invalidated),",
        wrong: "Terms::Valid => true,",
        check: FLIGHT_MODEL,
    },
    Mutant {
        guarantee: "G11",
        mistake: "who has joined is handed what has been invalidated since",
        file: "hitbox-backend/src/flights/key_flights.rs",
        right: "    began > came || invalidated() < created\n",
        wrong: "    began > came || invalidated() != created\n",
        check: FLIGHT_MODEL,
    },
    Mutant {
        guarantee: "G13",
        mistake: "nobody is handed but what began to load after he came",
        file: "hitbox-backend/src/flights/key_flights.rs",
        right: "    began > came || invalidated() < created\n",
        wrong: "    began > came || (invalidated() < created && began > came)\n",
        check: FLIGHT_MODEL,
    },
    Mutant {
        guarantee: "G11",
        mistake: "a load is as old as its end",
        file: "hitbox/src/load/outcome.rs",
        right: "loaded.into_value(began, heard, &self.settings) {",
        wrong: "loaded.into_value(hitbox_backend::Stamp::now(), heard, &self.settings) {",
        check: MODEL_OF_CACHE,
    },
    Mutant {
        guarantee: "G11",
        mistake: "what is being stored is handed out though it has been invalidated or is stale",
        file: "hitbox/src/call/loading.rs",
        right: "Some(ended) if self.would_hit::<V>(ended) => {",
        wrong: "Some(ended) if ended.value::<V>().is_some() => {",
        check: MODEL_OF_CACHE,
    },
    Mutant {
        guarantee: "G11",
        mistake: "a value that was expired by hand is fresh for get-or-load",
        file: "hitbox/src/freshness/found.rs",
        right: "let by_hand = invalidations.have_expired(value.created());
        if !by_hand",
        wrong: "let by_hand = invalidations.have_removed(value.created());
        if !by_hand",
        check: MODEL_OF_CACHE,
    },
    Mutant {
        guarantee: "G12",
        mistake: "a load does not look for what was stored since its caller has read",
        file: "hitbox/src/flights/table.rs",
        right: "self.shard_of(hash).recent.may_have_ended(hash, since)",
        wrong: "self.shard_of(hash).recent.may_have_ended(hash, since) && since == u64::MAX",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G12",
        mistake: "how a load has ended is noted after the table says that it has",
        file: "hitbox/src/flights/table.rs",
        right: "        self.change(flight, |flights| {
            flight.note_end(ended);
            flights.end(flight.id, standing);
        });
",
        wrong: "        self.change(flight, |flights| flights.end(flight.id, standing));
        flight.note_end(ended);
",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G12",
        mistake: "any number of loads of a key run",
        file: "hitbox-backend/src/flights/key_flights.rs",
        right: "(true, running) if running.len() < MOST_RUNNING => Turn::Come,",
        wrong: "(true, running) if running.len() < usize::MAX => Turn::Come,",
        check: FLIGHT_MODEL,
    },
    Mutant {
        guarantee: "G13",
        mistake: "who waits does not hear of invalidations",
        file: "hitbox/src/shared.rs",
        right: "keys.iter().for_each(|key| self.flights.tell(key));",
        wrong: "let _ = keys;",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G13",
        mistake: "who waits begins to listen after he has looked",
        file: "hitbox/src/flights/flight.rs",
        right: "                let mut news = pin!(self.news.notified());
                // Before the look: what comes between the two is not missed.
                news.as_mut().enable();
                if let Some(found) = look(self) {
                    return found;
                }
                news.await;
",
        wrong: "                if let Some(found) = look(self) {
                    return found;
                }
                self.news.notified().await;
",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G13",
        mistake: "who waits does not hear of the end of his load",
        file: "hitbox/src/flights/table.rs",
        right: "            flights.end(flight.id, standing);
        });
        flight.tell();
",
        wrong: "            flights.end(flight.id, standing);
        });
",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G13",
        mistake: "a load that its leader leaves is dropped though others join it",
        file: "hitbox-backend/src/flights/key_flights.rs",
        right: "let unwanted = self.overtaken.iter().filter(|flight| flight.waiting == 0);",
        wrong: "let unwanted = self.flights().filter(|flight| flight.waiting == 0);",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G13",
        mistake: "a load whose task is dropped leaves its callers waiting",
        file: "hitbox/src/load/outcome.rs",
        right: "        self.fail_all(&Failed::Dropped);\n",
        wrong: "        let _ = &Failed::Dropped;\n",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G13",
        mistake: "a load that waits for its turn is not told that it has come",
        file: "hitbox/src/flights/table.rs",
        right: "flights.handles().for_each(|other| other.offer_turn());",
        wrong: "let _ = |other: &Flight| other.offer_turn();",
        check: SCHEDULED_FLIGHTS,
    },
    Mutant {
        guarantee: "G14",
        mistake: "a failure is handed to callers who come after it",
        file: "hitbox/src/load/outcome.rs",
        right: "            Ended::failed(flight.began(), error),
            Standing::ForWaitersOnly,",
        wrong: "            Ended::failed(flight.began(), error),
            Standing::UntilFilled,",
        check: MODEL_OF_CACHE,
    },
];
