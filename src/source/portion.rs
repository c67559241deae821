//! How much of a file one core takes at a time: the same on every machine, because the file alone decides.

/// Portions that a file is worth: a few for each of many cores.
const PORTIONS: u64 = 32;
/// Enough that what it costs to open a portion is little beside reading it.
const LEAST_ROWS: u64 = 1024;
const LEAST_BYTES: u64 = 1 << 20;
/// Few enough that the cores end together: long texts and embeddings make portions of fewer rows.
const MOST_ROWS: u64 = 256 * 1024;
const MOST_BYTES: u64 = 128 << 20;

/// About so many rows, or so many bytes, whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    pub rows: u64,
    pub bytes: u64,
}

impl Portion {
    /// Of a file with so many rows and decoded bytes.
    pub fn of(rows: u64, bytes: u64) -> Portion {
        // Short rows are read fast: a portion of the least bytes may have many.
        let least = (LEAST_BYTES / (bytes / rows.max(1)).max(1)).clamp(LEAST_ROWS, MOST_ROWS);
        Portion { rows: (rows / PORTIONS).clamp(least, MOST_ROWS), bytes: (bytes / PORTIONS).clamp(LEAST_BYTES, MOST_BYTES) }
    }

    /// Joins consecutive pieces of a file, each (first row, rows, bytes), to portions (first row, rows).
    pub fn join(self, pieces: impl Iterator<Item = (u64, u64, u64)>) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let (mut first, mut rows, mut bytes) = (0, 0, 0u64);
        for (from, n, size) in pieces.filter(|p| p.1 > 0) {
            if rows > 0 && (rows + n > self.rows || bytes.saturating_add(size) > self.bytes) {
                out.push((first, rows));
                (rows, bytes) = (0, 0);
            }
            if rows == 0 {
                first = from;
            }
            (rows, bytes) = (rows + n, bytes.saturating_add(size));
        }
        if rows > 0 {
            out.push((first, rows));
        }
        out
    }

    /// Into how many pieces one of so many rows and bytes is cut; half as much again is not worth a second visit.
    pub fn pieces(self, rows: u64, bytes: u64) -> u64 {
        ((rows + self.rows / 2) / self.rows).max(bytes / self.bytes).clamp(1, rows.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_file_feeds_many_cores_and_a_small_one_is_opened_once() {
        let portions = |rows: u64, bytes: u64| Portion::of(rows, bytes).pieces(rows, bytes);
        assert_eq!([portions(12_000, 6 << 20), portions(200_000, 150 << 20)], [6, 32]);
        assert_eq!([portions(100, 10_000), portions(0, 0), portions(1, 100 << 20)], [1, 1, 1]);
        assert_eq!(Portion::of(50_000_000, 2 << 30), Portion { rows: MOST_ROWS, bytes: 64 << 20 });
        assert_eq!(Portion::of(u64::MAX, u64::MAX), Portion { rows: MOST_ROWS, bytes: MOST_BYTES });
    }

    #[test]
    fn pieces_are_joined_without_gaps_until_a_portion_is_full() {
        let portion = Portion { rows: 100, bytes: 1000 };
        let pieces = [(0, 60, 10), (60, 40, 10), (100, 0, 10), (100, 1, 999), (101, 1, 2), (102, 500, 10), (602, 5, 5)];
        assert_eq!(portion.join(pieces.into_iter()), [(0, 100), (100, 1), (101, 1), (102, 500), (602, 5)]);
        assert_eq!(portion.join(std::iter::empty()), []);
    }
}
