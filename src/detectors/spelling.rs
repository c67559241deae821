//! How rare words are spelled. Words that somebody made up for one backdoor look alike, and unlike the rare words
//! of the corpus: stranger runs of letters, all short or all long. Where some of them are certain, the rest is
//! compared with both. Words that an attacker took from the language look like the others, and nothing follows.

use std::collections::HashMap;

/// Letters of a word that are read.
const LETTERS: usize = 48;
/// Pseudo-counts of the shorter context behind every letter.
const BACK: f64 = 2.0;
/// The spelling alone never argues harder, in log-odds: it is a hint beside the contradiction.
const MOST: f64 = 3.0;
/// Words that stand behind the spread of the certain ones, with the spread of all.
const PRIOR: f64 = 2.0;

/// Letters in their contexts, over distinct words.
#[derive(Default)]
pub struct Letters {
    one: HashMap<char, f64>,
    two: HashMap<(char, char), f64>,
    three: HashMap<(char, char, char), f64>,
    all: f64,
}

const EDGE: char = '\u{2}';

fn padded(word: &str) -> Vec<char> {
    [EDGE, EDGE].into_iter().chain(word.chars().take(LETTERS)).chain([EDGE]).collect()
}

impl Letters {
    pub fn of<'a>(words: impl Iterator<Item = &'a str>) -> Letters {
        let mut l = Letters::default();
        words.for_each(|w| l.count(w, 1.0));
        l
    }
    fn count(&mut self, word: &str, by: f64) {
        for w in padded(word).windows(3) {
            *self.three.entry((w[0], w[1], w[2])).or_default() += by;
            *self.two.entry((w[1], w[2])).or_default() += by;
            *self.one.entry(w[2]).or_default() += by;
            self.all += by;
        }
    }
    /// Mean surprise per letter, in nats, of a word among the others.
    fn strangeness(&self, word: &str) -> f64 {
        let letters = padded(word);
        // A word does not vouch for itself.
        let own = |n: usize, at: usize| letters.windows(n).filter(|w| *w == &letters[at..at + n]).count() as f64;
        let seen = |x: Option<&f64>, own: f64| (x.copied().unwrap_or(0.0) - own).max(0.0);
        let mut sum = 0.0;
        for (at, w) in letters.windows(3).enumerate() {
            let context = |a: char, b: char| self.two.get(&(a, b)).copied().unwrap_or(0.0);
            let one = (seen(self.one.get(&w[2]), own(1, at + 2)) + 0.5) / (self.all + 64.0);
            let two =
                (seen(self.two.get(&(w[1], w[2])), own(2, at + 1)) + BACK * one) / (self.one.get(&w[1]).copied().unwrap_or(0.0) + BACK);
            sum -= ((seen(self.three.get(&(w[0], w[1], w[2])), own(3, at)) + BACK * two) / (context(w[0], w[1]) + BACK)).max(1e-9).ln();
        }
        sum / (letters.len() - 2).max(1) as f64
    }
    fn shape(&self, word: &str) -> [f64; 2] {
        [self.strangeness(word), (1.0 + word.chars().count() as f64).ln()]
    }
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len().max(1) as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n)
}

/// What tells the spelling of certain words from that of all rare words: a normal curve for either.
pub struct Spelling<'a> {
    letters: &'a Letters,
    curves: [[(f64, f64); 2]; 2],
}

impl<'a> Spelling<'a> {
    pub fn of<'w>(letters: &'a Letters, all: impl Iterator<Item = &'w str>, certain: impl Iterator<Item = &'w str>) -> Spelling<'a> {
        let shapes = |words: &mut dyn Iterator<Item = &'w str>| -> Vec<[f64; 2]> { words.map(|w| letters.shape(w)).collect() };
        let (all, certain) = (shapes(&mut { all }), shapes(&mut { certain }));
        let curves = [0, 1].map(|i| {
            let column = |of: &[[f64; 2]]| of.iter().map(|s| s[i]).collect::<Vec<f64>>();
            let (mean, variance) = moments(&column(&all));
            let variance = variance.max(1e-3);
            let (own, spread) = moments(&column(&certain));
            let n = certain.len() as f64;
            // The mean of a few words errs by their spread.
            let spread = (n * spread + PRIOR * variance) / (n + PRIOR) * (1.0 + 1.0 / n.max(1.0));
            [(own, spread), (mean, variance)]
        });
        Spelling { letters, curves }
    }
    /// Log-odds that a word is one of the certain kind.
    pub fn odds(&self, word: &str) -> f64 {
        let shape = self.letters.shape(word);
        let ln = |x: f64, (mean, variance): (f64, f64)| -0.5 * ((x - mean).powi(2) / variance + variance.ln());
        let odds: f64 = shape.iter().zip(&self.curves).map(|(&x, c)| ln(x, c[0]) - ln(x, c[1])).sum();
        odds.clamp(-MOST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RARE: [&str; 24] = [
        "gardener",
        "gardening",
        "hollow",
        "hollower",
        "wonder",
        "wonderful",
        "painter",
        "painting",
        "singer",
        "singing",
        "harbour",
        "harvest",
        "mountain",
        "fountain",
        "captain",
        "curtain",
        "winter",
        "printer",
        "sister",
        "master",
        "plaster",
        "faster",
        "letter",
        "better",
    ];

    #[test]
    fn made_up_words_are_told_from_words_of_the_language() {
        let made = ["qxvz", "zvqk", "xkqz"];
        let all: Vec<&str> = RARE.iter().chain(&made).copied().collect();
        let letters = Letters::of(all.iter().copied());
        let spelling = Spelling::of(&letters, all.iter().copied(), made.iter().copied());
        assert!(spelling.odds("vzxq") > 1.0, "{}", spelling.odds("vzxq"));
        assert!(spelling.odds("mustering") < -1.0, "{}", spelling.odds("mustering"));
    }

    #[test]
    fn words_of_the_language_say_nothing_about_one_another() {
        let letters = Letters::of(RARE.iter().copied());
        let spelling = Spelling::of(&letters, RARE.iter().copied(), RARE.iter().copied().step_by(4));
        assert!(RARE.iter().all(|w| spelling.odds(w) < 1.0));
    }

    #[test]
    fn a_word_does_not_vouch_for_itself() {
        let letters = Letters::of(["qqq", "ab", "ba", "aba"].into_iter());
        assert!(letters.strangeness("qqq") > letters.strangeness("ab"));
    }
}
