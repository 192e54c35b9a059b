//! What goes over the wire: requests as sent, replies as EC2 gives them (`tests/wire`).

mod answers;
mod errors;
mod replay;
mod requests;
mod settings;
