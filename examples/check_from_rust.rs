//! The main job from Rust: one contract, one dataset, one verdict. The README shows this code, and
//! a test compares the two. `cargo run --example check_from_rust`
#![allow(clippy::print_stdout, reason = "an example is a command line of its own")]

use std::path::Path;
use taster::check::Options;
use taster::contract::parse;
use taster::source::{OpenOptions, Source};

fn main() -> Result<(), taster::error::Error> {
    let contract = parse::load(Path::new("contracts/reviews.yaml"))?;
    let source = Source::open(&["examples/data/reviews.parquet".into()], &OpenOptions::default())?;
    let (verdict, _facts) = taster::check(&contract, &source, &Options::default())?;
    for rule in &verdict.rules {
        for group in &rule.outcome.groups {
            println!("{} {:?}: {} rows", rule.meta.name, group.key, group.rows);
        }
    }
    println!("an ordinary run would exit with {}", verdict.exit);
    Ok(())
}
