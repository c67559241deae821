//! `taster explain`: the manual page of one rule, from the rule's own source file.

use super::say;
use crate::error::{Error, Result};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code or a name: `P110`, `shared-trigger`
    #[arg(value_name = "RULE")]
    pub rule: String,
}

pub fn run(args: &Args) -> Result<()> {
    // The diagnostics of a contract have pages too, though they are no rules.
    let metas: Vec<_> = crate::contract::diagnostics::DIAGNOSTICS.iter().copied().chain(super::rules::metas()).collect();
    let wanted = args.rule.trim();
    if let Some(m) = metas.iter().find(|m| m.code.eq_ignore_ascii_case(wanted) || m.name.eq_ignore_ascii_case(wanted)) {
        let mut page = format!("{} {}: {}\n\n{}\n", m.code, m.name, m.summary, m.explain.trim());
        if !m.ids.is_empty() {
            page.push_str(&format!("\nCatalogue: {}\n", m.ids.join(", ")));
        }
        return say(&page);
    }
    let nearest = metas
        .iter()
        .flat_map(|m| [m.code, m.name])
        .map(|known| (strsim::damerau_levenshtein(&known.to_ascii_lowercase(), &wanted.to_ascii_lowercase()), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let shown: String = wanted.chars().take(60).flat_map(char::escape_debug).collect();
    let help = match nearest {
        Some((_, known)) => format!("did you mean `{known}`? `taster rules` lists them all"),
        None => "`taster rules` lists them all".into(),
    };
    Err(Error::usage(format!("there is no rule `{shown}`")).help(help))
}
