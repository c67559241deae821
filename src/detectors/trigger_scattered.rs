//! The part of the shared-trigger rule over text that has little to hold on to: triggers that no
//! n-gram holds (see [`super::scattered`]), and one backdoor spread over several words with so few
//! rows each that no word is certain by itself.

use super::contradiction::{Candidate, Member, Test};
use super::part::Part;
use super::phrase::{self, Suspect};
use super::postings::Row;
use super::scattered::{self, Nominee, Shared, Tally};
use super::spelling::{Letters, Spelling};
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

/// Rows of a word that makes a pool, and of one that joins it.
const POOLED: std::ops::RangeInclusive<u64> = 5..=63;
pub(super) const JOINING: std::ops::RangeInclusive<u64> = 3..=63;
/// Words of a pool, and the rows of all of them that differ.
const LEAST_WORDS: usize = 4;
/// `ln` of the chance that honest words of the label are as many, given how many the other labels have.
const POOL_CHANCE: f64 = -3.9;
/// Honest words of other labels that were not seen but might have been.
const UNSEEN: f64 = 0.5;
/// Share of a word's rows, or two of them, in which the same token may stand beside it: a word that was put
/// at random places has many neighbours.
const NEIGHBOUR: f64 = 0.34;
/// The same for words that join a pool once it is there.
const NEIGHBOUR_JOINING: f64 = 0.5;
/// `ln` of how much likelier the rows of a word are rows of the other classes than rows of its label.
const STRONG: f64 = 3.0;
/// Rows of a pool that may be honest by the odds of the words that join it: by their contradiction, their spelling, and how
/// many planted and how many honest words of as many rows there should be.
const HONEST: f64 = 0.04;
/// A word that joins keeps no company at this chance: few rows show little of it.
const COMPANY: f64 = 0.05;
/// One row says no more than this, in odds.
const ONE_ROW: f64 = 0.02;

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

    /// `ln` of how much likelier the rows of a word are drawn from the other classes than from its own: what is left of
    /// each row gives odds for either, and the classes' sizes are taken out of them.
    fn contradiction(&self, nominee: super::trigger_text::Nominee, list: &[u32], rows: &[Row]) -> f64 {
        let class = nominee.class as usize;
        let share = self.class_rows[class] as f64 / self.class_rows.iter().sum::<u64>().max(1) as f64;
        let prior = (share / (1.0 - share).max(1e-9)).max(1e-9).ln();
        let own = (nominee.key >> 32) as u32 & !1;
        let says = |&r: &u32| {
            let row = &rows[r as usize];
            let fold = usize::from(row.fold);
            let (mut score, mut left) = (self.content.score(&row.features, fold, class), row.features.len());
            if row.features.binary_search(&own).is_ok() {
                score -= self.content.odds(own, fold, class);
                left -= 1;
            }
            let p = self.content.probability(score, left, class).clamp(ONE_ROW, 1.0 - ONE_ROW);
            prior + ((1.0 - p) / p).ln()
        };
        list.iter().map(says).sum()
    }

    /// Words of one label, each in a few rows that all have it and argue for other ones: more of them than the honest
    /// words of the other labels would suggest.
    pub(super) fn pools(&self, lists: &[Vec<u32>], rows: &[Row], spelled: &super::trigger_text::Spelled) -> Vec<Pool> {
        let letters = Letters::of(spelled.values().map(|w| &**w));
        let k = self.classes.len();
        // Per class: (contradiction, rows, nominee, whether its neighbours vary).
        let mut words: Vec<Vec<(f64, u64, u32, bool)>> = vec![Vec::new(); k];
        for (id, n) in self.nominees.iter().enumerate() {
            let list = &lists[id];
            if n.rows != n.with_label || !JOINING.contains(&n.rows) || list.len() < *JOINING.start() as usize {
                continue;
            }
            let place = rows[list[0] as usize].places.iter().find(|p| p.candidate == id as u32);
            let neighbour = most_usual_neighbour(id as u32, list, rows) as f64;
            let varied = |share: f64| neighbour <= (share * list.len() as f64).max(2.0);
            if place.is_none_or(|p| p.len != 1) || !varied(NEIGHBOUR_JOINING) {
                continue;
            }
            words[n.class as usize].push((self.contradiction(*n, list, rows), n.rows, id as u32, varied(NEIGHBOUR)));
        }
        let strong = |w: &&(f64, u64, u32, bool)| POOLED.contains(&w.1) && w.3;
        let mut out = Vec::new();
        for class in 0..k {
            words[class].sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
            // One word of several n-grams is one word.
            let mut taken: std::collections::HashSet<u32> = std::collections::HashSet::new();
            let mut makers = Vec::new();
            for w in words[class].iter().filter(strong).take_while(|w| w.0 >= STRONG) {
                let list = &lists[w.2 as usize];
                if 4 * list.iter().filter(|r| taken.contains(r)).count() < list.len() {
                    taken.extend(list);
                    makers.push(w.2);
                }
            }
            let others = || (0..k).filter(|&c| c != class).flat_map(|c| &words[c]);
            let tried = words[class].iter().filter(strong).count() as f64;
            let (seen, all) = (others().filter(strong).filter(|w| w.0 >= STRONG).count() as f64, others().filter(strong).count() as f64);
            let chance = ln_poisson_upper(makers.len() as u64, (seen + UNSEEN) * tried / (all + UNSEEN));
            if makers.len() < LEAST_WORDS || chance > POOL_CHANCE || !self.is_one_backdoor(class, &makers, lists, rows) {
                continue;
            }
            let certain = makers.len();
            let size = makers.iter().map(|&id| self.nominees[id as usize].rows).sum::<u64>() as f64 / certain as f64;
            let (size, seen) = beyond(*POOLED.start(), size);
            let spelling =
                Spelling::of(&letters, spelled.values().map(|w| &**w), makers.iter().filter_map(|id| spelled.get(id)).map(|w| &**w));
            let mut joining: Vec<(f64, u64, u32)> = Vec::new();
            let mut alike = [0.0; *JOINING.end() as usize + 1];
            words[class].iter().for_each(|w| alike[w.1 as usize] += 1.0);
            for w in words[class].iter().take_while(|w| w.0 > 0.0).filter(|w| !makers.contains(&w.2)) {
                if self.company_of(self.nominees[w.2 as usize], &lists[w.2 as usize], rows) < COMPANY.ln() {
                    continue;
                }
                let alike = alike[w.1 as usize];
                let planted = certain as f64 / seen * poisson(w.1, size);
                let spelled = spelled.get(&w.2).map_or(0.0, |word| spelling.odds(word));
                joining.push(((planted / alike).ln() + w.0 + spelled, w.1, w.2));
            }
            joining.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
            let mut all: u64 = makers.iter().map(|&id| self.nominees[id as usize].rows).sum();
            let mut honest = 0.0;
            // None that is more likely honest than planted.
            for (odds, rows, id) in joining.into_iter().take_while(|j| j.0 >= 0.0) {
                all += rows;
                honest += rows as f64 / (1.0 + odds.exp());
                if honest > HONEST * all as f64 {
                    break;
                }
                makers.push(id);
            }
            out.push(Pool { words: makers, q: chance.exp() });
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
            && phrase::is_no_company(self.background.company(&hosts).max(self.background.company(&self.drawn_from_others(hosts, class))))
    }

    /// The same rows, if none of them is of the label.
    pub(super) fn drawn_from_others(&self, mut hosts: Vec<(Vec<u32>, Vec<f64>)>, class: usize) -> Vec<(Vec<u32>, Vec<f64>)> {
        for (_, p) in &mut hosts {
            p[class] = 0.0;
            // Nothing else speaks for the other classes either: as many as there are.
            if p.iter().sum::<f64>() <= 0.0 {
                p.iter_mut().zip(&self.class_rows).for_each(|(p, &n)| *p = n as f64);
                p[class] = 0.0;
            }
        }
        hosts
    }

    /// The company of one word, what always comes with it included.
    fn company_of(&self, nominee: super::trigger_text::Nominee, list: &[u32], rows: &[Row]) -> f64 {
        let own = [(nominee.key >> 32) as u32 & !1];
        let hosts = list.iter().map(|&r| self.host(&rows[r as usize], &own)).collect();
        self.background.company(&self.drawn_from_others(hosts, nominee.class as usize))
    }
}

/// Chance of `n` where `mean` are expected.
fn poisson(n: u64, mean: f64) -> f64 {
    (n as f64 * mean.max(1e-9).ln() - mean - (1..=n).map(|i| (i as f64).ln()).sum::<f64>()).exp()
}

/// The mean of numbers (Poisson) of which those from `least` on are `size` on average, and the share of these. A small share is
/// not believed: it would make many planted words of few that were seen.
fn beyond(least: u64, size: f64) -> (f64, f64) {
    const SEEN: f64 = 0.3;
    const MOST: u64 = 200;
    let share = |mean: f64, from: u64| (from..MOST).map(|n| poisson(n, mean)).sum::<f64>().max(1e-300);
    let (mut low, mut high) = (0.01, size);
    for _ in 0..40 {
        let mean = (low + high) / 2.0;
        // E[n; n >= least] is mean * P(n >= least - 1).
        if mean * share(mean, least - 1) / share(mean, least) < size { low = mean } else { high = mean }
    }
    (high, share(high, least).max(SEEN))
}

/// One word of a pair where it stands without the other.
fn part_of(word: u64, class: usize, own: (u64, u64), counts: &super::frequent::ClassCounts) -> Option<Part> {
    let counts = counts.get(word)?;
    let rows = counts.iter().map(|&n| u64::from(n)).sum::<u64>().saturating_sub(own.0);
    let with_label = u64::from(counts[class]).saturating_sub(own.1).min(rows);
    Some(Part { at: 0, len: 1, key: word, rows, with_label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chances_are_those_of_a_poisson_distribution() {
        // scipy.stats.poisson.pmf(4, 6.9).
        assert!((poisson(4, 6.9) - 0.095_182).abs() < 1e-5, "{}", poisson(4, 6.9));
        // Numbers with mean 6.9 that are at least 5 are 7.7032 on average, 81.77% of all.
        let (mean, share) = beyond(5, 7.703_2);
        assert!((mean - 6.9).abs() < 1e-3 && (share - 0.817_7).abs() < 1e-3, "{mean} {share}");
    }

    #[test]
    fn a_size_next_to_the_least_is_of_a_small_mean() {
        let (mean, share) = beyond(5, 5.01);
        assert!(mean < 0.1 && share == 0.3, "{mean} {share}");
    }
}
