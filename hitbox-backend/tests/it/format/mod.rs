//! Formats, and what they store of a type.

mod built_in;
mod decoded_limit;
mod odd_values;
mod untraced;
