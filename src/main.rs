//! The binary `snapkeep`: everything is in the library.

fn main() -> std::process::ExitCode {
    if snapkeep::lambda::is_lambda() { snapkeep::lambda::main() } else { snapkeep::cli::main() }
}
