//! Rows that lie apart from all others in more than one column at once: blocks of extreme values,
//! cut off by a gap, that hold the same rows in two columns.

use super::evidence::{PURE, ROWS};
use super::pairs::Mined;
use super::{Candidate, Part, TableModel};
use crate::features::table::{Kind, NULL, code_number, number_code};
use crate::stats::intervals::{Z95, wilson};

/// A gap must be this wide in mean excesses of the block over its own edge. Blocks spread evenly and
/// set two standard deviations apart have 2; in clean tables joint blocks reach 0.6.
const GAP: f64 = 0.8;
/// A block holds at most this share of the rows: beyond it is a mode, not a tail.
const MOST: f64 = 0.2;
/// Gaps per column and side that are looked at, the widest first.
const GAPS: usize = 4;
/// Least share of the larger block that the smaller one holds as well.
const SAME: f64 = 0.9;
/// Rank correlation (Spearman) from which two columns are one.
const ONE: f64 = 0.95;
/// Columns that have blocks, at most.
const COLUMNS: usize = 2000;
/// Candidates, at most.
const BLOCKS: usize = 60;

struct Block {
    part: Part,
    rows: Vec<u32>,
    gap: f64,
}

/// The joint blocks, and how many pairs of blocks were compared.
pub fn nominate(kinds: &[Kind], model: &TableModel, rows: &[&Mined]) -> (Vec<Candidate>, usize) {
    let mut blocks: Vec<Block> = Vec::new();
    for (c, _) in kinds.iter().enumerate().filter(|(_, k)| **k == Kind::Number).take(COLUMNS) {
        of_column(c, rows, &mut blocks);
    }
    let mut found: Vec<(usize, Candidate)> = Vec::new();
    let mut tested = 0;
    for (i, a) in blocks.iter().enumerate() {
        let (mut parts, mut both, mut overlap) = (vec![a.part], a.rows.clone(), f64::INFINITY);
        // Each further column adds its block that agrees best; a column that agrees must be left out
        // of what the rest of the rows is judged by, so all of them are taken.
        for group in blocks[i + 1..].chunk_by(|x, y| x.part.column == y.part.column).filter(|g| g[0].part.column != a.part.column) {
            tested += group.len();
            let share = |b: &Block| {
                let (small, large) = (a.rows.len().min(b.rows.len()), a.rows.len().max(b.rows.len()));
                if (small as f64) < SAME * large as f64 { 0.0 } else { common(&a.rows, &b.rows).len() as f64 / large as f64 }
            };
            let best = group.iter().map(|b| (share(b), b)).max_by(|x, y| x.0.total_cmp(&y.0).then(y.1.part.cmp(&x.1.part)));
            let Some((share, b)) = best.filter(|(share, _)| *share >= SAME) else { continue };
            if is_one(a.part.column, b.part.column, rows, &a.rows) {
                continue;
            }
            parts.push(b.part);
            both = common(&both, &b.rows);
            overlap = overlap.min(share).min(b.gap);
        }
        if parts.len() < 2 || (both.len() as u64) < ROWS || (both.len() as f64) < SAME * a.rows.len() as f64 {
            continue;
        }
        let mut counts = vec![0u64; model.classes.len()];
        both.iter().for_each(|r| counts[rows[*r as usize].class as usize] += 1);
        let Some((class, &labelled)) = counts.iter().enumerate().max_by_key(|(k, n)| (**n, std::cmp::Reverse(*k))) else { continue };
        if wilson(labelled as f64, both.len() as f64, Z95).0 < PURE {
            continue;
        }
        // The widest joint gaps in the most columns first, in fixed steps so that ties are ties.
        let rank = 1000 * parts.len() + (100.0 * a.gap.min(overlap).min(9.0)) as usize;
        let rows = both.len() as u64;
        found.push((
            rank,
            Candidate { parts, class, rows, labelled, ln_p: 0.0, from: 0, to: 0, crowd: 0, near: 1.0, lean: 0.0, ruled: 0.0, each: [0; 2] },
        ));
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.parts.cmp(&b.1.parts)));
    found.truncate(BLOCKS);
    (found.into_iter().map(|f| f.1).collect(), tested)
}

/// Whether two columns say the same (a square, another unit): outside the block, too, one has nearly the ranks of the other.
fn is_one(a: usize, b: usize, rows: &[&Mined], block: &[u32]) -> bool {
    let mut inside = block.iter().peekable();
    let outside = (0..rows.len() as u32).filter(|i| inside.next_if(|x| *x == i).is_none());
    let both: Vec<[u64; 2]> =
        outside.map(|i| [rows[i as usize].cells[a], rows[i as usize].cells[b]]).filter(|c| !c.contains(&NULL)).collect();
    let ranks = |side: usize| {
        let mut order: Vec<usize> = (0..both.len()).collect();
        order.sort_unstable_by_key(|i| both[*i][side]);
        let mut ranks = vec![0f64; both.len()];
        let mut at = 0;
        for run in order.chunk_by(|x, y| both[*x][side] == both[*y][side]) {
            run.iter().for_each(|i| ranks[*i] = at as f64 + (run.len() as f64 - 1.0) / 2.0);
            at += run.len();
        }
        ranks
    };
    let (x, y) = (ranks(0), ranks(1));
    let mean = (both.len() as f64 - 1.0) / 2.0;
    let product = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    product(&x, &y).abs() >= ONE * (product(&x, &x) * product(&y, &y)).sqrt().max(f64::MIN_POSITIVE)
}

/// Elements of two ascending lists that both have.
fn common(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut b = b.iter().peekable();
    let has = |x: &&u32| {
        while b.next_if(|y| y < x).is_some() {}
        b.peek() == Some(x)
    };
    a.iter().filter(has).copied().collect()
}

/// The blocks above and below one column's widest gaps.
fn of_column(column: usize, rows: &[&Mined], blocks: &mut Vec<Block>) {
    let mut cells: Vec<(u64, u32)> = rows.iter().enumerate().map(|(i, r)| (r.cells[column], i as u32)).filter(|c| c.0 != NULL).collect();
    cells.sort_unstable();
    let most = (MOST * cells.len() as f64) as usize;
    for above in [true, false] {
        // Numbers from the extreme inwards; infinities have no distance and belong to no block.
        let value = |i: usize| {
            let code = if above { cells[cells.len() - 1 - i].0 } else { cells[i].0 };
            code_number(code)
        };
        let mut gaps: Vec<(f64, usize)> = Vec::new();
        let mut sum = 0.0;
        for i in 0..cells.len().saturating_sub(1).min(most + 1) {
            let (here, next) = (value(i), value(i + 1));
            sum += here;
            let size = i + 1;
            if here == next || size < ROWS as usize || size > most {
                continue;
            }
            let gap = (here - next).abs();
            let excess = (sum / size as f64 - here).abs();
            if gap.is_finite() && excess.is_finite() && gap >= GAP * excess {
                gaps.push((gap, size));
            }
        }
        gaps.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        gaps.truncate(GAPS);
        for (gap, size) in gaps {
            let edge = if above { cells[cells.len() - size].0 } else { cells[size - 1].0 };
            let inside = if above { &cells[cells.len() - size..] } else { &cells[..size] };
            let mut members: Vec<u32> = inside.iter().map(|c| c.1).collect();
            members.sort_unstable();
            // Cut in the middle of the gap: rows outside the sample may lie a little further in.
            let body = if above { cells[cells.len() - size - 1].0 } else { cells[size].0 };
            let cut = number_code(code_number(edge) / 2.0 + code_number(body) / 2.0);
            let part = if above { Part { column, from: cut, to: u64::MAX } } else { Part { column, from: 1, to: cut } };
            let excess = (code_number(inside[if above { inside.len() - 1 } else { 0 }].0) - code_number(edge)).abs();
            blocks.push(Block { part, rows: members, gap: gap / excess.max(1e-300) });
        }
    }
}
