//! What snapkeep asks of services other than EC2: KMS for a key, STS for a role, SNS to tell people.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::query::form::Form;
use crate::cloud::sandbox::query::xml::Xml;
use crate::cloud::sandbox::query::{Endpoint, Problem, Reply, invalid_action, status_of};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::{Cloud as _, Publish};
use crate::domain::inventory::Key;
use crate::domain::region::Region;

pub(super) const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
pub(super) const SNS_NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
pub(super) const JSON: &str = "application/x-amz-json-1.1";
/// Access keys of roles begin so ("IAM identifiers"); here the account's id comes next.
pub(super) const ROLE_KEY_PREFIX: &str = "ASIA";
/// How long the credentials of a role last, unless it is asked otherwise.
const ROLE_LIFE: TimeDelta = TimeDelta::hours(1);

impl Endpoint {
    /// Answers STS: who one is, and a role of an account that is here.
    pub(super) fn sts(
        &self,
        sandbox: &Sandbox,
        operation: &str,
        mut form: Form,
    ) -> Result<Xml, Problem> {
        let mut xml = Xml::new();
        match operation {
            "GetCallerIdentity" => {
                form.end()?;
                let account = sandbox.account();
                xml.text("Arn", format!("arn:aws:iam::{account}:user/sandbox"));
                xml.text("UserId", "AIDASANDBOX").text("Account", account);
            }
            "AssumeRole" => {
                let arn = form.need("RoleArn")?;
                let session = form.need("RoleSessionName")?;
                let life = form.number("DurationSeconds")?.map(|n| TimeDelta::seconds(n.into()));
                // Nobody's trust policy is here to compare it with.
                form.take("ExternalId");
                form.end()?;
                let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
                let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
                if !others.contains_key(&account) {
                    let message = format!(
                        "User is not authorized to perform: sts:AssumeRole on resource: {arn}"
                    );
                    return Err(Refusal::new("AccessDenied", message).into());
                }
                let until = sandbox.time().now() + life.unwrap_or(ROLE_LIFE);
                xml.element("Credentials", |xml| {
                    xml.text("AccessKeyId", format!("{ROLE_KEY_PREFIX}{account}ROLE"));
                    xml.text("SecretAccessKey", "sandbox").text("SessionToken", "sandbox");
                    xml.instant("Expiration", until);
                });
                xml.element("AssumedRoleUser", |xml| {
                    xml.text("AssumedRoleId", format!("AROASANDBOX:{session}"));
                    let role = arn.rsplit('/').next().unwrap_or_default();
                    let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
                    xml.text("Arn", arn);
                });
            }
            _ => return Err(invalid_action(operation).into()),
        }
        Ok(xml)
    }
}

/// Answers SNS.
pub(super) async fn sns(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    mut form: Form,
) -> Result<Xml, Problem> {
    if operation != "Publish" {
        return Err(invalid_action(operation).into());
    }
    let request = Publish {
        topic_arn: form.need("TopicArn")?,
        subject: form.take("Subject").unwrap_or_default(),
        text: form.need("Message")?,
    };
    form.end()?;
    sandbox.publish(&region, &request).await?;
    let mut xml = Xml::new();
    xml.text("MessageId", format!("00000000-0000-0000-0001-{:012}", sandbox.published().len()));
    Ok(xml)
}

/// Answers KMS; the answer is JSON.
pub(super) async fn kms(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    mut form: Form,
) -> Result<Xml, Problem> {
    if operation != "DescribeKey" {
        let message = format!("Unknown operation {operation}");
        return Err(Refusal::new("UnknownOperationException", message).into());
    }
    let name = form.need("KeyId")?;
    form.end()?;
    let key = sandbox.describe_key(&region, &name).await?;
    let metadata = json!({ "KeyMetadata": metadata(sandbox, &name, &key) });
    let mut res = Xml::new();
    res.raw(&metadata.to_string());
    Ok(res)
}

fn metadata(sandbox: &Sandbox, name: &str, key: &Key) -> Value {
    let Key { arn, is_enabled, is_symmetric } = key;
    let spec = if *is_symmetric { "SYMMETRIC_DEFAULT" } else { "RSA_2048" };
    let is_aws = name.ends_with("alias/aws/ebs");
    json!({
        "AWSAccountId": &*sandbox.account(),
        "KeyId": arn.rsplit('/').next(),
        "Arn": &**arn,
        "Enabled": is_enabled,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": if *is_enabled { "Enabled" } else { "Disabled" },
        "Origin": "AWS_KMS",
        "KeyManager": if is_aws { "AWS" } else { "CUSTOMER" },
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "MultiRegion": false,
    })
}

/// Returns the texts of a JSON object; what is none is no parameter that anybody here knows.
pub(super) fn json_params(body: &str) -> BTreeMap<String, String> {
    let object: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    object.into_iter().map(|(name, value)| (name, text(value))).collect()
}

pub(super) fn json_problem(problem: &Problem) -> Reply {
    let Problem { code, message } = problem;
    // KMS has another word for it (AWS KMS API reference, "Common errors").
    let code = if code == "UnauthorizedOperation" { "AccessDeniedException" } else { code };
    let body = json!({ "__type": code, "message": message }).to_string();
    let status = if status_of(code) < 500 { 400 } else { status_of(code) };
    Reply { status, content_type: JSON, body }
}
