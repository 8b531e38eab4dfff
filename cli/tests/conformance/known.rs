//! What an implementation cannot do, and what it does instead. A case named here must fail there: one that holds
//! after all fails the suite, so that the list stays true.

use crate::{
    implementation::Implementation::{self, ElasticMq, LocalStack, MiniStack, Moto},
    suite::Port::{self, Ledger, ObjectStore, Queue},
};

/// One case that one implementation fails.
pub(crate) struct Cannot {
    pub(crate) implementation: Implementation,
    pub(crate) port: Port,
    pub(crate) case: &'static str,
    /// What it does instead.
    pub(crate) instead: &'static str,
    /// It depends on who comes first: the case may hold as well.
    pub(crate) sometimes: bool,
}

const fn cannot(
    implementation: Implementation,
    port: Port,
    case: &'static str,
    instead: &'static str,
) -> Cannot {
    Cannot { implementation, port, case, instead, sometimes: false }
}

const fn may_not(
    implementation: Implementation,
    port: Port,
    case: &'static str,
    instead: &'static str,
) -> Cannot {
    Cannot { sometimes: true, ..cannot(implementation, port, case, instead) }
}

const CREDENTIALS: &str = "wrong_credentials_are_denied";
const ANY_KEY: &str = "takes any access key";
const COMPOSITE: &str = "takes the checksum of a multipart object for a composite one, and refuses the right one \
                         (BadDigest)";

const LOST: &str = "of updates of one item at once some may be lost";

const KNOWN: &[Cannot] = &[
    cannot(
        MiniStack,
        Queue,
        "a_message_may_be_deleted_twice",
        "ReceiptHandleIsInvalid: gone, as far as we care",
    ),
    cannot(MiniStack, Queue, CREDENTIALS, ANY_KEY),
    cannot(MiniStack, ObjectStore, "an_upload_becomes_an_object_with_its_metadata", COMPOSITE),
    cannot(MiniStack, ObjectStore, "an_upload_of_one_small_part_is_completed", COMPOSITE),
    cannot(MiniStack, ObjectStore, "a_multipart_object_tells_its_full_checksum", COMPOSITE),
    cannot(MiniStack, ObjectStore, "of_two_uploads_completed_at_once_exactly_one_wins", COMPOSITE),
    cannot(MiniStack, ObjectStore, "a_part_may_be_sent_again", COMPOSITE),
    cannot(MiniStack, ObjectStore, "undersized_parts_are_refused", COMPOSITE),
    cannot(
        MiniStack,
        ObjectStore,
        "a_completion_with_a_wrong_checksum_is_refused_and_one_with_the_right_taken",
        COMPOSITE,
    ),
    cannot(MiniStack, ObjectStore, "a_completion_sent_again_leaves_one_object", COMPOSITE),
    cannot(MiniStack, ObjectStore, "an_open_upload_is_listed_until_it_ends", COMPOSITE),
    cannot(MiniStack, ObjectStore, CREDENTIALS, ANY_KEY),
    cannot(MiniStack, Ledger, CREDENTIALS, ANY_KEY),
    cannot(
        LocalStack,
        Queue,
        "a_character_that_sqs_forbids_is_refused",
        "refuses the entry, and says that the fault is its own (`SenderFault: false`)",
    ),
    cannot(
        LocalStack,
        Queue,
        "a_delete_with_a_stale_receipt_leaves_the_message_to_its_new_holder",
        "deletes the message",
    ),
    may_not(LocalStack, Queue, "a_poll_that_is_given_up_takes_no_message", "the poll goes on, and takes it"),
    cannot(LocalStack, Queue, CREDENTIALS, ANY_KEY),
    may_not(LocalStack, ObjectStore, "of_two_uploads_completed_at_once_exactly_one_wins", "both may win"),
    cannot(LocalStack, ObjectStore, CREDENTIALS, ANY_KEY),
    cannot(
        ElasticMq,
        Queue,
        "a_message_may_be_deleted_twice",
        "InvalidParameterValue: gone, as far as we care",
    ),
    may_not(ElasticMq, Queue, "a_poll_that_is_given_up_takes_no_message", "the poll goes on, and takes it"),
    cannot(ElasticMq, Queue, CREDENTIALS, ANY_KEY),
    may_not(Moto, Ledger, "claims_at_once_have_an_epoch_each", LOST),
    may_not(Moto, Ledger, "of_many_done_at_once_exactly_one_is_counted", LOST),
    may_not(Moto, Ledger, "committers_of_one_shard_at_once_all_get_through", LOST),
    cannot(Moto, Ledger, CREDENTIALS, ANY_KEY),
];

/// What no implementation here can be made to do, and the test that shows the consumer beside it, on fakes of the
/// ports: file and function.
pub(crate) const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "SQS: `OverLimit`, more messages in flight than it allows",
        "consumer/tests/rooms/ours.rs",
        "a_queue_that_is_over_its_limit_is_backpressure_and_no_error",
    ),
    (
        "SQS: the same message at two consumers at once",
        "consumer/tests/rooms/twice.rs",
        "the_same_task_at_two_consumers_is_stored_and_counted_once",
    ),
    (
        "SQS: one entry of an extension that fails for no fault of its receipt",
        "consumer/tests/rooms/leases.rs",
        "a_dead_entry_of_an_extension_never_fails_its_siblings",
    ),
    (
        "S3: 409 `ConditionalRequestConflict`",
        "consumer/tests/rooms/storing.rs",
        "a_conflicting_write_is_tried_again",
    ),
    (
        "S3: a completion that is done, and whose answer is lost",
        "consumer/tests/rooms/storing.rs",
        "an_upload_whose_completion_was_answered_by_nobody_is_adopted",
    ),
    (
        "S3: credentials that may read and not write",
        "consumer/tests/rooms/ours.rs",
        "denied_writes_never_use_up_the_attempts",
    ),
    (
        "DynamoDB: `TransactionConflict`",
        "consumer/tests/rooms/ours.rs",
        "transactions_in_conflict_are_tried_again",
    ),
    (
        "DynamoDB: throttling",
        "consumer/tests/rooms/ours.rs",
        "a_claim_that_is_throttled_gives_the_message_back_without_an_attempt",
    ),
    (
        "DynamoDB: a transaction that is done, and whose answer is lost",
        "consumer/tests/rooms/ours.rs",
        "a_commit_of_which_the_answer_is_lost_counts_once",
    ),
    (
        "All: the codes that AWS answers, as faults",
        "consumer/src/aws/fault.rs",
        "codes_tell_whose_turn_it_is",
    ),
];

/// What an implementation fails of a port's cases.
pub(crate) fn of(implementation: Implementation, port: Port) -> impl Iterator<Item = &'static Cannot> {
    KNOWN.iter().filter(move |known| known.implementation == implementation && known.port == port)
}

/// What is known of a case.
pub(crate) fn of_case(implementation: Implementation, port: Port, case: &str) -> Option<&'static Cannot> {
    of(implementation, port).find(|known| known.case == case)
}
