//! The `fleet` program.

fn main() -> std::process::ExitCode {
    fleet::cli::main()
}
