//! Single flight: which work on a key is under way, and who may have its outcome.
//!
//! A *flight* is one run of work on a key (a load), those who wait for it, and the *fill* that stores its outcome.
//! [`KeyFlights`] is what is known of one key: pure, without clocks, locks or tasks. It decides by stamps:
//!
//! - **When a flight began.** Its stamp is made after it has become the key's current flight, and directly before the
//!   work. Until then everybody may join it.
//! - **Joining.** A caller joins the current flight if it began after he came, or if nothing has invalidated the key
//!   since it began. Else the flight is *overtaken*: it runs on, and the caller leads a new one.
//! - **Handing out.** [`accepts`] is asked again when the outcome is there: an invalidation may have come meanwhile. So
//!   nobody is given an outcome from before an invalidation that had returned when he came.
//! - **Two waits.** Who refuses an outcome waits for one more flight at the most: that one begins after he came, so he
//!   accepts it.
//! - **Two runs.** At most two flights of a key run. One that becomes current while two run begins when one of them
//!   has ended: [`KeyFlights::turn`] tells. Where what runs waits for that one, the table's owner does not ask.
//! - **Abandoned.** A flight is dropped that nobody waits for and nobody can join: one that was overtaken, and one that
//!   all have left before it could begin, unless it is *kept*, as a refresh in the background is. One that has begun
//!   and is current runs on.
//! - **The gap.** A flight stays current while its fill is under way. Who comes then judges its outcome as he would a
//!   value that he has read from the store.
//!
//! The tests drive it through random orders of everything that can happen to a key.

mod key_flights;
#[cfg(test)]
mod model;

pub use key_flights::{Caller, Coming, FlightId, KeyFlights, Standing, Terms, Turn, accepts};
