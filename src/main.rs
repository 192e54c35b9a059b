//! The binary `snapkeep`: everything is in the library.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    if snapkeep::lambda::is_lambda() { snapkeep::lambda::main() } else { snapkeep::cli::main() }
}
