//! The one integration-test binary: each links polars, so there is one.
//!
//! * `stories`: a test is a file in `tests/cmd`: files, a command line, an exit code, words.
//! * `samples`: the sample data is what its generator makes, and the planted rows are recovered.
//! * `laws`: what every rule of the registry owes, whatever it computes.
//! * `readme`: the README's commands and table are true.
//! * `semantics`: every normative sentence is held by a test that exists.
//! * `decisions`: what people decided about rows holds wherever the rows stand.
//! * `degenerate`: data at the edge of what statistics are defined for gets an answer.
//! * `hostile`: broken and malicious input ends in the right finding or in an error that names the file.
//! * `pictures`: copies of pictures are found in another size and format.
//! * `interrupt`: a killed run leaves nothing half-written.

mod decisions;
mod degenerate;
mod hostile;
mod interrupt;
mod laws;
mod pictures;
mod readme;
mod samples;
mod semantics;
mod stories;

use std::path::Path;
use std::process::{Command, Output};

/// The program under test, in a folder, without colours or anything else from the outside.
pub fn taster(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taster"));
    command.current_dir(folder).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a person would want to see when a run went otherwise than expected.
pub fn show(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
