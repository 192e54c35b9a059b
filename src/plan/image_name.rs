//! Names of images: what EC2 accepts, and what no other image of the region has.

use std::collections::BTreeSet;

use crate::domain::inventory::{ImageState, RegionInventory};

/// EC2 takes names of 3 to 128 characters (EC2 API reference, CreateImage).
const CHARS_MAX: usize = 128;

/// Returns the names that images of a region have.
pub fn taken(region: &RegionInventory) -> BTreeSet<String> {
    let registered = region.images.iter().filter(|image| image.state != ImageState::Deregistered);
    registered.map(|image| image.name.to_string()).collect()
}

/// Returns `wanted` as EC2 accepts it, or the first of `wanted 2`, `wanted 3` … that is not in
/// `taken`; takes it.
pub fn take(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let accepted: String = wanted.chars().map(accepted).collect();
    let mut suffix = String::new();
    let mut n = 1;
    loop {
        let room = CHARS_MAX - suffix.len();
        let head: String = accepted.chars().take(room).collect();
        let name = format!("{}{suffix}", head.trim_end());
        if taken.insert(name.clone()) {
            return name;
        }
        n += 1;
        suffix = format!(" {n}");
    }
}

/// EC2 API reference, CreateImage, Name: letters, digits and some punctuation.
fn accepted(c: char) -> char {
    match c {
        c if c.is_ascii_alphanumeric() => c,
        '(' | ')' | '[' | ']' | ' ' | '.' | '/' | '-' | '\'' | '@' | '_' => c,
        ':' => '.',
        _ => '-',
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::take;

    #[test]
    fn a_name_is_accepted_by_ec2_and_free() {
        let mut taken = BTreeSet::from(["web".to_owned()]);
        assert_eq!(take("web", &mut taken), "web 2");
        assert_eq!(take("web", &mut taken), "web 3");
        assert_eq!(take("a ü 03:00", &mut taken), "a - 03.00");
        let long = "x".repeat(200);
        assert_eq!(take(&long, &mut taken).len(), 128);
        let second = take(&long, &mut taken);
        assert_eq!((second.len(), second.ends_with("x 2")), (128, true));
    }
}
