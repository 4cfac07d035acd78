//! That there is no such thing is known as a value is, in every layer and under every policy.

mod arrangement;
mod composed;
mod in_place;
mod lives;
mod repairs;
mod without_metadata;
