//! What the crate promises, by its public interface.

mod key_form;
