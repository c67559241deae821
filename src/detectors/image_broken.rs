//! `broken-image`: cells that should hold an image and do not give one.

use super::image_classes::image_column;
use crate::batch::Batch;
use crate::error::{Result, group_digits, plural};
use crate::features::image::{Broken, for_each};
use crate::rule::{Action, Built, Entry, Findings, Group, Meta, Outcome, Round, Rule, Severity, State, Status, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const META: Meta = Meta {
    code: "P172",
    name: "broken-image",
    summary: "files that are truncated, damaged, no images, or larger than any honest image",
    explain: EXPLAIN,
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.013", "OWASP LLM04:2025"],
};

const EXPLAIN: &str = "\
# What it finds

Cells of an image column that hold no image: no bytes, a web page instead of a file, a file that ends too early, one that its decoder gives
up on, and headers that promise more than 16 million pixels (a *decompression bomb*: a few kilobytes that ask a loader for gigabytes).

# Why it hurts

Loaders disagree about such files. One skips the row, another takes what was decoded so far and fills the rest with grey or black, a third
ends the run. Whoever can choose which rows are dropped or blackened chooses what the model learns; and no detector that looks at pixels has
looked at these rows.

# How it is computed

Every image is decoded within limits on size and memory. Dimensions are read before anything is allocated. What fails is grouped by how it
fails, and every row is listed for `review`.

# What raises false alarms

Formats beyond PNG, JPEG, BMP, GIF, WebP and TIFF, and rare variants of these that a browser shows. A JPEG without its end marker decodes
in most loaders and is listed as truncated.

# How it is evaded

A file that decodes, but differently in two libraries. Data after the end of an image is not looked at.

# Example

`truncated`: 3 rows. The download was cut; fetch the files again or take the rows out.

# Reading

Carlini et al.: Poisoning Web-Scale Training Datasets is Practical (2023), on what stands behind links that have gone stale.
";

pub const ENTRY: Entry = Entry {
    meta: META,
    build: |context| {
        Ok(match image_column(context) {
            Ok(image) => Built::one(BrokenImage { image }),
            Err(reason) => Built::not_tested(reason),
        })
    },
};

#[derive(Debug, Clone)]
pub struct BrokenImage {
    pub image: String,
}

/// Rows per kind of failure.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    images: u64,
    animated: u64,
    broken: BTreeMap<String, u64>,
}

impl State for Counts {
    fn merge(&mut self, other: Self) {
        self.images += other.images;
        self.animated += other.animated;
        for (kind, n) in other.broken {
            *self.broken.entry(kind).or_default() += n;
        }
    }
}

impl Rule for BrokenImage {
    const META: Meta = META;
    type State = Counts;
    type Model = Counts;

    fn columns(&self) -> Vec<String> {
        vec![self.image.clone()]
    }
    fn start(&self, _: &Round<'_, Counts>) -> Counts {
        Counts::default()
    }
    fn observe(&self, _: &Round<'_, Counts>, state: &mut Counts, batch: &Batch) -> Result<()> {
        for_each(batch, &self.image, |_, image| match image {
            None => {}
            Some(Ok(raster)) => {
                state.images += 1;
                state.animated += u64::from(raster.animated);
            }
            Some(Err(broken)) => {
                state.images += 1;
                *state.broken.entry(broken.kind().to_owned()).or_default() += 1;
            }
        });
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Counts>, state: Counts) -> Result<Step<Counts>> {
        Ok(Step::Done(state))
    }

    fn outcome(&self, model: &Counts) -> Outcome {
        let title = format!("files in {}", self.image);
        if model.images == 0 {
            return Outcome::new(title, Status::NotTested(format!("`{}` holds nothing but null", self.image)));
        }
        let mut o = Outcome::new(title, if model.broken.is_empty() { Status::Pass } else { Status::Fail });
        o.severity = Severity::Warning;
        o.tested = model.images;
        o.failing = model.broken.values().sum();
        o.columns = Rule::columns(self);
        o.message = format!("{} of {} cells give no image", group_digits(o.failing), group_digits(model.images));
        if model.animated > 0 {
            o.message.push_str(&format!("; of {} the first frame was looked at", plural(model.animated as usize, "animation")));
        }
        let group = |(kind, rows): (&String, &u64)| Group {
            key: kind.clone(),
            action: Action::Review,
            score: 0.5,
            rows: *rows,
            with_label: *rows,
            label: None,
            statistic: *rows as f64,
            q_value: 1.0,
            message: format!("{} hold no image that could be looked at: {kind}", plural(*rows as usize, "cell")),
            reasons: vec!["loaders differ in what they make of such files".into()],
        };
        o.groups = model.broken.iter().map(group).collect();
        o
    }
    fn has_rows(&self, model: &Counts) -> bool {
        !model.broken.is_empty()
    }
    fn judge(&self, _: &Counts, batch: &Batch, out: &mut Findings) -> Result<()> {
        let column = out.intern(&self.image);
        for_each(batch, &self.image, |row, image| {
            let Some(Err(broken)) = image else { return };
            let broken: &Broken = broken;
            let (message, group) = (out.intern(&broken.message()), out.intern(broken.kind()));
            let hit = out.push(row, Action::Review, 0.5, message);
            hit.column = column;
            hit.group = group;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{run, run_split};
    use arrow::array::{ArrayRef, BinaryArray, RecordBatch};
    use image::{DynamicImage, GrayImage, ImageFormat, Luma};
    use std::sync::Arc;

    fn table(cells: Vec<Option<&[u8]>>) -> RecordBatch {
        let column: ArrayRef = Arc::new(BinaryArray::from(cells));
        RecordBatch::try_from_iter_with_nullable([("image", column, true)]).unwrap()
    }

    #[test]
    fn each_row_without_an_image_is_listed_with_its_reason_and_nulls_are_not() {
        let mut whole = std::io::Cursor::new(Vec::new());
        DynamicImage::ImageLuma8(GrayImage::from_fn(30, 30, |x, y| Luma([(x * y) as u8]))).write_to(&mut whole, ImageFormat::Png).unwrap();
        let whole = whole.into_inner();
        let data = table(vec![Some(&whole), Some(&whole[..whole.len() / 2]), None, Some(b""), Some(b"<html>gone</html>")]);
        let rule = || Box::new(BrokenImage { image: "image".into() });
        let (outcome, lines) = run(rule(), &data);
        assert_eq!((outcome.tested, outcome.failing, outcome.groups.len()), (4, 3, 3));
        let rows: Vec<(u64, &str)> = lines.iter().map(|l| (l.0, l.3.as_str())).collect();
        assert_eq!(rows, [(1, "truncated"), (3, "empty"), (4, "not an image")]);
        assert!(lines.iter().all(|l| l.1 == Action::Review));
        assert_eq!(run_split(rule(), &data, 2, 1, 1).1, lines);
    }

    #[test]
    fn nothing_but_nulls_is_not_tested() {
        let (outcome, _) = run(Box::new(BrokenImage { image: "image".into() }), &table(vec![None, None]));
        assert!(matches!(outcome.status, Status::NotTested(_)));
    }
}
