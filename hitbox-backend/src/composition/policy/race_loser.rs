/// What becomes of the slower layer's operation in a race that the other layer has won.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RaceLoserPolicy {
    /// It is handed to the background and runs to its end. (`DisabledOffload` drops it.)
    #[default]
    Offload,
    /// It is dropped where it stands. After a write, the layer that lost is then bypassed for that
    /// key, until a write, a refill or a repair reaches it.
    Drop,
}
