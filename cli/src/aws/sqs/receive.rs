//! Messages on their way out.

use rustack_sqs_model::{error::SqsError, input::ReceiveMessageInput, output::ReceiveMessageOutput};

use super::{Inner, carry, settle::LONGEST_VISIBILITY, within};

impl Inner {
    pub(super) async fn receive(
        &self,
        mut input: ReceiveMessageInput,
    ) -> Result<ReceiveMessageOutput, SqsError> {
        within("MaxNumberOfMessages", input.max_number_of_messages, 1..=10)?;
        within("WaitTimeSeconds", input.wait_time_seconds, 0..=20)?;
        within("VisibilityTimeout", input.visibility_timeout, 0..=LONGEST_VISIBILITY)?;
        // All of them, because what is carried is among them: what was not asked for is taken off here.
        let wanted = std::mem::replace(&mut input.message_attribute_names, vec!["All".to_owned()]);
        let mut system = input.attribute_names.iter().chain(&input.message_system_attribute_names);
        let group_wanted = system.any(|name| name == "All" || name == "MessageGroupId");
        let mut output = tokio::select! {
            received = self.provider.receive_message(input) => received?,
            () = self.stop.cancelled() => ReceiveMessageOutput::default(),
        };
        for message in &mut output.messages {
            carry::unload(message, &wanted, group_wanted);
        }
        Ok(output)
    }
}
