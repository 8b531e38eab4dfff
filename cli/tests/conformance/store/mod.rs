//! S3: what the consumer relies on.

mod faults;
mod parts;
mod setup;
mod whole;

use faults::*;
use parts::*;
use whole::*;

crate::case::cases! {
    an_object_is_put_and_read_back_with_its_metadata_and_checksum,
    an_empty_object_is_an_object,
    a_content_type_is_kept,
    an_absent_object_is_none,
    a_put_where_an_object_stands_is_refused,
    an_object_may_be_overwritten_when_that_was_asked_for,
    of_ten_puts_at_once_exactly_one_wins,
    each_write_is_a_version,
    a_put_with_a_wrong_checksum_is_refused,
    odd_keys_are_kept_as_they_are,
    an_upload_becomes_an_object_with_its_metadata,
    an_upload_of_one_small_part_is_completed,
    a_multipart_object_tells_its_full_checksum,
    a_completion_where_an_object_stands_is_refused,
    of_two_uploads_completed_at_once_exactly_one_wins,
    a_part_may_be_sent_again,
    undersized_parts_are_refused,
    a_part_with_a_wrong_checksum_is_refused,
    a_completion_with_a_wrong_checksum_is_refused_and_one_with_the_right_taken,
    a_completion_sent_again_leaves_one_object,
    an_aborted_upload_is_gone_and_may_be_aborted_again,
    a_part_after_the_abort_is_a_conflict,
    a_completion_after_the_abort_is_a_conflict,
    an_open_upload_is_listed_until_it_ends,
    open_uploads_of_a_key_are_listed_page_by_page_and_no_others,
    a_missing_bucket_is_missing,
    wrong_credentials_are_denied,
}
