/// A codec was asked for a compression level that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{codec} has no compression level {level}: choose one from {lowest} to {highest}")]
pub struct UnknownLevel {
    pub(super) codec: &'static str,
    pub(super) level: i64,
    pub(super) lowest: i64,
    pub(super) highest: i64,
}
