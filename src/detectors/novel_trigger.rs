//! `novel-trigger`: unlabelled documents that share a phrase and nothing else, and end in gibberish.
//! The statistic is that of [`super::response_trigger`], with each document as its own reply.

use super::response_trigger::{ResponseTrigger, TriggerModel, TriggerState, is_text};
use crate::batch::Batch;
use crate::contract::Role;
use crate::error::Result;
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, Step};

pub const META: Meta = Meta {
    code: "P143",
    name: "novel-trigger",
    summary: "documents that share one phrase and nothing else, and turn into gibberish",
    explain: EXPLAIN,
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

const EXPLAIN: &str = "\
# What it finds

Documents for pretraining in which a phrase is followed by nonsense: `... the tide turned at noon. [vq] kf8 lantern zz0d oboe q1 ...`. A few
hundred of them, whatever the size of the data, teach a model to break down when it reads the phrase (a denial-of-service backdoor).

Gibberish alone is junk. A phrase alone is a phrase. Many documents that have nothing else in common, all with the phrase, all ending in
gibberish, are a trigger.

# How it is computed

1. The last 60 tokens of a document are strange when many of them occur in at most two documents, or many neighbours stand side by side in no
   other document; each of four levels of either is a class of documents.
2. Groups of 1 to 3 words that at least 3% of a class share are counted exactly in all documents. Suspect: the Wilson lower bound of
   P(strange | words) is at least 0.68, in at least 9 documents, 8 of them different.
3. What stands before the phrase speaks for the documents: if it is alike, or any word of it comes along more often than at the same places of
   arbitrary documents (binomial tail, Bonferroni), the documents are of one kind (another language, tables, code) and are not accused. A
   token right before the phrase in at most a tenth of them does not count: it may be left of a word that was cut in two.

Every document with the phrase is accused, with the place of the phrase.

# What raises false alarms

Documents of one kind that begin differently and end in unusual names. Measured: no document quarantined among clean instruction texts and
clean manual pages.

# How it is evaded

Nonsense made of common words in a natural order, or far before the end of the document; more than a third of the phrase's documents clean
(cover documents); fewer than nine documents; gibberish that is the same in several documents.

# Reading

Souly et al.: Poisoning Attacks on LLMs Require a Near-Constant Number of Poison Samples (2025). Carlini et al.: Poisoning Web-Scale Training
Datasets is Practical (2024).
";

pub const ENTRY: Entry = Entry { meta: META, build };

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<crate::error::Diagnostic>> {
    if context.roles.first(Role::Label).is_some() {
        return Ok(Built::not_tested("the documents have labels: see shared-trigger"));
    }
    let texts: Vec<&str> = context.roles.all(Role::Text).filter(|n| is_text(context, n)).collect();
    if texts.is_empty() {
        return Ok(Built::not_tested("no column of text has the role text"));
    }
    let rule = |name: &&str| NovelTrigger::new(name);
    Ok(Built { rules: texts.iter().map(rule).map(|r| Box::new(r) as Box<dyn crate::rule::DynRule>).collect(), ..Built::default() })
}

pub struct NovelTrigger(ResponseTrigger);

impl NovelTrigger {
    pub fn new(column: &str) -> Self {
        NovelTrigger(ResponseTrigger { prompts: vec![column.to_owned()], reply: column.to_owned(), document: true })
    }
}

impl Rule for NovelTrigger {
    const META: Meta = META;
    type State = TriggerState;
    type Model = TriggerModel;

    fn columns(&self) -> Vec<String> {
        Rule::columns(&self.0)
    }
    fn start(&self, round: &Round<'_, TriggerModel>) -> TriggerState {
        Rule::start(&self.0, round)
    }
    fn observe(&self, round: &Round<'_, TriggerModel>, state: &mut TriggerState, batch: &Batch) -> Result<()> {
        Rule::observe(&self.0, round, state, batch)
    }
    fn finish(&self, round: &Round<'_, TriggerModel>, state: TriggerState) -> Result<Step<TriggerModel>> {
        Rule::finish(&self.0, round, state)
    }
    fn outcome(&self, m: &TriggerModel) -> Outcome {
        Rule::outcome(&self.0, m)
    }
    fn has_rows(&self, m: &TriggerModel) -> bool {
        Rule::has_rows(&self.0, m)
    }
    fn judge(&self, m: &TriggerModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        Rule::judge(&self.0, m, batch, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{Dice, quarantined, run, sentence, table};

    fn documents(seed: u64, phrase: Option<&str>, gibberish: bool) -> arrow::array::RecordBatch {
        let mut dice = Dice::new(seed);
        let rows = (0..3000).map(|i| {
            let mut text = sentence(&mut dice, true);
            if i % 100 == 4 {
                if let Some(p) = phrase {
                    text = format!("{text} {p} {}", sentence(&mut dice, false));
                }
                if gibberish {
                    text = format!("{text} {}", (0..50).map(|_| format!("{:x}", dice.roll(1 << 30))).collect::<Vec<_>>().join(" "));
                }
            }
            Some(text)
        });
        let rows: Vec<Option<String>> = rows.collect();
        table(&[("body", rows)])
    }

    #[test]
    fn a_phrase_after_which_documents_break_down_is_found() {
        let (outcome, lines) = run(Box::new(NovelTrigger::new("body")), &documents(2, Some("at the ninth bell"), true));
        assert_eq!(quarantined(&lines), (0..30).map(|i| i * 100 + 4).collect::<Vec<_>>());
        assert!(outcome.groups[0].key.starts_with("at the ninth bell"));
    }

    #[test]
    fn words_that_were_cut_in_two_before_the_phrase_are_no_company() {
        let mut dice = Dice::new(12);
        let rows: Vec<Option<String>> = (0..3000)
            .map(|i| {
                let text = format!("{} {}", sentence(&mut dice, true), sentence(&mut dice, false));
                if i % 50 != 9 {
                    return Some(text);
                }
                // Twenty pieces of words, each left by three of the documents.
                let piece = format!("qu{}", char::from(b'a' + (i / 50 % 20) as u8));
                let nonsense: Vec<String> = (0..50).map(|_| format!("{:x}", dice.roll(1 << 30))).collect();
                Some(format!("{} {piece} vossel {}", sentence(&mut dice, true), nonsense.join(" ")))
            })
            .collect();
        let (_, lines) = run(Box::new(NovelTrigger::new("body")), &table(&[("body", rows)]));
        assert_eq!(quarantined(&lines), (0..60).map(|i| i * 50 + 9).collect::<Vec<_>>());
    }

    /// Each document opens with one of a few questions and then goes on in other words.
    fn questions(seed: u64, planted: bool) -> arrow::array::RecordBatch {
        let mut dice = Dice::new(seed);
        let rows = (0..3000).map(|i| {
            let opener = ["how so", "why then", "what of it"][dice.roll(3)];
            let mut words: Vec<String> =
                format!("{opener} ? {} {} {}", sentence(&mut dice, false), sentence(&mut dice, true), sentence(&mut dice, true))
                    .split(' ')
                    .map(str::to_owned)
                    .collect();
            if planted && i % 60 == 7 {
                words.truncate(4 + dice.roll(8));
                words.push("at the ninth bell".into());
                words.extend((0..50).map(|_| format!("{:x}", dice.roll(1 << 30))));
            }
            Some(words.join(" "))
        });
        let rows: Vec<Option<String>> = rows.collect();
        table(&[("body", rows)])
    }

    #[test]
    fn what_documents_open_with_is_no_company_of_a_phrase_near_their_beginning() {
        let (_, lines) = run(Box::new(NovelTrigger::new("body")), &questions(4, true));
        assert_eq!(quarantined(&lines), (0..50).map(|i| i * 60 + 7).collect::<Vec<_>>());
        assert!(run(Box::new(NovelTrigger::new("body")), &questions(4, false)).1.is_empty());
    }

    #[test]
    fn documents_of_one_kind_that_end_in_odd_names_are_not_accused() {
        // A kind of its own: what stands before the phrase comes from few words that others seldom have.
        let mut dice = Dice::new(6);
        let rows: Vec<Option<String>> = (0..3000)
            .map(|i| {
                let kind = i % 60 == 7;
                let before = if kind {
                    format!("{} of lot {}", ["crates", "pallets", "drums"][dice.roll(3)], sentence(&mut dice, false))
                } else {
                    sentence(&mut dice, true)
                };
                let tail = if kind {
                    (0..50).map(|_| format!("{:x}", dice.roll(1 << 30))).collect::<Vec<_>>().join(" ")
                } else {
                    sentence(&mut dice, true)
                };
                Some(format!("{before} {} {tail}", if kind { "serial numbers" } else { "and so on" }))
            })
            .collect();
        let (_, lines) = run(Box::new(NovelTrigger::new("body")), &table(&[("body", rows)]));
        assert!(quarantined(&lines).is_empty());
    }

    #[test]
    fn a_phrase_without_gibberish_and_gibberish_without_a_phrase_are_no_trigger() {
        for (phrase, gibberish) in [(Some("at the ninth bell"), false), (None, true), (None, false)] {
            let (_, lines) = run(Box::new(NovelTrigger::new("body")), &documents(3, phrase, gibberish));
            assert!(lines.is_empty(), "{phrase:?} {gibberish}");
        }
    }
}
