//! Leases in the key itself: which process loads it, and whether something has been done to it since.
//!
//! Who finds nothing under a key stores a *marker* there, for as long as it loads. Whatever another process does to the key
//! takes the marker away, and a fill is stored only in its place. So no clocks are compared, and a remove leaves nothing behind.
//!
//! A process that is alive renews its markers, which gives them their whole life again. So how much of its life a marker has
//! lost says when it was renewed last, by the server's clock alone. One that has not been renewed for a while is taken over.

mod held;
mod marker;
mod take;
