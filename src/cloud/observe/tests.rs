use std::cell::Cell;

use super::{Listed, list};
use crate::cloud::{CloudError, ErrorKind, Page};

/// Lists what `page` answers for the number of the call.
async fn check(page: impl Fn(usize) -> Result<(Vec<u32>, Option<String>), ()>) -> Listed<u32> {
    let n_calls = Cell::new(0);
    list(
        |item| *item,
        |_token| {
            n_calls.set(n_calls.get() + 1);
            let reply = page(n_calls.get());
            async move {
                let (items, next_token) = reply.map_err(|()| CloudError {
                    kind: ErrorKind::Denied,
                    operation: "DescribeVolumes",
                    region: "eu-west-1".parse().unwrap(),
                    code: "UnauthorizedOperation".to_owned(),
                    message: "no".to_owned(),
                })?;
                Ok(Page { items, next_token })
            }
        },
    )
    .await
}

fn token(n: usize) -> String {
    n.to_string()
}

#[tokio::test]
async fn pages_are_read_until_none_follows() {
    let listed = check(|n| {
        Ok(match n {
            1 => (vec![1, 2], Some(token(1))),
            2 => (vec![], Some(token(2))),
            _ => (vec![2, 3], None),
        })
    })
    .await;
    assert_eq!((listed.items, listed.error), (vec![1, 2, 3], None));
}

#[tokio::test]
async fn what_was_read_before_a_failure_is_kept() {
    let listed = check(|n| if n == 1 { Ok((vec![1], Some(token(1)))) } else { Err(()) }).await;
    assert_eq!(listed.items, [1]);
    assert_eq!(listed.error.as_deref(), Some("UnauthorizedOperation: no"));
}

#[tokio::test]
async fn a_listing_without_end_is_an_error() {
    let listed = check(|n| Ok((vec![], Some(token(n % 2))))).await;
    assert_eq!(listed.error.as_deref(), Some("EC2 gave the same page token twice"));
    let listed = check(|n| Ok((vec![], Some(token(n))))).await;
    assert_eq!(listed.error.as_deref(), Some("no end after 10000 pages"));
}
