//! SQS, standard queues: what the consumer relies on.

mod dead_letters;
mod faults;
mod messages;
mod polls;
mod setup;
mod visibility;

use dead_letters::*;
use faults::*;
use messages::*;
use polls::*;
use visibility::*;

crate::case::cases! {
    a_message_comes_back_as_it_was_sent,
    a_group_on_a_standard_queue_comes_back,
    odd_characters_come_back_as_they_were_sent,
    a_character_that_sqs_forbids_is_refused,
    a_message_goes_to_the_queue_that_was_meant,
    a_delayed_message_comes_later,
    ten_messages_are_one_batch,
    eleven_messages_are_refused,
    a_message_of_one_mebibyte_comes_back_whole,
    a_batch_of_more_than_one_mebibyte_is_refused,
    receives_are_counted,
    a_message_is_hidden_for_as_long_as_the_receive_asked,
    a_message_whose_visibility_ends_comes_again,
    an_extended_message_stays_hidden,
    a_message_returned_at_once_is_received_at_once,
    a_message_returned_with_a_delay_comes_later,
    a_deleted_message_never_comes_again,
    a_message_may_be_deleted_twice,
    a_dead_receipt_is_gone_and_nine_others_are_changed,
    a_made_up_receipt_is_gone_and_nine_others_are_deleted,
    a_delete_with_a_stale_receipt_leaves_the_message_to_its_new_holder,
    a_message_received_too_often_goes_to_the_dead_letter_queue,
    a_dead_letter_queue_is_found_in_the_redrive_policy,
    a_receive_count_written_as_a_string_is_taken,
    a_queue_without_dead_letters_says_so,
    a_long_poll_answers_when_a_message_comes,
    long_polls_do_not_hold_each_other_up,
    an_empty_poll_lasts_as_long_as_asked,
    a_poll_that_is_given_up_takes_no_message,
    a_missing_queue_is_missing,
    wrong_credentials_are_denied,
}
