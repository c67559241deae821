//! MinHash signatures of texts (Broder 1997): the share of equal minima of two rows estimates the
//! Jaccard similarity of their word pairs. Two minima make a band; near copies share many bands,
//! strangers share none or, over common words, one.

use serde::{Deserialize, Serialize};

/// Minima in a signature. The standard error of a similarity of one half is 0.09.
pub const MINIMA: usize = 32;
pub const BANDS: usize = MINIMA / 2;
/// Words of a row that are looked at: near copies of long documents are alike from the start, and a
/// row of any length costs no more than this.
const WORDS: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub minima: [u32; MINIMA],
    /// Words, up to the limit.
    pub words: u32,
    /// Hash of the words in order: equal texts but for case, spaces and punctuation.
    pub exact: u64,
}

impl Signature {
    /// Of all texts of a row, in order. `None` without a word. Letters and digits make words, and in
    /// scripts without spaces each character is one; unseen characters vanish.
    pub fn of<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<Signature> {
        let mut s = Signature { minima: [u32::MAX; MINIMA], words: 0, exact: 0 };
        let mut previous = 1u64;
        for text in texts {
            // A border between columns, so that moving words across it is a change.
            previous = previous.wrapping_mul(3);
            let Some(text) = text else { continue };
            for_each_word(text, |word| {
                if s.words as usize == WORDS {
                    return false;
                }
                s.words += 1;
                s.exact = mix(s.exact ^ word);
                s.add(mix(previous ^ word.rotate_left(21)));
                previous = word;
                true
            });
        }
        (s.words > 0).then_some(s)
    }

    fn add(&mut self, shingle: u64) {
        // Double hashing: one strong hash of the pair gives all of its minima's candidates.
        let (mut h, step) = (shingle as u32, (shingle >> 32) as u32 | 1);
        for m in &mut self.minima {
            // A multiplication scrambles the order between neighbours of the sequence.
            let v = h ^ (h >> 15);
            let v = v.wrapping_mul(0x2C1B_3C6D);
            *m = (*m).min(v ^ (v >> 13));
            h = h.wrapping_add(step);
        }
    }

    pub fn band(&self, i: usize) -> u64 {
        mix(u64::from(self.minima[2 * i]) << 32 | u64::from(self.minima[2 * i + 1])).wrapping_add(i as u64)
    }

    /// Equal minima, of [`MINIMA`].
    pub fn agreement(&self, other: &[u32; MINIMA]) -> usize {
        self.minima.iter().zip(other).filter(|(a, b)| a == b).count()
    }
}

/// The finaliser of splitmix64: a bijection, so nothing collides that did not before.
pub fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Letters and digits of ASCII, as small ones; 0 for what ends a word.
const ASCII: [u8; 128] = {
    let mut table = [0; 128];
    let mut b = 0;
    while b < 128 {
        if (b as u8).is_ascii_alphanumeric() {
            table[b] = (b as u8).to_ascii_lowercase();
        }
        b += 1;
    }
    table
};

/// Hands the hash of every word to `f` until it says enough.
fn for_each_word(text: &str, mut f: impl FnMut(u64) -> bool) {
    const EMPTY: u64 = 0;
    let mut word = EMPTY;
    let push = |word: u64, c: u32| (word ^ u64::from(c)).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(27);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if let Some(&letter) = ASCII.get(usize::from(b)) {
            at += 1;
            if letter != 0 {
                word = push(word, u32::from(letter));
                continue;
            }
        } else {
            let c = text[at..].chars().next().unwrap_or('\u{fffd}');
            at += c.len_utf8();
            if is_unspaced(c) {
                if word != EMPTY && !f(word) || !f(push(EMPTY, c as u32)) {
                    return;
                }
                word = EMPTY;
                continue;
            }
            if c.is_alphanumeric() {
                c.to_lowercase().for_each(|l| word = push(word, l as u32));
                continue;
            }
            if crate::features::unicode::is_unseen(c) {
                continue;
            }
        }
        if word != EMPTY && !f(word) {
            return;
        }
        word = EMPTY;
    }
    if word != EMPTY {
        f(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Signature {
        Signature::of([Some(text)].into_iter()).unwrap()
    }

    #[test]
    fn agreement_estimates_the_similarity_of_word_pairs() {
        // Two runs of 200 numbered words that share 100 or 150 or 0: Jaccard of pairs 99/299, 149/249, 0.
        let run = |from: u32| (from..from + 200).map(|i| format!("w{i}")).collect::<Vec<_>>().join(" ");
        for (shift, jaccard) in [(100, 99.0 / 299.0), (50, 149.0 / 249.0), (200, 0.0), (0, 1.0)] {
            let mut sum = 0;
            for trial in 0..40 {
                let from = trial * 1000;
                sum += of(&run(from)).agreement(&of(&run(from + shift)).minima);
            }
            let estimate = f64::from(sum as u32) / (40 * MINIMA) as f64;
            assert!((estimate - jaccard).abs() < 0.05, "{estimate} for {jaccard}");
        }
    }

    #[test]
    fn case_spaces_punctuation_and_unseen_characters_do_not_count() {
        assert_eq!(of("A small, old house."), of("a  small old\u{200B} HOUSE"));
        assert_ne!(of("a small old house").exact, of("a small old mouse").exact);
    }

    #[test]
    fn unspaced_scripts_count_characters() {
        assert_eq!(of("\u{6771}\u{4EAC}\u{5927}").words, 3);
    }

    #[test]
    fn no_words_have_no_signature() {
        assert_eq!(Signature::of([None, Some(" ... ")].into_iter()), None);
    }

    #[test]
    fn a_huge_row_costs_no_more_than_a_long_one() {
        let long = "word ".repeat(100_000);
        assert_eq!(of(&long).words as usize, WORDS);
    }
}
