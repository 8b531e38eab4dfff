//! How a message holds what the crate's queues cannot: a group on a standard queue, and a body over 256 KiB.
//!
//! Both travel as message attributes of ours, so that they stay with the message through delays, redelivery and
//! the dead-letter queue, and are taken off again when it is received.

use std::collections::HashMap;

use rustack_sqs_core::message::{md5_of_body, md5_of_message_attributes};
use rustack_sqs_model::types::{Message, MessageAttributeValue};

const GROUP: &str = "exportctl.aws.MessageGroupId";
const BODY: &str = "exportctl.aws.Body";
/// The most that the crate's queues take.
const CRATE_BODY: usize = 262_144;

type Attributes = HashMap<String, MessageAttributeValue>;

/// Puts the group and a large body into the attributes.
pub(super) fn load(body: &mut String, group: Option<String>, attributes: &mut Attributes) {
    if let Some(group) = group {
        attributes.insert(GROUP.to_owned(), text(group));
    }
    if body.len() > CRATE_BODY {
        attributes.insert(BODY.to_owned(), text(std::mem::replace(body, BODY.to_owned())));
    }
}

/// Takes them out again, and keeps of the other attributes what was asked for.
pub(super) fn unload(message: &mut Message, wanted: &[String], group_wanted: bool) {
    let mut take = |name| message.message_attributes.remove(name).and_then(|value| value.string_value);
    let (group, body) = (take(GROUP), take(BODY));
    if let Some(body) = body {
        message.md5_of_body = Some(md5_of_body(&body));
        message.body = Some(body);
    }
    if let Some(group) = group.filter(|_| group_wanted) {
        message.attributes.insert("MessageGroupId".to_owned(), group);
    }
    message.message_attributes.retain(|name, _| wanted.iter().any(|pattern| matches(pattern, name)));
    // Clients compare this with the attributes that they are given.
    message.md5_of_message_attributes = md5_of_message_attributes(&message.message_attributes);
}

/// `All`, `.*`, `prefix.*`, or the name itself.
fn matches(pattern: &str, name: &str) -> bool {
    let prefix = pattern.strip_suffix(".*");
    pattern == "All" || pattern == name || prefix.is_some_and(|prefix| name.starts_with(prefix))
}

fn text(value: String) -> MessageAttributeValue {
    MessageAttributeValue { data_type: "String".to_owned(), string_value: Some(value), binary_value: None }
}
