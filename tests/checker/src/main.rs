//! The fault checker's program: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    mongoqueue_checker::main()
}
