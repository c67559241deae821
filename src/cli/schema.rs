//! `taster schema`: the JSON Schema of a contract, for editors.

use super::say;
use crate::error::{Error, Result};

pub fn run() -> Result<()> {
    let text = serde_json::to_string_pretty(&crate::contract::schema::schema()).map_err(Error::internal)?;
    say(&format!("{text}\n"))
}
