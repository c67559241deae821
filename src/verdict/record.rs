//! What the judging pass leaves behind: the quarantine list, and a bounded tally of it (rows by rule
//! and action, two example rows per rule and per suspect group). Tallies of shards merge in any
//! order: they hold counts, and the smallest row ids.

use super::ignores::Ignores;
use super::provenance::{Origins, Provenance, Usual};
use crate::batch::{Batch, RowId, Text, cell_text};
use crate::contract::decisions::Decision;
use crate::engine::Sink;
use crate::error::{Error, Result, group_digits};
use crate::quarantine::{self, Pending, Writer};
use crate::review::decided::{Count, Decided};
use crate::rule::{Action, Findings, Hit, Meta, Outcome};
use crate::source::Shard;
use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// Example rows kept per rule and per group.
const EXAMPLES: usize = 2;
/// Groups per rule whose examples are kept. A report shows far fewer.
const GROUPS: usize = 1000;
/// Characters of text around a span.
const CONTEXT: usize = 60;

/// A row shown as an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    #[serde(flatten)]
    pub row: RowId,
    pub id: Option<String>,
    pub message: String,
    pub excerpt: Option<Excerpt>,
}

/// A cell's text around the byte span of the evidence, unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    pub column: String,
    pub before: String,
    pub marked: String,
    pub after: String,
}

#[derive(Debug, Clone, Default)]
pub struct RuleTally {
    pub quarantined: u64,
    pub review: u64,
    /// Strongest action of hits that belong to no group.
    pub alone: Option<Action>,
    pub examples: Vec<Example>,
    groups: HashMap<Arc<str>, Seen>,
    /// Of each group that somebody decided about.
    decided: BTreeMap<Option<Arc<str>>, Count>,
}

/// What is kept of a suspect group.
#[derive(Debug, Clone, Default)]
struct Seen {
    examples: Vec<Example>,
    origins: Origins,
}

impl RuleTally {
    pub fn examples_of(&self, group: &str) -> Vec<Example> {
        self.groups.get(group).map(|g| g.examples.clone()).unwrap_or_default()
    }
    /// What decisions made of the rows of a group, or of those of none.
    pub fn decided_of(&self, group: Option<&str>) -> Count {
        self.decided.get(&group.map(Arc::from)).copied().unwrap_or_default()
    }
    /// Whether a person spoke for any row that the rule accuses.
    pub fn has_kept(&self) -> bool {
        self.decided.values().any(|c| c.kept > 0)
    }
    pub fn origins_of(&self, group: &str) -> Option<&Origins> {
        self.groups.get(group).map(|g| &g.origins)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub quarantined: u64,
    pub review: u64,
    /// Hits that each entry of `ignore` left out.
    pub hidden: Vec<u64>,
    /// What each decision did.
    pub decided: Vec<Count>,
    /// Where all rows come from.
    pub usual: Usual,
    rules: Vec<RuleTally>,
}

impl Tally {
    pub fn merge(&mut self, other: Tally) {
        self.quarantined += other.quarantined;
        self.review += other.review;
        self.usual.merge(other.usual);
        self.hidden.resize(self.hidden.len().max(other.hidden.len()), 0);
        self.hidden.iter_mut().zip(other.hidden).for_each(|(a, b)| *a += b);
        self.decided.resize(self.decided.len().max(other.decided.len()), Count::default());
        self.decided.iter_mut().zip(other.decided).for_each(|(a, b)| a.add(b));
        self.rules.resize(self.rules.len().max(other.rules.len()), RuleTally::default());
        for (mine, other) in self.rules.iter_mut().zip(other.rules) {
            mine.quarantined += other.quarantined;
            mine.review += other.review;
            mine.alone = mine.alone.max(other.alone);
            keep_smallest(&mut mine.examples, other.examples);
            for (group, count) in other.decided {
                mine.decided.entry(group).or_default().add(count);
            }
            for (group, seen) in other.groups {
                let mine = mine.groups.entry(group).or_default();
                keep_smallest(&mut mine.examples, seen.examples);
                mine.origins.merge(&seen.origins);
            }
        }
    }
    pub(super) fn take(&mut self, rule: usize) -> RuleTally {
        self.rules.get_mut(rule).map(std::mem::take).unwrap_or_default()
    }
}

fn keep_smallest(mine: &mut Vec<Example>, other: Vec<Example>) {
    mine.extend(other);
    mine.sort_by(|a, b| (a.row, &a.message).cmp(&(b.row, &b.message)));
    mine.dedup_by_key(|e| e.row);
    mine.truncate(EXAMPLES);
}

/// The sink of the judging pass.
pub struct Recorder<'a> {
    writer: Writer,
    metas: Vec<Meta>,
    /// Per rule, the groups whose examples are wanted.
    wanted: Vec<HashMap<Arc<str>, ()>>,
    ignores: &'a Ignores,
    decided: Arc<Decided>,
    id: Option<String>,
    provenance: Provenance,
    /// No text of cells anywhere in a report.
    redact: bool,
    tally: Mutex<Tally>,
}

/// Rows of a batch by rule and group.
type Members = BTreeMap<(u16, u32), Vec<usize>>;

pub struct Part {
    list: quarantine::Part,
    tally: Tally,
}

impl<'a> Recorder<'a> {
    /// `rules` as [`Hit::rule`] counts them; `id` is the column with that role.
    pub fn new(
        writer: Writer,
        rules: &[(Meta, &Outcome)],
        ignores: &'a Ignores,
        id: Option<String>,
        provenance: Provenance,
        redact: bool,
    ) -> Self {
        let wanted = rules.iter().map(|(_, o)| o.groups.iter().take(GROUPS).map(|g| (g.key.as_str().into(), ())).collect());
        Recorder {
            writer,
            metas: rules.iter().map(|r| r.0).collect(),
            wanted: wanted.collect(),
            ignores,
            decided: Arc::default(),
            id,
            provenance,
            redact,
            tally: Mutex::new(Tally::default()),
        }
    }

    /// Lets people's decisions speak last: after the rules, and after `ignore`.
    #[must_use]
    pub fn deciding(self, decided: Arc<Decided>) -> Self {
        Recorder { decided, ..self }
    }

    /// The tally, and the list, still under its temporary name.
    ///
    /// # Errors
    /// A resource error when the disk is full or fails.
    pub fn finish(self) -> Result<(Tally, Pending)> {
        let tally = self.tally.into_inner().map_err(|_| Error::internal("a worker panicked"))?;
        Ok((tally, self.writer.finish()?))
    }

    fn fresh(&self) -> Tally {
        Tally {
            rules: vec![RuleTally::default(); self.metas.len()],
            hidden: vec![0; self.ignores.len()],
            decided: vec![Count::default(); self.decided.len()],
            ..Tally::default()
        }
    }

    /// Which entry of `ignore` hides each hit; empty when there is none at all.
    fn hidden(&self, findings: &Findings) -> Vec<Option<usize>> {
        if self.ignores.is_empty() {
            return Vec::new();
        }
        let mut known: HashMap<(u16, u32), Option<usize>> = HashMap::new();
        let find = |h: &Hit| {
            *known.entry((h.rule, h.group)).or_insert_with(|| {
                let meta = &self.metas[usize::from(h.rule)];
                self.ignores.of(meta.code, meta.name, findings.string(h.group).map(|s| &**s))
            })
        };
        findings.hits.iter().map(find).collect()
    }

    /// The hits as decisions leave them: without those against rows that are kept, and with one against
    /// every row to be removed, whether or not a rule still accuses it. `None` when nothing changes.
    fn decide(&self, tally: &mut Tally, batch: &Batch, findings: &Findings, hits: &[Hit]) -> Option<Findings> {
        let entries = &self.decided.decisions.entries;
        if entries.is_empty() || batch.rows() == 0 {
            return None;
        }
        let mut known: HashMap<(u16, u32), bool> = HashMap::new();
        let mut left = Vec::with_capacity(hits.len());
        // A row counts once per group, however many places of it are marked.
        let mut last: BTreeMap<(u16, u32), u32> = BTreeMap::new();
        for hit in hits {
            let code = self.metas[usize::from(hit.rule)].code;
            let group = findings.string(hit.group);
            let about = *known.entry((hit.rule, hit.group)).or_insert_with(|| self.decided.is_about(code, group.map(|g| &**g)));
            if !about {
                left.push(*hit);
                continue;
            }
            let row = batch.row_id(hit.row as usize);
            let group_key = group.map(|g| &**g);
            let kept = self.decided.keeps(row, code, group_key);
            if kept.is_none() {
                left.push(*hit);
            }
            if last.insert((hit.rule, hit.group), hit.row) == Some(hit.row) {
                continue;
            }
            let count = tally.rules[usize::from(hit.rule)].decided.entry(group.cloned()).or_default();
            match kept {
                Some(i) => {
                    count.kept += 1;
                    tally.decided[i].kept += 1;
                }
                // Those to be removed are counted below, whether they are hit or not.
                None if self.decided.of(row).any(|(_, e)| e.is_about(code, group_key)) => {}
                None => count.open += 1,
            }
        }
        let first = batch.row_id(0);
        let end = RowId { row: batch.row_id(batch.rows() - 1).row + 1, ..first };
        let mut added = Vec::new();
        let mut i = 0;
        for (row, entry) in self.decided.between(first, end) {
            while batch.row_id(i) < *row && i + 1 < batch.rows() {
                i += 1;
            }
            let e = &entries[*entry as usize];
            let rule = self.metas.iter().position(|m| m.code == e.rule);
            let (Some(rule), Decision::Remove, true) = (rule, e.decision, batch.row_id(i) == *row) else { continue };
            added.push((i, rule, *entry as usize));
        }
        if added.is_empty() && left.len() == hits.len() {
            return None;
        }
        let mut out = findings.clone();
        out.hits = left;
        for (i, rule, entry) in added {
            let e = &entries[entry];
            // A group that is only known by its digest is named where a rule names it.
            let named = |h: &&Hit| {
                h.row as usize == i && usize::from(h.rule) == rule && e.is_about(&e.rule, findings.string(h.group).map(|g| &**g))
            };
            let group = out.hits.iter().find(named).map(|h| h.group);
            let group = group.or_else(|| e.group.as_deref().filter(|g| !crate::contract::decisions::is_hidden(g)).map(|g| out.intern(g)));
            let message = out.intern(&format!("{} decided on {} that it does not belong: {}", e.by, e.date, e.reason));
            let hit = out.push(i, Action::Quarantine, 1.0, message);
            hit.rule = rule as u16;
            hit.group = group.unwrap_or(crate::rule::NONE);
            tally.decided[entry].removed += 1;
            let key = e.group.as_deref().map(|_| out.string(group.unwrap_or(crate::rule::NONE)).cloned().unwrap_or_else(|| "".into()));
            tally.rules[rule].decided.entry(key).or_default().removed += 1;
        }
        out.sort();
        Some(out)
    }

    fn count(&self, tally: &mut Tally, batch: &Batch, findings: &Findings, hits: &[Hit], rows: &mut Members) {
        let mut action = None;
        let mut rest = hits;
        while let Some(first) = rest.first() {
            let n = rest.iter().take_while(|h| h.rule == first.rule).count();
            let (own, others) = rest.split_at(n);
            rest = others;
            let strongest = own.iter().map(|h| h.action).max().unwrap_or(Action::Review);
            action = action.max(Some(strongest));
            let seen = &mut tally.rules[usize::from(first.rule)];
            match strongest {
                Action::Quarantine => seen.quarantined += 1,
                Action::Review => seen.review += 1,
            }
            if seen.examples.len() < EXAMPLES {
                seen.examples.push(self.example(batch, findings, first));
            }
            for h in own {
                let Some(group) = findings.string(h.group) else {
                    seen.alone = seen.alone.max(Some(h.action));
                    continue;
                };
                let row = batch.row_id(h.row as usize);
                let members = rows.entry((h.rule, h.group)).or_default();
                if members.last() != Some(&(h.row as usize)) {
                    members.push(h.row as usize);
                }
                match seen.groups.get_mut(group).map(|g| &mut g.examples) {
                    Some(known) if known.len() >= EXAMPLES || known.last().is_some_and(|e| e.row == row) => {}
                    Some(known) => known.push(self.example(batch, findings, h)),
                    None if self.wanted[usize::from(h.rule)].contains_key(group) => {
                        let examples = vec![self.example(batch, findings, h)];
                        seen.groups.insert(group.clone(), Seen { examples, origins: Origins::default() });
                    }
                    None => {}
                }
            }
        }
        match action {
            Some(Action::Quarantine) => tally.quarantined += 1,
            Some(Action::Review) => tally.review += 1,
            None => {}
        }
    }

    fn example(&self, batch: &Batch, findings: &Findings, hit: &Hit) -> Example {
        let row = hit.row as usize;
        let cell = |name: &str| batch.column(name).and_then(|c| cell_text(c.as_ref(), row));
        let excerpt = || {
            let column = findings.string(hit.column)?;
            let array = batch.column(column)?;
            let text = match Text::of(array.as_ref()) {
                // A long text is cut before it is copied.
                Some(text) => return text.get(row).map(|t| cut(column, t, hit.start, hit.end, CONTEXT)),
                None if array.data_type().is_binary() => {
                    return bytes_of(array.as_ref(), row).map(|b| cut(column, &about_bytes(b), 0, 0, CONTEXT));
                }
                None => cell_text(array.as_ref(), row)?,
            };
            Some(cut(column, &text, hit.start, hit.end, CONTEXT))
        };
        Example {
            row: batch.row_id(row),
            id: self.id.as_deref().and_then(cell).map(|id| id.chars().take(CONTEXT).collect()),
            message: findings.string(hit.message).map_or("", |s| s).chars().take(300).collect(),
            excerpt: if self.redact { None } else { excerpt() },
        }
    }
}

pub(crate) fn bytes_of(array: &dyn Array, row: usize) -> Option<&[u8]> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(array.as_binary_view().value(row)),
        _ => None,
    }
}

/// What a person can use of a cell that no terminal can show.
pub(crate) fn about_bytes(bytes: &[u8]) -> String {
    let kind = image::guess_format(bytes).map_or(String::new(), |f| format!(", {}", f.to_mime_type()));
    format!("{} bytes{kind}", group_digits(bytes.len() as u64))
}

/// Text around a span, so many characters on either side, cut at characters, with `…` where something is missing.
pub(crate) fn cut(column: &str, text: &str, start: u32, end: u32, context: usize) -> Excerpt {
    let (start, end) = (floor(text, start as usize), floor(text, end as usize));
    let (start, end) = if start < end { (start, end) } else { (0, 0) };
    let first = text[..start].char_indices().rev().nth(context - 1).map_or(0, |(i, _)| i);
    let last = text[end..].char_indices().nth(context).map_or(text.len(), |(i, _)| end + i);
    let dots = |cut: bool| if cut { "…" } else { "" };
    let marked: String = text[start..end].chars().take(4 * context).collect();
    let long = marked.len() < end - start;
    Excerpt {
        column: column.to_owned(),
        before: format!("{}{}", dots(first > 0), &text[first..start]),
        marked: format!("{marked}{}", dots(long)),
        after: format!("{}{}", &text[end..last], dots(last < text.len())),
    }
}

/// The character boundary at or before `i`.
fn floor(text: &str, i: usize) -> usize {
    (0..=i.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

impl Sink for Recorder<'_> {
    type Part = Part;

    fn part(&self, _: &Shard) -> Result<Part> {
        Ok(Part { list: self.writer.part(), tally: self.fresh() })
    }

    fn batch(&self, part: &mut Part, batch: &Batch, findings: &Findings) -> Result<()> {
        let ids = self.id.as_deref().and_then(|id| batch.column(id)).map(|c| c.as_ref());
        let hidden = self.hidden(findings);
        hidden.iter().flatten().for_each(|&i| part.tally.hidden[i] += 1);
        let shown: Option<Vec<Hit>> = hidden
            .iter()
            .any(Option::is_some)
            .then(|| findings.hits.iter().zip(&hidden).filter(|(_, hide)| hide.is_none()).map(|(h, _)| *h).collect());
        let hits = shown.as_deref().unwrap_or(&findings.hits);
        let decided = self.decide(&mut part.tally, batch, findings, hits);
        let (findings, hits) = decided.as_ref().map_or((findings, hits), |d| (d, d.hits.as_slice()));
        let mut members = Members::new();
        for row in hits.chunk_by(|a, b| a.row == b.row) {
            self.count(&mut part.tally, batch, findings, row, &mut members);
        }
        if self.wanted.iter().any(|w| !w.is_empty()) {
            let traced = self.provenance.trace(batch)?;
            self.provenance.count(batch, &traced, &mut part.tally.usual)?;
            for ((rule, group), rows) in members {
                let group = findings.string(group).and_then(|g| part.tally.rules[usize::from(rule)].groups.get_mut(g));
                if let Some(seen) = group {
                    traced.count(rows.iter().copied(), &mut seen.origins);
                }
            }
        }
        self.writer.add(&mut part.list, batch, ids, findings, hits)
    }

    fn append(&self, part: Part) -> Result<()> {
        self.tally.lock().map_err(|_| Error::internal("a worker panicked"))?.merge(part.tally);
        self.writer.append(part.list)
    }

    fn columns(&self) -> Vec<String> {
        let provenance = if self.wanted.iter().any(|w| !w.is_empty()) { self.provenance.columns() } else { Vec::new() };
        self.id.iter().cloned().chain(provenance).collect()
    }

    fn always(&self) -> bool {
        !self.decided.rows().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{At, Ignore};
    use crate::quarantine::Codes;
    use crate::rule::Status;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    const P: Meta = Meta { code: "P110", name: "shared-trigger", summary: "", explain: "", ids: &[] };

    fn batch(first: u64) -> Batch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first as i64..first as i64 + 10));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["say blue moon now"; 10]));
        Batch::new(RecordBatch::try_from_iter([("id", ids), ("text", text)]).unwrap(), 0, first)
    }

    fn findings(groups: &[(usize, &str)]) -> Findings {
        let mut f = Findings::default();
        for &(row, group) in groups {
            let (message, group, column) = (f.intern("m"), f.intern(group), f.intern("text"));
            let h = f.push(row, Action::Quarantine, 0.9, message);
            (h.group, h.column, h.start, h.end) = (group, column, 4, 13);
        }
        f
    }

    fn run(order: [u64; 2], ignores: &Ignores, redact: bool) -> (Tally, u64) {
        let dir = tempfile::tempdir().unwrap();
        let mut outcome = Outcome::new("t", Status::Fail);
        outcome.groups = vec![crate::rule::Group {
            key: "blue moon".into(),
            action: Action::Quarantine,
            score: 0.9,
            rows: 4,
            with_label: 4,
            label: None,
            statistic: 1.0,
            q_value: 0.0,
            message: String::new(),
            reasons: vec![],
        }];
        let writer = Writer::create(&dir.path().join("l.jsonl"), vec!["a".into()], Codes::new(&["P110"]), "r").unwrap();
        let recorder = Recorder::new(writer, &[(P, &outcome)], ignores, Some("id".into()), Provenance::default(), redact);
        for first in order {
            let mut part = recorder.part(&Shard { source: 0, first_row: first, rows: 10 }).unwrap();
            let f = findings(&[(2, "blue moon"), (3, "blue moon"), (3, "other"), (7, "other")]);
            recorder.batch(&mut part, &batch(first), &f).unwrap();
            recorder.append(part).unwrap();
        }
        let (tally, list) = recorder.finish().unwrap();
        (tally, list.written().lines)
    }

    #[test]
    fn examples_are_the_first_rows_whatever_the_order_of_shards() {
        for order in [[0, 10], [10, 0]] {
            let (mut tally, lines) = run(order, &Ignores::none(), false);
            assert_eq!((tally.quarantined, tally.review, lines), (6, 0, 6));
            let rule = tally.take(0);
            assert_eq!(rule.quarantined, 6);
            let examples = rule.examples_of("blue moon");
            assert_eq!(examples.iter().map(|e| e.row.row).collect::<Vec<_>>(), [2, 3]);
            assert!(rule.examples_of("other").is_empty(), "only groups of the report have examples");
            let x = examples[0].excerpt.clone().unwrap();
            assert_eq!((x.before.as_str(), x.marked.as_str(), x.after.as_str()), ("say ", "blue moon", " now"));
            assert_eq!(examples[0].id.as_deref(), Some("2"));
        }
    }

    #[test]
    fn bytes_are_described_and_not_spelled_out() {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        file.resize(1234, 7);
        assert_eq!(about_bytes(&file), "1,234 bytes, image/png");
        assert_eq!(about_bytes(&[]), "0 bytes");
        let cells = arrow::array::BinaryArray::from(vec![None, Some(&b"ab"[..])]);
        assert_eq!((bytes_of(&cells, 0), bytes_of(&cells, 1)), (None, Some(&b"ab"[..])));
    }

    #[test]
    fn what_is_ignored_is_not_listed_and_is_counted() {
        let entry = Ignore {
            rule: At { value: "P110".into(), ..At::default() },
            group: Some(At { value: "other".into(), ..At::default() }),
            reason: "known".into(),
            expires: None,
            span: crate::error::Span::default(),
        };
        let ignores = Ignores::new(&[entry], chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap());
        let (tally, lines) = run([0, 10], &ignores, false);
        assert_eq!((tally.quarantined, lines, tally.hidden), (4, 4, vec![4]));
    }

    #[test]
    fn redaction_keeps_no_excerpt() {
        let (mut tally, _) = run([0, 10], &Ignores::none(), true);
        assert!(tally.take(0).examples_of("blue moon").iter().all(|e| e.excerpt.is_none()));
    }

    #[test]
    fn cuts_fall_between_characters() {
        let text = "é".repeat(100) + "x" + &"é".repeat(100);
        let x = cut("c", &text, 200, 201, CONTEXT);
        assert_eq!((x.before.chars().count(), x.marked.as_str(), x.after.chars().count()), (61, "x", 61));
        assert_eq!(cut("c", "é", 1, 9, CONTEXT).marked, "é");
        assert_eq!(cut("c", "", 5, 9, CONTEXT).marked, "");
    }
}
