//! SNS, as far as messages to a topic go: they are kept, and nobody gets them.

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::calls::{internal, refused};
use crate::cloud::sandbox::fault::Fault;
use crate::cloud::{CloudError, Publish};
use crate::domain::region::Region;

impl Sandbox {
    /// Returns all messages that were published, the oldest first, each with its topic's region.
    ///
    /// They belong to the process, as faults do, and are not saved.
    pub fn published(&self) -> Vec<(Region, Publish)> {
        self.lock().published.clone()
    }

    /// Keeps a message. Any region will do: SNS is not EC2, and asks nobody to enable one.
    pub(super) async fn keep_message(
        &self,
        region: &Region,
        request: &Publish,
    ) -> Result<(), CloudError> {
        let latency = self.lock().settings.latency;
        self.wait(latency).await;
        let fault = self.arrive("Publish", region, &request.topic_arn);
        if let Some(Fault::Slow(delay) | Fault::TimedOut { after: delay, .. }) = fault {
            self.wait(delay).await;
        }
        if let Some(refusal) = fault.as_ref().and_then(refused) {
            return Err(refusal.into_error("Publish", region));
        }
        self.lock().published.push((*region, request.clone()));
        if matches!(fault, Some(Fault::LostReply | Fault::TimedOut { .. })) {
            return Err(internal().into_error("Publish", region));
        }
        Ok(())
    }
}
