//! The binary `snapkeep`: everything is in the library.

fn main() -> std::process::ExitCode {
    snapkeep::cli::main()
}
