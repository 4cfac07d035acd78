/// A way to break the contract, and the check that must find it.
macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident => $check:literal,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Defect {
            $($(#[$doc])* $name,)+
        }

        impl Defect {
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$name, $check),)+];
        }
    };
}

defects! {
    // What is stored.
    CutsLongPayloads => "round_trip::payloads_of_every_size",
    FailsOnEmptyPayload => "round_trip::payloads_of_every_size",
    TrimsRepeatedBytes => "round_trip::compressible_payloads",
    LosesShape => "round_trip::encodings",
    LosesCreated => "round_trip::payloads_of_every_size",
    LosesStale => "round_trip::life_times",
    RoundsExpiryToSeconds => "round_trip::life_times",
    PanicsOnFarExpiry => "round_trip::far_expiry",
    KeepsOldPayloadOnOverwrite => "round_trip::overwrite_replaces_everything",
    AnswersForAbsentKeys => "round_trip::absent_key_is_a_miss",

    // Under which key.
    IgnoresKeyCase => "keys::near_identical_keys_never_share",
    IgnoresKeyVersion => "keys::near_identical_keys_never_share",
    ConfusesEmptyWithNoValue => "keys::near_identical_keys_never_share",
    DropsControlCharacters => "keys::hostile_content",
    CutsLongKeys => "keys::long_keys",
    FailsOnLongKeys => "keys::long_keys",
    FailsOnEmptyKey => "keys::empty_key_is_usable",

    // For how long.
    ServesExpired => "expiry::below_a_second",
    ServesExpiredInBulk => "expiry::below_a_second",
    LivesHalfASecondLonger => "expiry::below_a_second",
    LivesWholeSeconds => "expiry::live_value_is_not_lost_early",
    TakesExpiredForImmortal => "expiry::expired_write_leaves_the_key_absent",
    IgnoresExpiredWrites => "expiry::expired_write_removes_the_old_value",
    KeepsOldLifeOnOverwrite => "expiry::overwrite_with_longer_life",
    KeepsOldLifeWithoutNewExpiry => "expiry::overwrite_with_no_expiry",
    OverwriteOnlyLengthensLife => "expiry::overwrite_with_shorter_life",
    StaysImmortal => "expiry::no_expiry_overwritten_with_one",
    KeepsOldStale => "expiry::stale_kept_and_dropped_on_overwrite",
    CutsStaleToExpiry => "typed::odd_lives_are_kept_as_documented",

    // Removal.
    RemovesNothing => "removal::present_key_is_deleted",
    SaysMissing => "removal::present_key_is_deleted",
    SaysDeleted => "removal::absent_key_is_missing",
    FailsToRemoveAbsent => "removal::absent_key_is_missing",
    LeavesTombstone => "removal::key_can_be_written_again",
    SaysDeletedTwice => "removal::second_remove_finds_nothing",
    RemovesByPrefix => "removal::neighbours_stay",

    // Bulk.
    AnswersEmptyBulk => "bulk::nothing_asked",
    SortsBulk => "bulk::read_in_order_with_misses_and_duplicates",
    DropsBulkMisses => "bulk::read_in_order_with_misses_and_duplicates",
    AnswersDuplicatesOnce => "bulk::read_in_order_with_misses_and_duplicates",
    LosesExpiryInBulk => "bulk::write_is_seen_by_single_reads",
    FirstDuplicateWins => "bulk::later_duplicate_wins",
    DropsSecondBatch => "bulk::more_keys_than_a_batch_holds",
    IgnoresExpiredInBulk => "bulk::expired_entries_are_absent",
    ReversesRemoved => "bulk::remove_in_order_with_misses",
    SaysMissingInBulk => "bulk::remove_of_duplicates",
    FailsWholeBulk => "bulk::oversized_entry_fails_alone",

    // Limits.
    RefusesAtTheLimit => "limits::largest_value_round_trips",
    TakesOversized => "limits::oversized_value_is_refused",
    SaysFull => "limits::oversized_value_is_refused",
    KeepsOldOnRefusal => "limits::refusal_leaves_the_key_absent",
    PoisonsRefusedKeys => "limits::refused_key_can_be_written_again",

    // Context.
    NotesNothing => "context::source_is_the_label",
    NotesForeignLabel => "context::source_is_the_label",
    TakesStaleForHit => "context::hit_miss_and_stale",
    NotesOnlyHits => "context::earlier_status_is_replaced",
    NotesFirstOfBulk => "context::bulk_reads_note_each_key",
    NeedsAllContexts => "context::bulk_reads_without_contexts",
    MissesAtOnce => "context::answers_at_once_are_the_same",

    // Writes at once.
    WritesNothingAtOnce => "at_once::writes_take_effect",
    RefillsNothingAtOnce => "at_once::refills_take_effect",
    KeepsOldForExpiredAtOnce => "at_once::expired_values_leave_nothing",
    KeepsOldOnRefusalAtOnce => "at_once::oversized_values_leave_nothing",
    StoresWhatItDoesNotBegin => "at_once::what_is_not_begun_leaves_nothing",

    // Many tasks, and futures that end early.
    WritesInTwoSteps => "concurrency::overlapping_tasks_see_no_torn_or_foreign_value",
    SharesAScratchBuffer => "concurrency::overlapping_tasks_see_no_torn_or_foreign_value",
    RewritesTheWholeMap => "concurrency::writers_of_different_keys_lose_nothing",
    TearsDroppedWrites => "cancellation::dropped_write_leaves_old_or_new",
    RemovesBeforeItWrites => "cancellation::dropped_write_leaves_old_or_new",
    TearsDroppedFirstWrites => "cancellation::dropped_write_to_an_absent_key",
    StaysBusyWhenDropped => "cancellation::dropped_write_leaves_old_or_new",
    RemovesBulkBeforeItWrites => "cancellation::dropped_bulk_write_leaves_old_or_new",
    EmptiesBeforeItRemoves => "cancellation::dropped_remove_leaves_old_or_nothing",
    TakesOutWhileItReads => "cancellation::dropped_read_changes_nothing",

    // Damage.
    ReadsNothingFromOthers => "corruption::undamaged_bytes_are_read",
    FailsOnForeignBytes => "corruption::foreign_bytes",
    PanicsOnTruncated => "corruption::truncated",
    IgnoresTheChecksum => "corruption::flipped_bits",
    IgnoresTheVersion => "corruption::older_and_newer_versions",
    IgnoresMetadata => "corruption::metadata_of_a_later_build",
    FailsOnALease => "corruption::a_lease",
    IgnoresTheEnd => "corruption::bytes_after_the_end",
    SetsDamageAside => "corruption::damage_over_a_written_value",
    FailsBulkOnDamage => "corruption::damage_in_bulk",

    // Restarts.
    ForgetsOnReopen => "persistence::values_survive_a_reopen",
    RevivesRemoved => "persistence::values_survive_a_reopen",
    RevivesExpired => "persistence::values_survive_a_reopen",

    // What typed access needs of the backend.
    MislabelsFormat => "typed::objects_round_trip",
    KeepsOldEncodingOnOverwrite => "typed::another_type_is_a_miss",
    /// It says that it keeps objects, and keeps bytes.
    HandsOutCopies => "objects::what_is_set_is_handed_out",
    /// It says that it keeps bytes, and keeps those that come with an object alone.
    KeepsNoBytesAlone => "round_trip::payloads_of_every_size",
    ForgetsObjectsWithoutBytes => "objects::one_without_bytes_is_kept",
    LosesMetadata => "absent::it_comes_back_as_what_it_is",
    KeepsOldMetadataOnOverwrite => "absent::it_and_objects_take_the_place_of_each_other",
    LosesMetadataInBulk => "absent::it_comes_back_in_bulk",
    ReversesBulkWithContexts => "typed::bulk_objects_round_trip",
    PanicsOnReject => "typed::undecodable_bytes_are_a_miss",
}
