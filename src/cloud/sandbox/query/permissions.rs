//! Who may use an image or a snapshot: reading it, and the requests that change it.

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::query::form::{Form, bad_value};
use crate::cloud::sandbox::query::xml::Xml;
use crate::cloud::sandbox::query::{Problem, would_succeed};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::{Cloud as _, Permissions};
use crate::domain::ids::ImageId;
use crate::domain::region::Region;

/// DescribeImageAttribute of `launchPermission`.
pub(super) async fn of_image(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let id: ImageId = form.parsed("ImageId", "InvalidAMIID.Malformed")?;
    let attribute = form.need("Attribute")?;
    if attribute != "launchPermission" {
        return Err(bad_value("Attribute", &attribute).into());
    }
    if form.end_of_request()? {
        sandbox.try_call("DescribeImageAttribute", &region, &id.to_string()).await?;
        return Err(would_succeed().into());
    }
    let shared = sandbox.describe_launch_permissions(&region, id).await?;
    let mut xml = Xml::new();
    xml.text("imageId", id);
    xml.list("launchPermission", shared, |xml, by| {
        match by.strip_prefix("group ") {
            Some(group) => xml.text("group", group),
            None => xml.text("userId", by),
        };
    });
    Ok(xml)
}

/// Takes what ModifyImageAttribute or ModifySnapshotAttribute changes: `NAME.Add.1.UserId`, or the
/// older `OperationType` with `UserId.1`.
pub(super) fn read(
    form: &mut Form,
    attribute: &str,
    structure: &str,
) -> Result<Permissions, Refusal> {
    if let Some(other) = form.take("Attribute").filter(|asked| asked != attribute) {
        return Err(bad_value("Attribute", &other));
    }
    let mut asked = form.part(structure);
    let mut permissions =
        Permissions { add: accounts(&mut asked, "Add")?, remove: accounts(&mut asked, "Remove")? };
    asked.end()?;
    let older = form.list("UserId");
    match form.take("OperationType").as_deref() {
        Some("add") => permissions.add.extend(older),
        Some("remove") => permissions.remove.extend(older),
        Some(other) => return Err(bad_value("OperationType", other)),
        None if !older.is_empty() => return Err(bad_value("OperationType", "")),
        None => {}
    }
    if permissions == Permissions::default() {
        let message = "No attributes specified.";
        return Err(Refusal::new("InvalidParameterCombination", message));
    }
    Ok(permissions)
}

fn accounts(form: &mut Form, name: &str) -> Result<Vec<String>, Refusal> {
    let account = |mut item: Form| {
        let account = item.need("UserId")?;
        item.end().map(|()| account)
    };
    form.items(name).into_iter().map(account).collect()
}
