//! What goes over the wire: requests as sent, replies as EC2 gives them (`tests/wire`).

mod answers;
mod copies;
mod dry_run;
mod errors;
mod images;
mod keys;
mod permissions;
mod references;
mod replay;
mod requests;
mod settings;
mod sns;
