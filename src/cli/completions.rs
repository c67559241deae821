//! `taster completions`: the script that a shell sources to complete verbs and flags.

use super::{Cli, say};
use crate::error::{Error, Result};
use clap::CommandFactory as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that will read the script
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

pub fn run(args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "taster", &mut script);
    say(&String::from_utf8(script).map_err(Error::internal)?)
}
