//! Where in a listing a request is, and whom and what it asks for.

use std::fmt::Display;

use crate::cloud::PAGE_ITEMS_MAX;
use crate::cloud::sandbox::query::form::Form;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::settings::Settings;

/// EC2 API reference: of most listings "between 5 and 1000".
const PAGE_ITEMS_MIN: u32 = 5;

/// Where in a listing a request is.
pub(super) struct Paging {
    pub(super) token: Option<String>,
    /// Without it EC2 returns everything at once.
    items_max: Option<usize>,
}

impl Paging {
    pub(super) fn read(form: &mut Form, has_ids: bool) -> Result<Self, Refusal> {
        let token = form.take("NextToken").filter(|token| !token.is_empty());
        let items_max = form.number("MaxResults")?;
        if has_ids && items_max.is_some() {
            let message = "The parameter MaxResults cannot be used with ids in the same request";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        if let Some(n) = items_max.filter(|n| *n < PAGE_ITEMS_MIN) {
            let message = format!(
                "Value ( {n} ) for parameter maxResults is invalid. Expecting a value of at least 5."
            );
            return Err(Refusal::invalid_parameter(message));
        }
        let items_max = items_max.map(|n| n.min(PAGE_ITEMS_MAX.unsigned_abs()) as usize);
        Ok(Self { token, items_max })
    }

    /// Returns how the listing behaves for this request.
    pub(super) fn settings(&self, settings: &Settings) -> Settings {
        let page_items = self.items_max.map_or(usize::MAX, |max| settings.page_items.min(max));
        let has_empty_pages = settings.has_empty_pages && self.items_max.is_some();
        Settings { page_items, has_empty_pages, ..settings.clone() }
    }
}

/// Refuses ids of which there is nothing to see. Asked by filter, EC2 leaves them out.
pub(super) fn check_ids<T: Display>(
    ids: &[T],
    code: &'static str,
    is_there: impl Fn(&T) -> bool,
) -> Result<(), Refusal> {
    let missing: Vec<String> =
        ids.iter().filter(|id| !is_there(id)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(code, format!("'{}' does not exist.", missing.join(", "))))
}

/// Returns true if `owner` is one of those asked for; nobody named is everybody.
pub(super) fn is_of(owners: &[String], owner: &str, account: &str) -> bool {
    let is_it = |asked: &String| asked == owner || (asked == "self" && owner == account);
    owners.is_empty() || owners.iter().any(is_it)
}
