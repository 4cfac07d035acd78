use super::case::Case;

/// Every case there is, in the order of the table.
pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
