//! What a panic within a history has said.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::Once,
};

thread_local! {
    static HISTORY_RUNS: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `history`; the error is what a panic in it has said. That is not printed: a history that panics
/// does so many times while it is shortened.
pub(super) fn catch<T>(history: impl FnOnce() -> T) -> Result<T, String> {
    listen();
    HISTORY_RUNS.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(history));
    HISTORY_RUNS.set(false);
    outcome.map_err(|_| said())
}

/// What the panic has said that was just caught.
pub(super) fn said() -> String {
    let said = SAID.take();
    said.unwrap_or_else(|| String::from("a panic without a word"))
}

/// Lets the panics of threads on which a history runs be kept in place of being printed.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| match HISTORY_RUNS.get() {
            true => keep(info),
            false => others(info),
        }));
    });
}

/// The first one: others may follow from it as the stack is unwound.
fn keep(info: &PanicHookInfo<'_>) {
    let said = info.to_string().replace('\n', " ");
    SAID.with_borrow_mut(|first| _ = first.get_or_insert(said));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_kept_with_what_it_said() {
        assert_eq!(catch(|| 1), Ok(1));
        let said = catch(|| panic!("of the test")).unwrap_err();
        assert!(
            said.contains("panics.rs") && said.contains("of the test"),
            "{said}"
        );
        // Nothing of it is left for the next one.
        let said = catch(|| panic!("another")).unwrap_err();
        assert!(said.contains("another"), "{said}");
    }
}
