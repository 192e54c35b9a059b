//! Messages to SNS topics.
//!
//! Only Publish is ever asked of SNS; nothing here knows why.

use super::{AwsCloud, Call};
use crate::cloud::{CloudError, Publish};
use crate::domain::region::Region;

pub(super) async fn publish(
    cloud: &AwsCloud,
    region: &Region,
    request: &Publish,
) -> Result<(), CloudError> {
    let call = Call { operation: "Publish", region };
    let client = cloud.sns_client(region).map_err(|why| call.not_sent(why))?;
    let Publish { topic_arn, subject, text } = request;
    let publish = client.publish().topic_arn(topic_arn).subject(subject).message(text);
    let reply = publish.send().await.map_err(|err| call.failed(&err))?;
    // Without one nobody can say that SNS has it.
    reply.message_id().map(|_| ()).ok_or_else(|| call.bad_answer("the reply names no message"))
}
