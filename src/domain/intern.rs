//! Sharing of equal strings.
//!
//! Tags repeat: a million snapshots bear the same few keys, policies and slots. Whoever reads an
//! inventory passes its strings through one [`Interner`] per region.

use std::collections::HashSet;
use std::sync::Arc;

/// Hands out one shared string per distinct text.
#[derive(Debug, Default)]
pub struct Interner {
    seen: HashSet<Arc<str>>,
}

impl Interner {
    /// Returns the shared form of `text`.
    pub fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.seen.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.seen.insert(Arc::clone(&shared));
        shared
    }
}
