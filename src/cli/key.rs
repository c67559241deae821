//! `taster key`: a pair of keys.

use crate::error::Result;
use crate::supply::key::{Algorithm, Private, write_pair};
use clap::{Args as ClapArgs, ValueEnum};

#[derive(ClapArgs)]
pub struct Args {
    /// NAME.pem (private, for its owner alone) and NAME.pub.pem are written
    #[arg(value_name = "NAME")]
    pub name: String,
    /// ecdsa-p256 for tools that take no ed25519
    #[arg(long, value_enum, default_value_t = Kind::Ed25519)]
    pub algorithm: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Ed25519,
    EcdsaP256,
}

pub fn run(args: &Args) -> Result<()> {
    let algorithm = match args.algorithm {
        Kind::Ed25519 => Algorithm::Ed25519,
        Kind::EcdsaP256 => Algorithm::EcdsaP256,
    };
    let key = Private::generate(algorithm)?;
    let (private, public) = write_pair(&args.name, &key)?;
    let text = format!(
        "{}  private: whoever has it can sign in your name; it has no password\n{}  public: give it to whoever verifies\n{} key {}",
        private.display(),
        public.display(),
        key.public().algorithm(),
        key.public().id()?
    );
    super::say(&super::lines(&text))?;
    super::say("\n")
}
