//! DynamoDB: what the consumer relies on.

mod claims;
mod commits;
mod faults;
mod jobs;
mod races;
mod setup;

use claims::*;
use commits::*;
use faults::*;
use jobs::*;
use races::*;

crate::case::cases! {
    a_claim_counts_epochs_and_attempts,
    a_done_task_is_already_done,
    another_definition_under_the_same_id_is_refused,
    a_failed_task_is_claimed_as_one_that_failed,
    a_dead_letter_of_the_newest_epoch_reopens_its_task,
    a_dead_letter_of_an_older_epoch_is_an_ordinary_delivery,
    a_claim_sent_again_is_granted_once,
    an_attempt_is_given_back_by_its_own_start_only,
    an_upload_is_noted_for_the_next_claimant_in_its_own_epoch_only,
    a_settled_task_is_counted,
    twenty_five_tasks_and_their_counter_are_one_transaction,
    a_batch_loses_the_entries_that_may_not_be_written_and_no_other,
    done_is_accepted_from_any_epoch,
    a_failure_of_an_old_epoch_is_fenced,
    done_over_failed_moves_the_count,
    the_same_batch_again_counts_nothing,
    the_same_failure_again_counts_nothing,
    records_expire_when_that_was_asked_for,
    records_stay_when_no_expiry_was_asked_for,
    a_job_is_opened_again_in_a_new_epoch_with_what_it_had,
    a_job_with_another_definition_is_refused,
    a_cursor_moves_in_the_newest_epoch_only,
    a_running_job_of_one_task_is_closed_once,
    a_job_of_two_tasks_is_not_closed_by_one,
    a_job_that_is_listed_in_pages_has_its_total_at_the_end,
    the_end_of_a_listing_written_twice_opens_no_closed_job,
    failures_of_a_listing_are_counted_until_its_cursor_moves,
    a_task_may_come_before_its_job,
    settled_tasks_of_a_large_job_are_told,
    a_large_job_is_counted_over_its_shards,
    a_job_is_closed_when_its_last_task_is_settled,
    a_job_with_a_failed_task_is_done_with_failures,
    committers_of_one_shard_at_once_all_get_through,
    of_many_done_at_once_exactly_one_is_counted,
    claims_at_once_have_an_epoch_each,
    a_job_closed_twice_at_once_is_closed,
    a_missing_table_is_missing,
    a_table_with_other_keys_is_told,
    wrong_credentials_are_denied,
}
