//! Rules that can be broken on purpose, to see that the checker finds it.

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// An answer vouches for copies as of the moment when it came.
    CreditWhenAnswered,
    /// An answer that does not begin with what was heard last counts as if it did.
    GapNotNoticed,
    /// An answer that had no room for all news vouches for copies.
    CreditWhenIncomplete,
    /// A copy is inserted whatever news have come since it was seen.
    NewsNotLookedFor,
    /// A copy in L1 is served whatever it is vouched for.
    AgeNotLookedAt,
    /// A copy counts as seen when L2's answer came.
    SeenWhenAnswered,
    /// A read joins one of L2 however long ago that began.
    JoinsHoweverOld,
    /// A read joins one of L2 though a reader has been handed another one's answer since that began.
    JoinsWhatIsOvertaken,
    /// What a read has joined for counts as seen when the last of them joined.
    JoinedSeenLate,
    /// A fill that an invalidation has overtaken stays in L1.
    OvertakenFillStays,
    /// A fill is written whatever has been done to the key since the load began.
    FillUnconditional,
    /// A copy is inserted, and only then news are looked for.
    InsertsThenLooks,
    /// What another L1 has answered with counts as seen when the read began.
    CopyOfCopySeenNow,
    /// Whether there are news is judged by how many there were when the read began.
    CountsNews,
    /// A repair copies L1's value to L2.
    RepairCopies,
    /// Where L2 has nothing, a reader copies L1's value to it.
    RefillsL2,
    /// A copy stays in L1 though a reader has been handed another version by L2.
    OtherVersionStays,
    /// Of reads that overlap, what the last one brings is kept.
    OverlappingReadKept,
    /// A refresh replaces a value, and announces nothing.
    RefreshNotAnnounced,
    /// News of a change that came from this process are passed over, whichever of its compositions made it.
    OwnOriginPassedOver,
}

impl Mistake {
    pub(super) const ALL: [Self; 20] = [
        Self::CreditWhenAnswered,
        Self::GapNotNoticed,
        Self::CreditWhenIncomplete,
        Self::NewsNotLookedFor,
        Self::AgeNotLookedAt,
        Self::SeenWhenAnswered,
        Self::JoinsHoweverOld,
        Self::JoinsWhatIsOvertaken,
        Self::JoinedSeenLate,
        Self::OvertakenFillStays,
        Self::FillUnconditional,
        Self::InsertsThenLooks,
        Self::CopyOfCopySeenNow,
        Self::CountsNews,
        Self::RepairCopies,
        Self::RefillsL2,
        Self::OtherVersionStays,
        Self::OverlappingReadKept,
        Self::RefreshNotAnnounced,
        Self::OwnOriginPassedOver,
    ];

    /// What readers get to see of it.
    pub(super) const fn breaks(self) -> Promise {
        match self {
            Self::CreditWhenAnswered
            | Self::GapNotNoticed
            | Self::CreditWhenIncomplete
            | Self::NewsNotLookedFor
            | Self::AgeNotLookedAt
            | Self::SeenWhenAnswered
            | Self::JoinedSeenLate
            | Self::OvertakenFillStays
            | Self::InsertsThenLooks
            | Self::CopyOfCopySeenNow
            | Self::CountsNews
            | Self::RefreshNotAnnounced
            | Self::OwnOriginPassedOver => Promise::Bound,
            Self::JoinsHoweverOld
            | Self::FillUnconditional
            | Self::RepairCopies
            | Self::RefillsL2 => Promise::Store,
            Self::JoinsWhatIsOvertaken | Self::OtherVersionStays | Self::OverlappingReadKept => {
                Promise::Order
            }
        }
    }
}

/// What is promised of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// L1's are no staler than the bound.
    Bound,
    /// L2's are its newest, or what it had when a read began that was joined.
    Store,
    /// No process is given something older than it was given before.
    Order,
}
