//! Layers in process keep objects alone, and bytes are made where one keeps bytes.

mod arrangement;
mod kept;
mod other_type;
mod repairs;
mod set;
