"""Which laws each wrong backend breaks, and some that it may break, as threads happen to meet."""

LOOK_ALIKE = {
    "test_keys_that_differ_in_any_code_point_are_two_keys",
    "test_keys_that_look_alike_stay_apart_in_a_batch",
    "test_removing_a_key_leaves_those_that_look_like_it",
    "test_a_scan_of_a_prefix_gives_what_begins_with_it",
}
SIBLINGS = {"test_clearing_a_scope_leaves_all_else", "test_sibling_scopes_never_leak"}
PREFIXES = SIBLINGS | {"test_a_scan_of_a_prefix_gives_what_begins_with_it"}
PAGES = {
    "test_a_scan_gives_each_key_exactly_once",
    "test_a_scan_of_a_prefix_gives_what_begins_with_it",
    "test_keys_removed_while_they_are_scanned_take_no_others_with_them",
    "test_keys_that_stay_come_exactly_once_while_others_come_and_go",
    "test_more_keys_than_a_page_are_counted_iterated_and_cleared",
}
MOMENTS = {
    "test_a_value_written_with_a_ttl_expires_then",
    "test_a_value_written_with_keep_expires_when_it_would_have",
    "test_expiry_is_exact_under_load",
    "test_touch_changes_the_expiry",
}
TOLD_MOMENTS = MOMENTS | {"test_an_entry_tells_when_it_expires"}
LATE = TOLD_MOMENTS | {"test_an_expired_key_is_absent_to_every_call"}
HALVES = {
    "test_a_batch_is_never_seen_half_done_by_the_other_door",
    "test_a_reader_never_sees_a_batch_half_done",
    "test_a_reader_never_sees_a_removal_half_done",
    "test_a_reader_never_sees_a_transaction_half_done",
}
MIXED = {"test_batches_that_meet_do_not_mix"}
HISTORIES = {"test_batches_and_transactions_are_linearizable_as_one"}
INTERLEAVING = {"test_a_transaction_commits_if_and_only_if_nothing_it_read_has_changed"}
CONTENTION = {
    "test_each_item_is_taken_by_one",
    "test_each_value_is_popped_once",
    "test_increments_lose_nothing_under_contention",
    "test_modifications_lose_nothing_under_contention",
    "test_one_of_those_who_require_the_same_version_wins",
    "test_setdefault_has_one_winner",
    "test_transactions_lose_nothing_under_contention",
}
SKEW = {"test_two_transactions_that_read_what_the_other_writes_do_not_both_commit"}
MEETINGS = (
    CONTENTION
    | HISTORIES
    | SKEW
    | {
        "test_a_cancelled_call_leaves_nothing_behind",
        "test_a_cancelled_lock_is_free",
        "test_coroutines_lose_nothing_under_contention",
        "test_locks_hold_between_the_doors",
        "test_one_holder_at_a_time",
        "test_reads_and_writes_of_one_key_are_linearizable",
    }
)
APPLIED_ONCE = {
    "test_a_change_never_runs_twice_though_others_wrote_since",
    "test_a_plain_write_never_undoes_what_others_wrote_since",
    "test_a_removal_whose_answer_is_lost_is_told_or_unknown",
    "test_a_write_over_a_version_never_conflicts_with_itself",
    "test_increments_whose_answers_are_lost_count_once",
    "test_transactions_whose_answers_are_lost_happen_once",
}
UNMET = {
    "test_a_batch_whose_last_requirement_does_not_hold_leaves_nothing",
    "test_a_change_of_what_was_read_is_a_conflict",
}
OUT_OF_REACH = {
    "test_a_store_out_of_reach_is_an_error_within_the_timeout",
    "test_a_store_that_comes_back_is_used_again",
}
TOLD = {
    "test_a_change_is_told_to_a_watcher_that_waits",
    "test_a_removal_is_told",
    "test_a_value_written_with_a_ttl_expires_then",
    "test_a_value_written_with_keep_expires_when_it_would_have",
    "test_a_value_written_without_a_ttl_does_not_expire",
    "test_a_watch_of_a_scope_tells_of_its_own_keys",
    "test_a_write_is_told",
    "test_an_expiry_is_told",
    "test_changes_are_told_to_asynchronous_watchers",
    "test_every_key_of_a_batch_is_told",
    "test_the_last_state_is_never_missed",
    "test_touch_changes_the_expiry",
    "test_wait_for_returns_what_it_waited_for",
    "test_watchers_that_come_and_go_take_nothing_from_one_that_stays",
    "test_what_changed_while_a_watch_was_cut_is_told",
}
MODEL = {"test_random_operations_give_what_a_dict_would"}

PROCESSES = {
    "test_a_forked_child_uses_the_store_beside_its_parent",
    "test_a_handle_in_another_process_is_the_same_store",
    "test_a_handle_of_a_scope_is_that_scope_in_another_process",
    "test_a_process_that_waits_is_told_what_another_wrote",
}

OTHERS = {
    "test_no_read_goes_back",
    "test_what_others_wrote_is_read_as_soon_as_the_store_declares",
}

BREAKS = {
    "RightBackend": set(),
    "SparseBackend": set(),
    "SharedBackend": set(),
    # writes
    "LostUpdate": CONTENTION | {"test_reads_and_writes_of_one_key_are_linearizable"},
    "HalfAppliedBatch": HALVES,
    "HalfFailedBatch": UNMET | INTERLEAVING,
    "RetriedTwice": APPLIED_ONCE,
    "ChecksOnlyWhatItWrites": UNMET
    | INTERLEAVING
    | {"test_a_transaction_that_only_read_tells_whether_it_saw_one_moment"},
    "ChecksOneRequirement": INTERLEAVING
    | {"test_a_batch_whose_last_requirement_does_not_hold_leaves_nothing"},
    "ComparesValues": INTERLEAVING
    | {
        "test_a_change_of_what_was_read_is_a_conflict",
        "test_a_key_that_was_removed_and_written_again_has_another_version",
    },
    "VagueConflict": MODEL
    | {
        "test_a_write_over_another_version_is_refused",
        "test_a_write_where_nothing_stands_is_applied_once",
    },
    "SwallowsConflicts": UNMET
    | MODEL
    | INTERLEAVING
    | {
        "test_a_foreign_value_has_a_version_of_its_bytes",
        "test_a_foreign_write_is_a_conflict",
        "test_a_key_that_was_removed_and_written_again_has_another_version",
        "test_a_removal_may_require_a_version",
        "test_a_transaction_that_only_read_tells_whether_it_saw_one_moment",
        "test_a_write_over_a_version_of_an_absent_key_is_refused",
        "test_a_write_over_another_version_is_refused",
        "test_a_write_where_nothing_stands_is_applied_once",
        "test_an_expired_key_is_absent_to_every_call",
        "test_one_of_those_who_require_the_same_version_wins",
        "test_the_asynchronous_calls_mean_the_same",
        "test_transact_runs_again_after_a_conflict",
    },
    "MakesVersionsOfItsOwn": MODEL
    | {
        "test_a_batch_whose_last_requirement_does_not_hold_leaves_nothing",
        "test_a_change_is_told_to_a_watcher_that_waits",
        "test_a_plain_write_that_stands_is_done_though_its_answer_was_lost",
        "test_a_removal_may_require_a_version",
        "test_a_store_that_comes_back_is_used_again",
        "test_a_write_over_a_version_never_conflicts_with_itself",
        "test_a_write_over_a_version_that_stands_is_applied",
        "test_a_write_over_another_version_is_refused",
        "test_a_write_where_nothing_stands_is_applied_once",
        "test_increment_of_what_is_no_number_is_refused",
        "test_one_of_those_who_require_the_same_version_wins",
        "test_the_version_that_set_returns_is_the_one_that_stands",
        "test_touch_changes_neither_value_nor_version",
        "test_watchers_that_come_and_go_take_nothing_from_one_that_stays",
        "test_what_one_door_writes_the_other_reads",
    },
    "ConflictsWithItself": APPLIED_ONCE,
    "TakesAThousand": {
        "test_more_keys_than_a_page_are_counted_iterated_and_cleared",
        "test_several_keys_are_written_read_and_removed",
    },
    "IgnoresRequirementOfAbsentKey": UNMET
    | MODEL
    | INTERLEAVING
    | {
        "test_a_removal_may_require_a_version",
        "test_a_write_over_a_version_of_an_absent_key_is_refused",
        "test_an_expired_key_is_absent_to_every_call",
    },
    "IgnoresRequiredAbsence": UNMET
    | MODEL
    | INTERLEAVING
    | {
        "test_a_foreign_value_has_a_version_of_its_bytes",
        "test_a_write_where_nothing_stands_is_applied_once",
        "test_the_asynchronous_calls_mean_the_same",
        "test_transact_runs_again_after_a_conflict",
    },
    "RequirementOutlivesExpiry": {"test_an_expired_key_is_absent_to_every_call"},
    "CountsWhatItWasAskedToRemove": MODEL
    | {
        "test_a_removal_says_whether_something_stood",
        "test_an_expired_key_is_absent_to_every_call",
        "test_it_is_a_mapping",
        "test_reads_and_writes_of_one_key_are_linearizable",
        "test_several_keys_are_written_read_and_removed",
    },
    "Truncates": {
        "test_the_largest_value_is_taken_and_one_byte_more_is_refused",
        "test_values_of_every_size_come_back",
    },
    "Aliases": {"test_a_backend_keeps_bytes_of_its_own"},
    # reads
    "StaleRead": {
        "test_reads_and_writes_of_one_key_are_linearizable",
        "test_what_one_door_writes_the_other_reads",
    },
    "ReadsOneByOne": HALVES | MIXED,
    "CorruptIsMissing": {"test_bytes_that_cannot_be_read_are_an_error"},
    "UnavailableIsEmpty": OUT_OF_REACH,
    "LateError": {"test_a_store_out_of_reach_is_an_error_within_the_timeout"},
    "ForgetsOnRestart": {"test_what_was_acknowledged_survives_a_restart"},
    "ReadsInItsOwnOrder": {
        "test_expiry_is_exact_under_load",
        "test_several_keys_are_written_read_and_removed",
        "test_touch_changes_the_expiry",
    },
    "EmptyIsMissing": {"test_bytes_that_cannot_be_read_are_an_error"},
    "LendsItsBuffer": {
        "test_a_backend_keeps_bytes_of_its_own",
        "test_what_is_written_is_found_by_another_way",
    },
    "LeaksDriverErrors": OUT_OF_REACH,
    "StaysAway": OUT_OF_REACH,
    # keys and scans
    "FoldsCase": LOOK_ALIKE
    | SIBLINGS
    | {
        "test_a_lock_that_is_held_is_waited_for_no_longer_than_asked",
        "test_keys_outside_the_prefix_are_not_told",
    },
    "FoldsTrailingSpaces": LOOK_ALIKE | {"test_clearing_a_scope_leaves_all_else"},
    "FoldsComposition": LOOK_ALIKE | SIBLINGS,
    "FoldsAccents": LOOK_ALIKE | SIBLINGS,
    "FoldsWidth": LOOK_ALIKE | SIBLINGS,
    "ThreeByteCharacters": LOOK_ALIKE | SIBLINGS,
    "TakesSlashesTogether": LOOK_ALIKE | {"test_no_key_reaches_out_of_its_scope"},
    "CutsLongKeys": LOOK_ALIKE | {"test_a_key_has_at_most_1024_bytes_with_its_scope"},
    "LikePrefix": PREFIXES,
    "GlobPrefix": PREFIXES,
    "SkipsBetweenPages": PAGES,
    "RepeatsBetweenPages": PAGES,
    "StopsAfterAPage": PAGES,
    "PagesByOffset": {
        "test_keys_removed_while_they_are_scanned_take_no_others_with_them",
        "test_more_keys_than_a_page_are_counted_iterated_and_cleared",
    },
    "ShowsInternalKeys": {"test_what_locks_keep_is_in_no_scan_and_no_count"},
    "RemovesLocksToo": {"test_clearing_a_store_takes_no_lock_away"},
    "ForgetsTokens": {
        "test_locks_hold_between_the_doors",
        "test_one_holder_at_a_time",
        "test_tokens_only_grow",
    },
    "DoesNotRenew": {"test_a_lock_is_renewed_while_it_is_held"},
    "CountsExpired": {"test_a_value_written_with_a_ttl_expires_then"},
    # expiry
    "OverwriteKeepsExpiry": MODEL
    | {
        "test_a_value_written_without_a_ttl_does_not_expire",
        "test_touch_with_none_ends_the_expiry",
    },
    "KeepDrops": MODEL
    | {
        "test_a_value_written_with_keep_expires_when_it_would_have",
        "test_modify_and_increment_keep_the_expiry_unless_one_is_given",
    },
    "ExpiresASecondLate": LATE,
    "ExpiresInWholeSeconds": LATE,
    "ExpiresEarly": TOLD_MOMENTS,
    "ExpiredIsListed": MOMENTS | {"test_an_expired_key_is_absent_to_every_call"},
    "TouchChangesVersion": MODEL | {"test_touch_changes_neither_value_nor_version"},
    "TouchIsIgnored": MODEL
    | {"test_touch_changes_the_expiry", "test_touch_with_none_ends_the_expiry"},
    "ExpiredIsRead": MOMENTS
    | {"test_an_expired_key_is_absent_to_every_call", "test_an_expiry_is_told"},
    "BatchNeverExpires": MODEL
    | {
        "test_a_value_written_with_a_ttl_expires_then",
        "test_a_value_written_with_keep_expires_when_it_would_have",
    },
    "RequiredWritesNeverExpire": MODEL
    | {"test_a_value_written_with_a_ttl_expires_then", "test_touch_changes_the_expiry"},
    "KeepOutlivesRemoval": MODEL
    | {
        "test_an_expired_key_is_absent_to_every_call",
        "test_keep_where_nothing_stands_is_no_expiry",
    },
    # watching
    "MissesLastChange": {"test_a_change_is_told_to_a_watcher_that_waits", "test_a_write_is_told"},
    "SilentOnRemoval": {
        "test_a_removal_is_told",
        "test_changes_are_told_to_asynchronous_watchers",
        "test_every_key_of_a_batch_is_told",
        "test_the_last_state_is_never_missed",
    },
    "TellsTooEarly": {"test_a_change_is_told_to_a_watcher_that_waits"},
    "TellsOneWatcher": {"test_every_watcher_is_told"},
    "TellsFirstOfBatch": {"test_every_key_of_a_batch_is_told"},
    "OneEndEndsAll": {
        "test_every_watcher_is_told",
        "test_watchers_that_come_and_go_take_nothing_from_one_that_stays",
    },
    "TellsOnce": {
        "test_a_change_is_told_to_a_watcher_that_waits",
        "test_a_removal_is_told",
        "test_a_write_is_told",
        "test_changes_are_told_to_asynchronous_watchers",
        "test_every_key_of_a_batch_is_told",
        "test_the_last_state_is_never_missed",
        "test_what_changed_while_a_watch_was_cut_is_told",
    },
    "DeafAfterCut": {"test_what_changed_while_a_watch_was_cut_is_told"},
    # several processes
    "NotShared": HISTORIES
    | PROCESSES
    | OTHERS
    | {
        "test_a_holder_that_dies_frees_the_lock_after_its_ttl",
        "test_a_holder_that_stalled_learns_that_it_lost_the_lock",
        "test_a_holder_that_stalled_within_its_ttl_still_holds_the_lock",
        "test_increments_of_several_processes_lose_nothing",
        "test_one_holder_at_a_time",
        "test_reads_and_writes_of_one_key_are_linearizable",
        "test_transactions_of_several_processes_keep_their_invariant",
    },
    "LocksItsProcessAlone": {"test_increments_of_several_processes_lose_nothing"},
    "RemembersWhatItRead": HISTORIES
    | OTHERS
    | {
        "test_a_holder_that_stalled_within_its_ttl_still_holds_the_lock",
        "test_one_holder_at_a_time",
        "test_reads_and_writes_of_one_key_are_linearizable",
    },
    "LeasesForEver": {
        "test_a_holder_that_dies_frees_the_lock_after_its_ttl",
        "test_a_holder_that_stalled_learns_that_it_lost_the_lock",
    },
}

MAY_BREAK = {
    "LostUpdate": MEETINGS,
    "HalfAppliedBatch": MIXED | HISTORIES,
    "HalfFailedBatch": CONTENTION | HISTORIES | SKEW,
    "ChecksOnlyWhatItWrites": SKEW,
    "ReadsOneByOne": HISTORIES,
    "CountsWhatItWasAskedToRemove": HISTORIES,
    "SwallowsConflicts": MEETINGS,
    "MakesVersionsOfItsOwn": MEETINGS | INTERLEAVING,
    "IgnoresRequirementOfAbsentKey": CONTENTION,
    "ReadsInItsOwnOrder": {"test_an_expiry_is_told"},
    "ForgetsTokens": {"test_a_cancelled_lock_is_free"},
    "TellsFirstOfBatch": MIXED | HALVES | HISTORIES,
    "TellsOnce": TOLD,
    "DeafAfterCut": {"test_watchers_that_come_and_go_take_nothing_from_one_that_stays"},
    "LocksItsProcessAlone": PROCESSES
    | HISTORIES
    | {
        "test_a_holder_that_dies_frees_the_lock_after_its_ttl",
        "test_a_holder_that_stalled_learns_that_it_lost_the_lock",
        "test_a_holder_that_stalled_within_its_ttl_still_holds_the_lock",
        "test_one_holder_at_a_time",
        "test_reads_and_writes_of_one_key_are_linearizable",
        "test_transactions_of_several_processes_keep_their_invariant",
    },
    "LeasesForEver": {"test_a_holder_that_stalled_within_its_ttl_still_holds_the_lock"},
    # Whether another process still has the backend of the law before rests on what it collected.
    "RemembersWhatItRead": MOMENTS
    | PROCESSES
    | {
        "test_a_holder_that_stalled_learns_that_it_lost_the_lock",
        "test_a_holder_that_dies_frees_the_lock_after_its_ttl",
        "test_increments_of_several_processes_lose_nothing",
        "test_transactions_of_several_processes_keep_their_invariant",
    },
    "IgnoresRequiredAbsence": MEETINGS,
    "StaleRead": MEETINGS | HALVES | MIXED,
    "PagesByOffset": PAGES,
    "MissesLastChange": TOLD,
    "TellsTooEarly": TOLD,
}
