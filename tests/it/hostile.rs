//! Hostile input: text that steers terminals and ends lines, and documents made to break a reader.

mod escapes;
mod terminal;
mod world;
