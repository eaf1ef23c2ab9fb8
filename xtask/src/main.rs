//! `cargo xtask`: the two commands of the README and those for developers.

mod cli;

fn main() -> std::process::ExitCode {
    match cli::main() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
