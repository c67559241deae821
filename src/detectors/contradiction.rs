//! The contradiction test and the greedy explaining-away, for any kind of feature.
//!
//! A backdoor is label errors with a shared cause. For a feature and a label, each row that carries
//! the feature brings the calibrated probability of that label given *the rest* of the row; the
//! test asks whether more rows carry the label than those probabilities explain, and by how much.
//! How the probabilities come about (words, table values) is the caller's business; so is what a
//! group is called and which honest explanations remain.

use crate::stats::intervals::{Z95, wilson};
use crate::stats::tails::ln_poisson_binomial_upper;

/// One sampled row that carries a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// Index of the row in the caller's store; what explaining-away removes.
    pub row: u32,
    /// Whether it has the label under suspicion.
    pub labelled: bool,
    /// P(label | the row without the candidate and what always comes with it), out of fold.
    pub p: f32,
}

/// A feature under suspicion of pushing one label.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The caller's index; breaks ties, smallest first.
    pub id: u32,
    /// The label it would push.
    pub class: u32,
    /// Among candidates with equal evidence the larger one is the better name (a longer phrase).
    pub rank: u32,
    /// The unexplained share of a perfect trigger for this label.
    pub most: f64,
    /// At most a few hundred; distinct rows.
    pub members: Vec<Member>,
}

/// What the rows of one candidate say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    pub n: usize,
    pub observed: usize,
    pub expected: f64,
    /// Unexplained share, (observed - expected) / n.
    pub unexplained: f64,
    /// Its one-sided 95% lower bound: Wilson's for the observed share less the expected one.
    pub unexplained_lower: f64,
    pub z: f64,
    /// Of the exact Poisson-binomial tail.
    pub ln_p: f64,
}

impl Test {
    pub fn of(members: &[Member]) -> Test {
        let n = members.len();
        let observed = members.iter().filter(|m| m.labelled).count();
        let probabilities: Vec<f64> = members.iter().map(|m| f64::from(m.p)).collect();
        let expected: f64 = probabilities.iter().sum();
        let variance: f64 = probabilities.iter().map(|p| p * (1.0 - p)).sum();
        let rows = n.max(1) as f64;
        let excess = observed as f64 - expected;
        Test {
            n,
            observed,
            expected,
            unexplained: excess / rows,
            unexplained_lower: wilson(observed as f64, n as f64, Z95).0 - expected / rows,
            // A floor under the variance: probabilities next to 0 would let one row decide.
            z: excess / (variance + 0.25).sqrt(),
            ln_p: if excess > 0.0 { ln_poisson_binomial_upper(observed, &probabilities) } else { 0.0 },
        }
    }
}

/// What a candidate must show to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Gates {
    /// In the lower bound of the unexplained share: this much, or
    pub unexplained_lower: f64,
    /// this part of what a perfect trigger would show.
    pub of_most: f64,
    pub z: f64,
    /// Rows with the label, at least.
    pub rows: usize,
}

impl Gates {
    pub fn pass(&self, t: &Test, most: f64) -> bool {
        t.observed >= self.rows && t.z >= self.z && t.unexplained_lower >= self.unexplained_lower.min(self.of_most * most)
    }
}

#[derive(Debug, Clone)]
pub struct Accepted {
    pub id: u32,
    /// On the rows that no earlier group had explained.
    pub test: Test,
    /// The members it was tested on.
    pub members: Vec<Member>,
}

/// Accepts the best candidate, takes its labelled rows out of all others, and tests again, until
/// none passes. Leaves one phrase rather than its fifteen n-grams, and silences features that only
/// ride on a trigger's rows.
pub fn explain_away(candidates: Vec<Candidate>, gates: Gates, most: usize) -> Vec<Accepted> {
    explain_away_among(candidates, gates, most, |_| Vec::new())
}

/// The same when members are samples: `carriers(id)` names further rows of the caller's store that
/// carry the candidate and its label. Without them the rows of a frequent trigger that its own
/// sample left out would accuse every word beside it.
pub fn explain_away_among(mut candidates: Vec<Candidate>, gates: Gates, most: usize, carriers: impl Fn(u32) -> Vec<u32>) -> Vec<Accepted> {
    let mut tests: Vec<Test> = candidates.iter().map(|c| Test::of(&c.members)).collect();
    let mut alive: Vec<bool> = tests.iter().zip(&candidates).map(|(t, c)| gates.pass(t, c.most)).collect();
    let mut accepted = Vec::new();
    while accepted.len() < most {
        let best = (0..candidates.len()).filter(|&i| alive[i]).max_by(|&a, &b| {
            let (x, y) = (&tests[a], &tests[b]);
            x.z.total_cmp(&y.z).then(candidates[a].rank.cmp(&candidates[b].rank)).then(candidates[b].id.cmp(&candidates[a].id))
        });
        let Some(best) = best else { break };
        alive[best] = false;
        let members = std::mem::take(&mut candidates[best].members);
        let mut taken: std::collections::HashSet<u32> = members.iter().filter(|m| m.labelled).map(|m| m.row).collect();
        taken.extend(carriers(candidates[best].id));
        for i in 0..candidates.len() {
            if !alive[i] {
                continue;
            }
            let before = candidates[i].members.len();
            candidates[i].members.retain(|m| !taken.contains(&m.row));
            if candidates[i].members.len() != before {
                tests[i] = Test::of(&candidates[i].members);
                alive[i] = gates.pass(&tests[i], candidates[i].most);
            }
        }
        accepted.push(Accepted { id: candidates[best].id, test: tests[best], members });
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATES: Gates = Gates { unexplained_lower: 0.4, of_most: 0.6, z: 5.0, rows: 8 };

    fn members(rows: std::ops::Range<u32>, labelled: bool, p: f32) -> Vec<Member> {
        rows.map(|row| Member { row, labelled, p }).collect()
    }

    fn candidate(id: u32, rank: u32, members: Vec<Member>) -> Candidate {
        Candidate { id, class: 0, rank, most: 1.0, members }
    }

    #[test]
    fn contradicted_rows_are_unexplained() {
        let t = Test::of(&members(0..20, true, 0.1));
        assert!(GATES.pass(&t, 1.0), "{t:?}");
        assert!((t.ln_p - 20.0 * f64::from(0.1f32).ln()).abs() < 1e-6);
    }

    #[test]
    fn a_pure_feature_whose_rows_agree_is_explained() {
        let t = Test::of(&members(0..500, true, 0.75));
        assert!(!GATES.pass(&t, 1.0), "{t:?}");
    }

    #[test]
    fn scattered_label_noise_is_not_pure() {
        let mut rows = members(0..5, true, 0.1);
        rows.extend(members(5..50, false, 0.1));
        assert!(!GATES.pass(&Test::of(&rows), 1.0));
    }

    #[test]
    fn no_rows_pass_nothing() {
        assert!(!GATES.pass(&Test::of(&[]), 1.0));
    }

    #[test]
    fn the_longest_name_of_the_same_rows_wins_and_the_rest_is_explained() {
        let all = (0..15).map(|i| candidate(i, i % 4, members(0..30, true, 0.2))).collect();
        let accepted = explain_away(all, GATES, 100);
        assert_eq!(accepted.iter().map(|a| a.id).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn two_triggers_in_different_rows_are_both_kept() {
        let all = vec![candidate(0, 1, members(0..30, true, 0.2)), candidate(1, 1, members(30..70, true, 0.2))];
        assert_eq!(explain_away(all, GATES, 100).len(), 2);
    }

    #[test]
    fn rows_beyond_the_sample_are_explained_as_well() {
        let all = vec![candidate(0, 1, members(0..30, true, 0.1)), candidate(1, 1, members(30..55, true, 0.2))];
        let beyond = |id: u32| if id == 0 { (30..55).collect() } else { Vec::new() };
        assert_eq!(explain_away_among(all.clone(), GATES, 100, beyond).len(), 1);
        assert_eq!(explain_away(all, GATES, 100).len(), 2);
    }

    #[test]
    fn the_order_of_candidates_changes_nothing() {
        let mut all: Vec<Candidate> = (0..6).map(|i| candidate(i, 1, members(i * 5..i * 5 + 30, true, 0.2))).collect();
        let forward: Vec<u32> = explain_away(all.clone(), GATES, 100).iter().map(|a| a.id).collect();
        all.reverse();
        let backward: Vec<u32> = explain_away(all, GATES, 100).iter().map(|a| a.id).collect();
        assert_eq!(forward, backward);
    }
}
