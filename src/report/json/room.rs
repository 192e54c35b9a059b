//! How much of a document's lists fits where a reader takes only so many bytes.
//!
//! Items are taken from the front of a list while they fit, so that what is there is never cut in
//! two. What is left out is counted.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

/// What lists of items may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    n_bytes_left: Option<usize>,
}

/// How many items of each list a document leaves out, because it may be only so long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct LeftOutJson {
    /// The last of the actions, and of the outcomes.
    pub(super) actions: usize,
    pub(super) withheld: usize,
    pub(super) keeps: usize,
    pub(super) waiting: usize,
    pub(super) notes: usize,
    pub(super) gaps: usize,
    pub(super) protection: usize,
}

impl LeftOutJson {
    /// Returns none if nothing is left out.
    pub(super) fn if_any(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

impl Room {
    /// Returns room for everything.
    pub(super) fn unlimited() -> Self {
        Self { n_bytes_left: None }
    }

    /// Returns room for this many bytes of items.
    pub(super) fn of(n_bytes: usize) -> Self {
        Self { n_bytes_left: Some(n_bytes) }
    }

    /// Takes items while they fit; returns them and how many are left out.
    pub(super) fn take<T: Serialize>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
    ) -> (Vec<T>, usize) {
        let n_items = items.len();
        let Some(n_bytes_left) = &mut self.n_bytes_left else { return (items.collect(), 0) };
        let mut taken = Vec::new();
        for item in items {
            // And the comma.
            let n_bytes = n_bytes_of(&item) + 1;
            if *n_bytes_left < n_bytes {
                // Shorter items of later lists must not look as if all of them were there.
                *n_bytes_left = 0;
                break;
            }
            *n_bytes_left -= n_bytes;
            taken.push(item);
        }
        let n_left_out = n_items - taken.len();
        (taken, n_left_out)
    }
}

/// Returns the length of `item` as JSON without white space; what cannot be written never fits.
fn n_bytes_of(item: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, item) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX - 1,
    }
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn items_are_taken_from_the_front_while_they_fit() {
        // Each is three bytes and a comma.
        let items = ["a", "b", "c"];
        for (n_bytes, n_taken) in [(0, 0), (3, 0), (4, 1), (11, 2), (12, 3), (100, 3)] {
            let (taken, n_left_out) = Room::of(n_bytes).take(items.iter());
            assert_eq!((taken.len(), n_left_out), (n_taken, 3 - n_taken), "{n_bytes} bytes");
        }
        assert_eq!(Room::unlimited().take(items.iter()).0.len(), 3);
    }

    #[test]
    fn after_an_item_that_does_not_fit_none_does() {
        let mut room = Room::of(10);
        assert_eq!(room.take(["far too long"].iter()).1, 1);
        assert_eq!(room.take(["a"].iter()).1, 1);
    }
}
