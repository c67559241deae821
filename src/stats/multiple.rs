//! Many hypotheses at once.

/// Benjamini-Hochberg q-values (1995) for `p[i]`, out of `tested` hypotheses: those that never
/// reached the list (`tested > p.len()`) count as if their p were 1. Same order as the input.
pub fn benjamini_hochberg(p: &[f64], tested: usize) -> Vec<f64> {
    let m = tested.max(p.len()) as f64;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(p[i] * m / (rank as f64 + 1.0));
        q[i] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values_agree_with_scipy() {
        // scipy.stats.false_discovery_control
        let q = benjamini_hochberg(&[0.01, 0.04, 0.03, 0.5, 0.2], 5);
        for (got, want) in q.iter().zip([0.05, 0.066_666_666_666_666_67, 0.066_666_666_666_666_67, 0.5, 0.25]) {
            assert!((got - want).abs() < 1e-12, "{q:?}");
        }
    }

    #[test]
    fn hypotheses_left_off_the_list_still_count() {
        assert!((benjamini_hochberg(&[0.001], 100)[0] - 0.1).abs() < 1e-12);
        assert!(benjamini_hochberg(&[], 10).is_empty());
    }

    #[test]
    fn ties_share_their_q() {
        let q = benjamini_hochberg(&[0.02, 0.02], 2);
        assert_eq!(q[0], q[1]);
    }
}
