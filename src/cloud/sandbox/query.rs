//! EC2's Query protocol: other people's programs can talk to the sandbox, and several processes to
//! one account.
//!
//! A form comes in, XML goes out ("Amazon EC2 API reference"); beside EC2 there is what snapkeep asks
//! of KMS, STS and SNS. Here are no sockets: `server` has them, and so have tests, which break them.
//! What a request names and nobody here knows, be it an action, a filter or a parameter, is refused,
//! since whoever sent it would count on its effect.
//!
//! The clock of an account is moved by whoever owns it, never by requests; only what a request itself
//! has to wait for, such as the sandbox's latency, passes at once and takes the clock along.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cloud::CloudError;
use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::refusal::Refusal;
use crate::domain::region::Region;

mod change;
mod filter;
mod form;
mod items;
mod list;
mod others;
mod paging;
mod permissions;
mod server;
mod xml;

pub use server::{Server, date};

use form::Form;
use xml::Xml;

const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// Every action that is answered.
pub const OPERATIONS: &[&str] = &[
    "AssumeRole",
    "CopyImage",
    "CopySnapshot",
    "CreateImage",
    "CreateSnapshot",
    "CreateSnapshots",
    "CreateTags",
    "DeleteSnapshot",
    "DeregisterImage",
    "DescribeImageAttribute",
    "DescribeImageReferences",
    "DescribeImages",
    "DescribeInstances",
    "DescribeKey",
    "DescribeLaunchTemplateVersions",
    "DescribeLockedSnapshots",
    "DescribeRegions",
    "DescribeSnapshots",
    "DescribeVolumes",
    "EnableImageDeprecation",
    "GetCallerIdentity",
    "GetEbsDefaultKmsKeyId",
    "GetEbsEncryptionByDefault",
    "ModifyImageAttribute",
    "ModifySnapshotAttribute",
    "Publish",
];

/// One request, as far as its headers and parameters tell what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The service that it is signed for, such as `ec2`.
    pub service: String,
    /// The region that it is signed for.
    pub region: String,
    /// The action, such as `DeleteSnapshot`.
    pub operation: String,
    /// All other parameters; those of KMS by the names of its JSON.
    pub params: BTreeMap<String, String>,
    access_key: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Content-Type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// The accounts that answer. Signatures are not checked, but an access key tells the account.
#[derive(Debug)]
pub struct Endpoint {
    own: Arc<Sandbox>,
    /// Accounts of which a role can be assumed, by their ids.
    others: Mutex<BTreeMap<String, Arc<Sandbox>>>,
    n_replies: AtomicU64,
}

impl Call {
    /// Reads a request by its headers `Authorization` and `X-Amz-Target`, and its body.
    pub fn read(authorization: &str, target: Option<&str>, body: &str) -> Self {
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
        let scope = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
        let scope = scope.split([',', ' ']).next().unwrap_or_default();
        let mut scope = scope.split('/');
        let access_key = scope.next().unwrap_or_default().to_owned();
        let region = scope.nth(1).unwrap_or_default().to_owned();
        let service = scope.next().unwrap_or_default().to_owned();
        // KMS speaks JSON and names the action in a header.
        let (operation, params) =
            if let Some((_, operation)) = target.and_then(|t| t.split_once('.')) {
                (operation.to_owned(), others::json_params(body))
            } else {
                let mut params = form::decode(body);
                params.remove("Version");
                (params.remove("Action").unwrap_or_default(), params)
            };
        Self { service, region, operation, params, access_key }
    }
}

impl Endpoint {
    /// Makes an endpoint of one account.
    pub fn new(own: Arc<Sandbox>) -> Self {
        Self { own, others: Mutex::default(), n_replies: AtomicU64::new(0) }
    }

    /// Adds an account of which a role can be assumed.
    pub fn add_account(&self, sandbox: Arc<Sandbox>) {
        let id = sandbox.account().to_string();
        self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sandbox);
    }

    /// Carries out a request and answers it.
    pub async fn answer(&self, call: &Call) -> Reply {
        let n_reply = self.n_replies.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-0000-0000-{n_reply:012}");
        let sandbox = self.account_of(&call.access_key);
        let form = Form::new(call.params.clone());
        let work = async {
            let region = call.region.parse();
            // Unsigned, or signed for what is no region.
            let region: Region = region.map_err(|_| Refusal::no_such_region())?;
            match call.service.as_str() {
                "ec2" => Ok((ec2(&sandbox, region, &call.operation, form).await?, EC2_NAMESPACE)),
                "sts" => Ok((self.sts(&sandbox, &call.operation, form)?, others::STS_NAMESPACE)),
                "sns" => {
                    let text = others::sns(&sandbox, region, &call.operation, form).await?;
                    Ok((text, others::SNS_NAMESPACE))
                }
                "kms" => Ok((others::kms(&sandbox, region, &call.operation, form).await?, "")),
                _ => Err(invalid_action(&call.operation).into()),
            }
        };
        let answered = sandbox.time().drive(work).await;
        reply(call, answered, &request_id)
    }

    /// Returns the account whose credentials these are.
    fn account_of(&self, access_key: &str) -> Arc<Sandbox> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let assumed = access_key.strip_prefix(others::ROLE_KEY_PREFIX);
        let other = assumed.and_then(|rest| others.get(rest.get(..12)?));
        Arc::clone(other.unwrap_or(&self.own))
    }
}

/// Why a request is not done.
#[derive(Debug)]
struct Problem {
    code: String,
    message: String,
}

impl From<CloudError> for Problem {
    fn from(err: CloudError) -> Self {
        Self { code: err.code, message: err.message }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = refusal.into_words();
        Self { code: code.to_owned(), message }
    }
}

/// Carries out an action of EC2; returns the elements of its answer.
async fn ec2(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    form: Form,
) -> Result<Xml, Problem> {
    if operation.starts_with("Describe") || operation.starts_with("Get") {
        list::answer(sandbox, region, operation, form).await
    } else {
        change::answer(sandbox, region, operation, form).await
    }
}

fn invalid_action(operation: &str) -> Refusal {
    let message = format!("The action {operation} is not valid for this web service.");
    Refusal::new("InvalidAction", message)
}

/// What EC2 says to a request with DryRun that would be carried out.
fn would_succeed() -> Refusal {
    let message = "Request would have succeeded, but DryRun flag is set.";
    Refusal::new("DryRunOperation", message)
}

fn reply(call: &Call, answered: Result<(Xml, &str), Problem>, request_id: &str) -> Reply {
    let is_json = call.service == "kms";
    match answered {
        // What KMS answers is JSON already.
        Ok((text, _)) if is_json => {
            Reply { status: 200, content_type: others::JSON, body: text.into_text() }
        }
        Ok((elements, namespace)) => {
            let name = &call.operation;
            let elements = if namespace == EC2_NAMESPACE {
                let mut all = Xml::new();
                all.text("requestId", request_id).written(&elements);
                all.into_text()
            } else {
                let mut all = Xml::new();
                all.element(&format!("{name}Result"), |xml| _ = xml.written(&elements));
                all.element("ResponseMetadata", |xml| _ = xml.text("RequestId", request_id));
                all.into_text()
            };
            let body = format!("<{name}Response xmlns=\"{namespace}\">{elements}</{name}Response>");
            xml_reply(200, &body)
        }
        Err(problem) if is_json => others::json_problem(&problem),
        Err(problem) => problem_reply(call, &problem, request_id),
    }
}

/// Writes an error as the service does: EC2 has a list of them, the others have one.
fn problem_reply(call: &Call, problem: &Problem, request_id: &str) -> Reply {
    let mut xml = Xml::new();
    let words =
        |xml: &mut Xml| _ = xml.text("Code", &problem.code).text("Message", &problem.message);
    if matches!(call.service.as_str(), "sts" | "sns") {
        xml.element("ErrorResponse", |xml| {
            xml.element("Error", |xml| {
                xml.text("Type", "Sender");
                words(xml);
            });
            xml.text("RequestId", request_id);
        });
    } else {
        xml.element("Response", |xml| {
            xml.element("Errors", |xml| _ = xml.element("Error", words));
            xml.text("RequestID", request_id);
        });
    }
    xml_reply(status_of(&problem.code), &xml.into_text())
}

fn xml_reply(status: u16, body: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n");
    Reply { status, content_type: "text/xml;charset=UTF-8", body }
}

/// Returns the HTTP status that goes with an error code of EC2.
fn status_of(code: &str) -> u16 {
    match code {
        "RequestLimitExceeded" | "Unavailable" | "ServiceUnavailable" => 503,
        "InternalError" | "InternalFailure" => 500,
        "DryRunOperation" => 412,
        "AuthFailure" => 401,
        "UnauthorizedOperation" | "AccessDenied" => 403,
        _ => 400,
    }
}

#[cfg(test)]
mod tests;
