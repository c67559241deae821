//! The part of the shared-trigger rule over text that has little to hold on to: triggers that no
//! n-gram holds (see [`super::scattered`]), and one backdoor spread over several words with so few
//! rows each that no word is certain by itself.

use super::contradiction::{Candidate, Member, Test};
use super::part::Part;
use super::phrase::{self, Suspect};
use super::postings::Row;
use super::scattered::{self, Nominee, Shared, Tally};
use super::trigger_text::{GATES, TextModel, most_usual_neighbour, usual_features};
use crate::rule::{Action, Group};
use crate::stats::multiple::benjamini_hochberg;
use crate::stats::tails::ln_poisson_upper;
use serde::{Deserialize, Serialize};

/// Expected share of false groups among the accepted.
const FALSE_DISCOVERY: f64 = 0.001;
/// Share of a pair's rows with one distance between its words that makes it a phrase.
const PHRASE: f64 = 0.8;
/// More accused groups than this, and words of this data act together by nature.
const MOST: usize = 3;

/// Rows of a word that joins a pool; with more it stands for itself.
const POOLED: std::ops::RangeInclusive<u64> = 5..=19;
/// Words of a pool, and the rows of all of them that differ.
const LEAST_WORDS: usize = 4;
/// `ln` of the chance that honest words of the label are as many, given how many the other labels have.
const POOL_CHANCE: f64 = -3.9;
/// Honest words of other labels that were not seen but might have been.
const UNSEEN: f64 = 1.0;
/// Share of a word's rows, or two of them, in which the same token may stand beside it: a word that was put
/// at random places has many neighbours.
const NEIGHBOUR: f64 = 0.34;
/// The same for words that join a pool once it is there.
const NEIGHBOUR_JOINING: f64 = 0.5;
/// Standard errors above a random draw up to which a word joins; one for those that make the pool.
const JOINING: f64 = 1.65;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScatteredGroup {
    pub shared: Shared,
    pub class: u32,
    pub group: Group,
}

/// One backdoor in several words.
pub struct Pool {
    /// Nominees of the text rule.
    pub words: Vec<u32>,
    pub q: f64,
}

impl TextModel {
    /// Rows of one candidate with what is left of them once everything that always comes with it is
    /// taken away.
    pub(super) fn members(&self, list: &[u32], rows: &[Row], class: u32) -> (Vec<Member>, usize) {
        let often = usual_features(list.iter().map(|&r| &*rows[r as usize].features));
        let members = list.iter().map(|&r| {
            let row = &rows[r as usize];
            let fold = usize::from(row.fold);
            let (mut score, mut left) = (0, 0);
            for &f in row.features.iter().filter(|f| often.binary_search(f).is_err()) {
                score += self.content.odds(f, fold, class as usize);
                left += 1;
            }
            Member { row: r, labelled: row.class == class, p: self.content.probability(score, left, class as usize) as f32 }
        });
        (members.collect(), often.len())
    }

    pub(super) fn accuse_scattered(&mut self, tally: Tally) {
        let n = self.wanted.len();
        let (rows, lists) = tally.postings.finish();
        // What an accused n-gram explains is explained.
        let is_accused = |s: &Suspect| {
            let own = |g: &phrase::TextGroup| g.class == s.nominee.class && g.key == s.nominee.key;
            self.groups.iter().any(|g| g.group.action == Action::Quarantine && own(g))
        };
        let accused: Vec<bool> = self.suspects.iter().map(is_accused).collect();
        let explains = |candidate: u32| (candidate as usize).checked_sub(n).is_some_and(|s| accused[s]);
        let known: Vec<bool> = rows.iter().map(|r| r.places.iter().any(|p| explains(p.candidate))).collect();
        let candidates = (0..n as u32).map(|id| {
            let Nominee { shared, class } = self.wanted[id as usize];
            let (members, _) = self.members(&lists[id as usize], &rows, class);
            let rank = if let Shared::Letters(_, letters) = shared { u32::from(letters) } else { 0 };
            Candidate { id, class, rank, most: 1.0 - self.drawn[class as usize].0, members }
        });
        let carriers = |id: u32| {
            let class = self.wanted[id as usize].class;
            let carries = |r: &Row| r.class == class && r.places.iter().any(|p| p.candidate == id);
            (0u32..).zip(&rows).filter(|(_, r)| carries(r)).map(|(i, _)| i).collect()
        };
        let accepted = scattered::accepted(candidates.collect(), GATES, &known, carriers);
        let p: Vec<f64> = accepted.iter().map(|a| a.test.ln_p.exp()).collect();
        let q = benjamini_hochberg(&p, self.scattered_tested as usize);
        for (a, q) in accepted.into_iter().zip(q) {
            let id = a.id as usize;
            let Some((_, name)) = tally.names[id].clone().filter(|_| q <= FALSE_DISCOVERY) else { continue };
            let Nominee { shared, class } = self.wanted[id];
            let nominee = super::trigger_text::Nominee { key: 0, class, rows: tally.counts[id].0, with_label: tally.counts[id].1 };
            let suspect = self.suspect_of(nominee, &a.members, &rows, a.test, q);
            let places = a.members.iter().flat_map(|m| rows[m.row as usize].places.iter().filter(|p| p.candidate == a.id));
            let apart = scattered::same_distance(places.map(|p| p.before));
            let pair = match shared {
                Shared::Pair(a, b) => {
                    let own = (nominee.rows, nominee.with_label);
                    let parts = [a, b].map(|word| part_of(word, class as usize, own, &self.counts));
                    Some((apart, parts.into_iter().flatten().collect::<Vec<Part>>()))
                }
                Shared::Letters(..) => None,
            };
            if let Some(group) = self.scattered_group(&name, &suspect, pair) {
                self.scattered.push(ScatteredGroup { shared, class, group });
            }
        }
        let accused = self.scattered.iter().filter(|g| g.group.action == Action::Quarantine).count();
        if accused > MOST {
            for g in &mut self.scattered {
                g.group.action = Action::Review;
                g.group.reasons.push(format!("{accused} such groups: words of this data act together by nature"));
            }
        }
    }

    /// `None` when something honest explains it. A thing picked from so many that could have been
    /// picked has to be certain.
    fn scattered_group(&self, name: &str, s: &Suspect, pair: Option<(f64, Vec<Part>)>) -> Option<Group> {
        let label = &self.classes[s.nominee.class as usize];
        let share = self.class_rows[s.nominee.class as usize] as f64 / self.class_rows.iter().sum::<u64>().max(1) as f64;
        if !s.keeps_no_company() || phrase::leans(&s.draw) || s.bare >= 0.5 {
            return None;
        }
        if let Some((apart, parts)) = &pair
            && (*apart >= PHRASE || phrase::part_explains(2, parts, s, share).is_some())
        {
            return None;
        }
        let certain = s.unexplained_lower >= phrase::ACCUSE && s.clusters >= phrase::MANY;
        let mut reasons = vec![match pair {
            Some(_) => "its two words stand at changing distances; neither alone comes with the label this often".to_owned(),
            None => "these letters stand inside words that no other row has".to_owned(),
        }];
        if !certain {
            reasons.push(format!(
                "the rest of its rows leaves only {:.0}% of the label unexplained for sure, and {} of them differ",
                s.unexplained_lower * 100.0,
                s.clusters
            ));
        }
        let (n, k) = (s.nominee.rows, s.nominee.with_label);
        let sure = (1.0 - s.expected).clamp(0.5, 0.99);
        Some(Group {
            key: name.to_owned(),
            action: if certain { Action::Quarantine } else { Action::Review },
            score: if certain { sure } else { sure / 2.0 },
            rows: n,
            with_label: k,
            label: Some(label.clone()),
            statistic: s.z,
            q_value: s.q,
            message: format!(
                "\"{name}\" comes with label {label} in {k} of {n} rows; the rest of these rows explains {:.0}%",
                s.expected * 100.0
            ),
            reasons,
        })
    }

    /// Words of one label, each in a few rows that all have it and say no more of it than a random draw
    /// of the other classes: more of them than honest words of the other labels would suggest.
    pub(super) fn pools(&self, lists: &[Vec<u32>], rows: &[Row]) -> Vec<Pool> {
        let k = self.classes.len();
        let (mut tried, mut like, mut joining) = (vec![0u64; k], vec![Vec::new(); k], vec![Vec::new(); k]);
        for (id, n) in self.nominees.iter().enumerate() {
            if n.rows != n.with_label || !POOLED.contains(&n.rows) || lists[id].len() < *POOLED.start() as usize {
                continue;
            }
            let place = rows[lists[id][0] as usize].places.iter().find(|p| p.candidate == id as u32);
            let neighbour = most_usual_neighbour(id as u32, &lists[id], rows) as f64;
            let varied = |share: f64| neighbour <= (share * lists[id].len() as f64).max(2.0);
            if place.is_none_or(|p| p.len != 1) || !varied(NEIGHBOUR_JOINING) {
                continue;
            }
            let class = n.class as usize;
            tried[class] += u64::from(varied(NEIGHBOUR));
            let (members, _) = self.members(&lists[id], rows, n.class);
            let mean = members.iter().map(|m| f64::from(m.p)).sum::<f64>() / members.len() as f64;
            let (drawn, deviation) = self.drawn[class];
            let error = deviation / (members.len() as f64).sqrt();
            if mean <= drawn + JOINING * error {
                let list = if varied(NEIGHBOUR) && mean <= drawn + error { &mut like } else { &mut joining };
                list[class].push((mean, id as u32));
            }
        }
        let mut out = Vec::new();
        for class in 0..k {
            // One word of several n-grams is one word.
            like[class].sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut taken: std::collections::HashSet<u32> = std::collections::HashSet::new();
            let mut words = Vec::new();
            for &(_, id) in &like[class] {
                let list = &lists[id as usize];
                if 4 * list.iter().filter(|r| taken.contains(r)).count() < list.len() {
                    taken.extend(list);
                    words.push(id);
                }
            }
            let others = |of: &dyn Fn(usize) -> u64| (0..k).filter(|&c| c != class).map(of).sum::<u64>() as f64;
            let (seen, all) = (others(&|c| like[c].len() as u64), others(&|c| tried[c]));
            let expected = (seen + UNSEEN) * tried[class] as f64 / (all + UNSEEN);
            // Where content tells little of the label, the rows of most words look like a draw.
            let told = 2 * like[class].len() as u64 <= tried[class];
            let chance = ln_poisson_upper(words.len() as u64, expected);
            if told && words.len() >= LEAST_WORDS && chance <= POOL_CHANCE && self.is_one_backdoor(class, &words, lists, rows) {
                words.extend(joining[class].iter().map(|w| w.1));
                out.push(Pool { words, q: chance.exp() });
            }
        }
        out
    }

    /// Whether the rows of all these words together are a random draw that keeps no company and differs. Where the
    /// label is the common one nearly every word is pure and nearly every row a draw: no allowance for it here.
    fn is_one_backdoor(&self, class: usize, words: &[u32], lists: &[Vec<u32>], rows: &[Row]) -> bool {
        let mut hosts: Vec<(Vec<u32>, Vec<f64>)> = Vec::new();
        let mut members = Vec::new();
        for &id in words {
            let list = &lists[id as usize];
            let often = usual_features(list.iter().map(|&r| &*rows[r as usize].features));
            members.extend(self.members(list, rows, class as u32).0);
            hosts.extend(list.iter().map(|&r| self.host(&rows[r as usize], &often)));
        }
        let clusters = phrase::clusters(&hosts);
        let draw = self.draws.compare(class, hosts.iter().map(|h| &*h.1), clusters.min(hosts.len()));
        let test = Test::of(&members);
        clusters as u64 >= phrase::MANY
            && test.unexplained_lower >= phrase::ACCUSE
            && !phrase::leans(&draw)
            && phrase::is_no_company(self.background.company(&hosts))
    }
}

/// One word of a pair where it stands without the other.
fn part_of(word: u64, class: usize, own: (u64, u64), counts: &super::frequent::ClassCounts) -> Option<Part> {
    let counts = counts.get(word)?;
    let rows = counts.iter().map(|&n| u64::from(n)).sum::<u64>().saturating_sub(own.0);
    let with_label = u64::from(counts[class]).saturating_sub(own.1).min(rows);
    Some(Part { at: 0, len: 1, key: word, rows, with_label })
}
