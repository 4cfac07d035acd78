/// When a policy asks L2, where L1 has answered first.
///
/// Where that is known beforehand, a composition needs none of the futures by which a policy may wait for
/// either layer, or leave one to the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsksL2 {
    /// Whatever L1 has answered, and then decides by both answers.
    Always,
    /// If L1's answer leaves it open: a read without a value, or a write that L1 has taken.
    IfLeftOpen,
    /// That is not known beforehand.
    #[default]
    Unforeseen,
}
