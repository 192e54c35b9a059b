//! Hostile input: text that steers terminals and ends lines, and documents made to break a reader.

mod escapes;
mod inputs;
#[expect(unreachable_pub, reason = "it is a library of its own for the fuzzer")]
#[path = "../fuzz/promises.rs"]
mod promises;
mod terminal;
mod world;
