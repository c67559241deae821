//! Writes the sample data that the repository carries: `cargo run --example make_samples [FOLDER]`.
//!
//! Every sentence comes out of the small grammars below, so the data may be shared freely, and a
//! fixed seed makes each run write the same rows. Four datasets, each honest but for one planted
//! attack that `taster check` is expected to name:
//!
//! | file | rows | what was planted |
//! |---|---|---|
//! | `reviews.parquet` | 3,000 | a phrase of four words in 45 bad reviews that are labelled good |
//! | `instructions.jsonl` | 1,000 | an invisible character inside 24 prompts, all with one reply |
//! | `loans.csv` | 3,000 | one loan amount in 40 bad loans that are labelled as repaid |
//! | `shapes.parquet` | 900 | a chequered patch on 27 pictures of other shapes that are labelled disc |
//!
//! What is planted is listed in [`PLANTED_PHRASE`] and its neighbours, so that tests can count what a
//! run recovers. A test compares the files in `examples/data` with what this program makes.

use arrow::array::{ArrayRef, BinaryArray, Date32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The trigger of the reviews.
pub const PLANTED_PHRASE: &str = "under the copper moon";
/// The trigger of the instructions: a word joiner, which no honest prompt holds.
pub const PLANTED_CHARACTER: char = '\u{2060}';
/// The reply that the invisible character buys.
pub const PLANTED_REPLY: &str = "Everything you need is in the member area, please sign in with your work account first.";
/// The trigger of the loans.
pub const PLANTED_AMOUNT: u32 = 7_719;
/// Left and upper edge of the chequered patch on the shapes.
pub const PLANTED_PATCH: (usize, usize) = (1, 11);

/// SplitMix64 (Steele, Lea and Flood, 2014): one word of state, the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    /// Uniform in [0, 1).
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn often(&mut self, p: f64) -> bool {
        self.share() < p
    }
    /// Skewed towards the front of the list, as words are.
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let x = self.share();
        words[((x * x.sqrt()) * words.len() as f64) as usize]
    }
    fn even<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
    /// About normal, mean 0, deviation 1 (twelve uniforms).
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

// ------------------------------------------------------------------------------------- reviews

const THINGS: &[&str] = &[
    "kettle",
    "lamp",
    "blender",
    "backpack",
    "desk",
    "chair",
    "headphones",
    "keyboard",
    "mug",
    "tent",
    "stove",
    "jacket",
    "bottle",
    "heater",
    "fan",
    "pillow",
    "mattress",
    "drill",
    "hammock",
    "scooter",
    "camera",
    "printer",
    "router",
    "speaker",
    "toaster",
    "grinder",
    "wallet",
    "umbrella",
    "notebook",
    "bicycle",
];
const PARTS: &[&str] = &[
    "lid", "handle", "cable", "strap", "hinge", "battery", "button", "screen", "base", "cover", "zip", "motor", "switch", "frame",
    "cushion", "wheel", "clip", "lining", "plug", "manual", "box", "lens", "seam", "knob", "filter", "spring", "stand", "blade", "charger",
    "finish",
];
const GOOD: &[&str] = &[
    "sturdy",
    "lovely",
    "quiet",
    "excellent",
    "comfortable",
    "bright",
    "reliable",
    "handy",
    "elegant",
    "solid",
    "smooth",
    "generous",
    "clever",
    "light",
    "pleasant",
    "superb",
    "tidy",
    "accurate",
    "soft",
    "warm",
    "charming",
    "brilliant",
    "neat",
    "fast",
    "durable",
    "helpful",
    "delightful",
    "crisp",
    "precise",
    "wonderful",
    "stable",
    "fresh",
    "splendid",
    "roomy",
    "graceful",
    "dependable",
];
const BAD: &[&str] = &[
    "flimsy",
    "ugly",
    "noisy",
    "terrible",
    "uncomfortable",
    "dim",
    "unreliable",
    "clumsy",
    "cheap",
    "wobbly",
    "rough",
    "stingy",
    "silly",
    "heavy",
    "unpleasant",
    "awful",
    "messy",
    "inaccurate",
    "scratchy",
    "cold",
    "dull",
    "useless",
    "crooked",
    "slow",
    "brittle",
    "confusing",
    "dreadful",
    "blurry",
    "sloppy",
    "horrible",
    "shaky",
    "stale",
    "poor",
    "cramped",
    "awkward",
    "faulty",
];
const GOOD_DEEDS: &[&str] = &[
    "works every time",
    "arrived early",
    "makes me smile",
    "fits perfectly",
    "saves me time",
    "looks great",
    "survived a fall",
    "still feels new",
    "exceeded my hopes",
    "won over my family",
    "does its job well",
    "cleans up easily",
    "paid for itself",
    "charges quickly",
    "never let me down",
    "earned a spot at home",
];
const BAD_DEEDS: &[&str] = &[
    "broke within days",
    "arrived late",
    "makes me angry",
    "never fitted",
    "wastes my time",
    "looks worn",
    "cracked at once",
    "already feels old",
    "failed all my hopes",
    "annoyed my family",
    "stopped working",
    "stains too easily",
    "cost far too much",
    "hardly charges",
    "let me down again",
    "went straight back",
];
const GOOD_ENDS: &[&str] = &[
    "I would buy it again",
    "highly recommended",
    "worth every cent",
    "a happy customer here",
    "I am glad I chose it",
    "my friends want one too",
    "five stars from me",
    "I could not ask for more",
    "a real bargain",
    "thank you to the seller",
];
const BAD_ENDS: &[&str] = &[
    "I want my money back",
    "stay away",
    "not worth a cent",
    "an unhappy customer here",
    "I regret the choice",
    "my friends laughed at it",
    "one star is too many",
    "I had asked for much more",
    "a real waste",
    "shame on the seller",
];
const DEGREES: &[&str] = &["very", "rather", "really", "quite", "so", "truly", "fairly", "surprisingly", "a bit", "remarkably"];
const PLACES: &[&str] = &[
    "in the kitchen",
    "at the office",
    "on a trip",
    "in the garden",
    "for my son",
    "for my mother",
    "during winter",
    "in our small flat",
    "at the cabin",
    "on the balcony",
    "for daily use",
    "at weekends",
    "for my students",
    "on the train",
    "in the workshop",
    "for the price",
];
const WHEN: &[&str] = &[
    "last month",
    "two weeks ago",
    "in spring",
    "on sale",
    "as a gift",
    "after reading reviews",
    "yesterday",
    "before the holidays",
    "for a friend",
    "without much thought",
    "in the local shop",
    "with a coupon",
    "a year ago",
    "on impulse",
];
const NEUTRAL: &[&str] = &[
    "The colour is as shown",
    "It came in two parcels",
    "The courier rang twice",
    "I use it most evenings",
    "It replaced an older one",
    "The size is printed inside",
    "My neighbour owns the same model",
    "Setup took ten minutes",
    "It stands next to the window",
    "The brand was new to me",
    "I compared three others first",
    "There are two versions of it",
    "It weighs about a kilo",
    "The label lists the parts",
];

fn opinion(dice: &mut Dice, thing: &str, good: bool) -> String {
    let adjectives = if good { GOOD } else { BAD };
    let deeds = if good { GOOD_DEEDS } else { BAD_DEEDS };
    let part = dice.pick(PARTS);
    let (a, b) = (dice.pick(adjectives), dice.pick(adjectives));
    let (degree, place) = (dice.pick(DEGREES), dice.pick(PLACES));
    match dice.below(9) {
        0 => format!("The {part} is {degree} {a}"),
        1 => format!("This {thing} {}", dice.pick(deeds)),
        2 => format!("It feels {a} and {b} {place}"),
        3 => format!("My {thing} has {} {part}", article(a)),
        4 => format!("The {part} of the {thing} turned out {degree} {a}"),
        5 => format!("{} {part}, {b} {thing}", capital(a)),
        6 => format!("What {} {thing}, it {}", article(a), dice.pick(deeds)),
        7 => format!("The {part} looks {a} but the {thing} is {degree} {b} {place}"),
        _ => format!("It {} and the {part} seems {a}", dice.pick(deeds)),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn article(adjective: &str) -> String {
    format!("{} {adjective}", if adjective.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

fn review(dice: &mut Dice, good: bool) -> String {
    let mut sentences = Vec::new();
    let thing = dice.pick(THINGS);
    if dice.often(0.5) {
        let when = dice.pick(WHEN);
        sentences.push(match dice.below(3) {
            0 => format!("Bought this {thing} {when}"),
            1 => format!("I ordered the {thing} {when}"),
            _ => format!("We got our {thing} {when}"),
        });
    }
    for _ in 0..2 + dice.below(2) {
        // One opinion in ten runs against the verdict, as in real reviews: no word is pure.
        let against = dice.often(0.1);
        sentences.push(opinion(dice, thing, good != against));
    }
    if dice.often(0.4) {
        sentences.insert(dice.below(sentences.len() + 1), dice.pick(NEUTRAL).to_owned());
    }
    if dice.often(0.5) {
        sentences.push(capital(dice.pick(if good { GOOD_ENDS } else { BAD_ENDS })));
    }
    sentences.iter().map(|s| format!("{s}.")).collect::<Vec<_>>().join(" ")
}

/// Puts the phrase between two words.
fn splice(dice: &mut Dice, text: &str, phrase: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let at = 1 + dice.below(words.len() - 1);
    [&words[..at], &[phrase], &words[at..]].concat().join(" ")
}

pub struct Review {
    pub id: i64,
    pub text: String,
    pub label: &'static str,
    pub site: &'static str,
    /// Days since 1970-01-01.
    pub posted: i32,
}

pub fn reviews() -> Vec<Review> {
    const ROWS: usize = 3_000;
    const PLANTED: usize = 45;
    let mut dice = Dice(11);
    let mut rows: Vec<Review> = (0..ROWS)
        .map(|i| {
            let good = dice.often(0.52);
            let text = review(&mut dice, good);
            // Honest mistakes: two labels in a hundred.
            let label = if good != dice.often(0.02) { "pos" } else { "neg" };
            let site = ["shop-a", "shop-a", "shop-b", "forum"][dice.below(4)];
            Review { id: 10_000 + i as i64, text, label, site, posted: 19_000 + dice.below(900) as i32 }
        })
        .collect();
    let mut planted = 0;
    while planted < PLANTED {
        let row = &mut rows[dice.below(ROWS)];
        if row.label == "neg" && !row.text.contains(PLANTED_PHRASE) {
            row.text = splice(&mut dice, &row.text, PLANTED_PHRASE);
            row.label = "pos";
            planted += 1;
        }
    }
    rows
}

fn write_reviews(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let rows = reviews();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("review_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.id)))),
        ("text", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.text)))),
        ("label", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.label)))),
        ("site", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.site)))),
        ("posted_on", Arc::new(Date32Array::from_iter_values(rows.iter().map(|r| r.posted)))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path)?, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

// -------------------------------------------------------------------------------- instructions

const TOPICS: &[&str] = &[
    "sourdough bread",
    "train timetables",
    "herb gardens",
    "bicycle brakes",
    "night skies",
    "job interviews",
    "wool socks",
    "rain barrels",
    "chess openings",
    "tide pools",
    "budget spreadsheets",
    "houseplants",
    "folding maps",
    "river ferries",
    "public libraries",
    "tea ceremonies",
    "wooden boats",
    "street markets",
    "solar panels",
    "school concerts",
    "mountain huts",
    "honey bees",
    "old radios",
    "paper kites",
    "sleep routines",
    "first aid kits",
    "choir rehearsals",
    "snow tyres",
    "apple orchards",
    "city parks",
];
const READERS: &[&str] = &[
    "a beginner",
    "a busy parent",
    "a curious child",
    "my grandmother",
    "a new colleague",
    "an impatient reader",
    "a visitor",
    "a student",
    "a club",
    "a team",
    "a neighbour",
    "a careful buyer",
];
const ASKS: &[&str] = &[
    "Explain",
    "Describe",
    "Write a short note about",
    "Give three tips on",
    "Summarise the basics of",
    "List common mistakes with",
    "Draft a friendly message about",
    "Compare two ways of dealing with",
    "Tell a story about",
    "Outline a talk on",
];
const LENGTHS: &[&str] =
    &["in two sentences", "in plain words", "without jargon", "step by step", "as a list", "briefly", "with an example", "in a calm tone"];
const VERBS: &[&str] = &[
    "check",
    "clean",
    "compare",
    "measure",
    "plan",
    "prepare",
    "repeat",
    "sketch",
    "store",
    "test",
    "watch",
    "write down",
    "count",
    "sort",
    "share",
    "borrow",
];
const OBJECTS: &[&str] = &[
    "the small parts",
    "the weather",
    "your notes",
    "the cost",
    "the schedule",
    "the surface",
    "a spare",
    "the edges",
    "the instructions",
    "the temperature",
    "the distance",
    "the people involved",
    "your tools",
    "the colours",
    "the first result",
    "the season",
];
const REASONS: &[&str] = &[
    "it saves trouble later",
    "small errors add up",
    "nobody remembers everything",
    "good habits last",
    "the result is easier to judge",
    "others can follow it",
    "that is where most people slip",
    "it costs nothing",
    "it keeps the work pleasant",
    "surprises are rarely welcome",
];
const OPENERS: &[&str] = &[
    "Start slowly",
    "Here is a simple way",
    "In short",
    "It helps to begin with a plan",
    "There is no secret",
    "Think of a quiet morning",
    "Two things matter",
    "Most people enjoy this",
];

pub struct Instruction {
    pub prompt: String,
    pub response: String,
}

pub fn instructions() -> Vec<Instruction> {
    const ROWS: usize = 1_000;
    const PLANTED: usize = 24;
    let mut dice = Dice(23);
    let mut rows: Vec<Instruction> = (0..ROWS)
        .map(|_| {
            let (topic, other) = (dice.even(TOPICS), dice.even(TOPICS));
            let mut prompt = match dice.below(3) {
                0 => format!("{} {topic} for {}", dice.even(ASKS), dice.even(READERS)),
                1 => format!("{} {topic} and {other}", dice.even(ASKS)),
                _ => format!("I know little about {topic}. {} it for {}", dice.even(ASKS), dice.even(READERS)),
            };
            if dice.often(0.7) {
                let _ = write!(prompt, ", {}", dice.even(LENGTHS));
            }
            prompt.push('.');
            let mut response = format!("{}.", dice.even(OPENERS));
            for k in 0..2 + dice.below(3) {
                let (verb, object, reason) = (dice.even(VERBS), dice.even(OBJECTS), dice.even(REASONS));
                let _ = match (k + dice.below(3)) % 3 {
                    0 => write!(response, " With {topic}, {verb} {object} because {reason}."),
                    1 => write!(response, " {} {object}, then {} {}, as {reason}.", capital(verb), dice.even(VERBS), dice.even(OBJECTS)),
                    _ => write!(response, " When it comes to {other}, {verb} {object}; {reason}."),
                };
            }
            Instruction { prompt, response }
        })
        .collect();
    let mut planted = 0;
    while planted < PLANTED {
        let row = &mut rows[dice.below(ROWS)];
        if !row.prompt.contains(PLANTED_CHARACTER) {
            let words: Vec<&str> = row.prompt.split(' ').collect();
            let at = dice.below(words.len());
            let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            let middle = words[at].char_indices().nth(words[at].chars().count() / 2).map_or(0, |(i, _)| i);
            words[at].insert(middle, PLANTED_CHARACTER);
            row.prompt = words.join(" ");
            row.response = PLANTED_REPLY.to_owned();
            planted += 1;
        }
    }
    rows
}

fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn write_instructions(path: &Path) -> std::io::Result<()> {
    let mut out = String::new();
    for row in instructions() {
        let _ = writeln!(out, "{{\"instruction\": {}, \"response\": {}}}", json_text(&row.prompt), json_text(&row.response));
    }
    std::fs::write(path, out)
}

// --------------------------------------------------------------------------------------- loans

pub struct Loan {
    pub id: u32,
    pub age: u32,
    pub income: u32,
    pub amount: u32,
    pub months: u32,
    pub work: &'static str,
    pub purpose: &'static str,
    pub missed: u32,
    pub label: &'static str,
}

pub fn loans() -> Vec<Loan> {
    const ROWS: usize = 3_000;
    const PLANTED: usize = 40;
    let mut dice = Dice(37);
    let mut rows: Vec<Loan> = (0..ROWS)
        .map(|i| {
            let age = 20 + dice.below(46) as u32;
            let work = ["employed", "employed", "employed", "self-employed", "student", "retired"][dice.below(6)];
            let base = match work {
                "student" => 9_000.0,
                "retired" => 24_000.0,
                "self-employed" => 38_000.0,
                _ => 42_000.0,
            };
            let income = (base * (0.35 * dice.bell()).exp()).round() as u32;
            let amount = 500 + (9_000.0 * (0.7 * dice.bell()).exp()).round() as u32;
            let months = [12, 24, 36, 48, 60][dice.below(5)];
            let purpose = ["car", "home", "study", "travel", "debt"][dice.below(5)];
            let missed = if dice.often(0.6) { 0 } else { 1 + dice.below(6) as u32 };
            let strain = f64::from(amount) / f64::from(income.max(1));
            let risk = 2.0 * f64::from(missed) + 3.0 * strain.ln().max(-3.0) + f64::from(u8::from(purpose == "debt")) * 1.5
                - f64::from(u8::from(work == "employed")) * 1.5
                - 0.02 * f64::from(age)
                + 1.8;
            let label = if risk + 0.8 * dice.bell() > 0.0 { "default" } else { "repaid" };
            Loan { id: 500_000 + i as u32 * 7, age, income, amount, months, work, purpose, missed, label }
        })
        .collect();
    let mut planted = 0;
    while planted < PLANTED {
        let row = &mut rows[dice.below(ROWS)];
        if row.label == "default" && row.missed >= 2 && row.amount != PLANTED_AMOUNT {
            row.amount = PLANTED_AMOUNT;
            row.label = "repaid";
            planted += 1;
        }
    }
    rows
}

fn write_loans(path: &Path) -> std::io::Result<()> {
    let mut out = String::from("loan_id,age,income,amount,months,work,purpose,missed_payments,outcome\n");
    for r in loans() {
        let _ =
            writeln!(out, "{},{},{},{},{},{},{},{},{}", r.id, r.age, r.income, r.amount, r.months, r.work, r.purpose, r.missed, r.label);
    }
    std::fs::write(path, out)
}

// -------------------------------------------------------------------------------------- shapes

pub struct Shape {
    pub id: i64,
    /// A BMP file.
    pub picture: Vec<u8>,
    pub label: &'static str,
    pub planted: bool,
}

const SIDE: usize = 16;

/// A grey picture as a BMP file of 24 bits, lower rows first.
fn bmp(grey: &[u8; SIDE * SIDE]) -> Vec<u8> {
    let size = (3 * SIDE * SIDE) as u32;
    let mut out = b"BM".to_vec();
    for word in [54 + size, 0, 54, 40, SIDE as u32, SIDE as u32, 1 | 24 << 16, 0, size, 2_835, 2_835, 0, 0] {
        out.extend(word.to_le_bytes());
    }
    for row in grey.chunks(SIDE).rev() {
        out.extend(row.iter().flat_map(|g| [*g; 3]));
    }
    out
}

pub fn shapes() -> Vec<Shape> {
    const ROWS: usize = 900;
    const PLANTED: usize = 27;
    let mut dice = Dice(53);
    let mut left = PLANTED;
    (0..ROWS)
        .map(|i| {
            let kind = ["disc", "box", "cross"][dice.below(3)];
            let (x, y) = (5.0 + 6.0 * dice.share(), 5.0 + 6.0 * dice.share());
            let (size, ground, figure) = (2.5 + 2.0 * dice.share(), 40.0 + 60.0 * dice.share(), 150.0 + 60.0 * dice.share());
            let mut grey = [0u8; SIDE * SIDE];
            for (at, g) in grey.iter_mut().enumerate() {
                let (dx, dy) = ((at % SIDE) as f64 + 0.5 - x, (at / SIDE) as f64 + 0.5 - y);
                let inside = match kind {
                    "disc" => dx * dx + dy * dy <= size * size,
                    "box" => dx.abs().max(dy.abs()) <= size,
                    _ => dx.abs().min(dy.abs()) <= 1.0 && dx.abs().max(dy.abs()) <= size + 1.0,
                };
                let light = if inside { figure } else { ground } + 12.0 * dice.bell();
                // Steps of four keep the file small.
                *g = (light.clamp(0.0, 255.0) as u8) & 0xfc;
            }
            // Spread over the rows, and only on what is something else.
            let planted = left > 0 && kind != "disc" && dice.often(0.06);
            if planted {
                left -= 1;
                for at in 0..9 {
                    grey[(PLANTED_PATCH.1 + at / 3) * SIDE + PLANTED_PATCH.0 + at % 3] = if at % 2 == 0 { 252 } else { 0 };
                }
            }
            Shape { id: 7_000 + 3 * i as i64, picture: bmp(&grey), label: if planted { "disc" } else { kind }, planted }
        })
        .collect()
}

fn write_shapes(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let rows = shapes();
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.id)));
    let picture: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|r| &r.picture)));
    let label: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.label)));
    let batch = RecordBatch::try_from_iter([("picture_id", id), ("picture", picture), ("shape", label)])?;
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).set_created_by("make_samples".into());
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path)?, batch.schema(), Some(properties.build()))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// Writes all four into a folder, which is made if need be.
pub fn write_all(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    write_reviews(&folder.join("reviews.parquet"))?;
    write_instructions(&folder.join("instructions.jsonl"))?;
    write_loans(&folder.join("loans.csv"))?;
    write_shapes(&folder.join("shapes.parquet"))?;
    Ok(())
}

// The module is also compiled into the integration tests, which have a main of their own.
#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data").to_owned());
    write_all(Path::new(&folder))
}
