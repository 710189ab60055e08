//! The choice of lines of the findings where not all of them fit.

use std::ops::Range;

use ratatui::text::Line;

/// Lines that are shown together or not at all.
pub struct LineGroup {
    /// The importance; with too few rows, groups of higher numbers are left out first.
    pub rank: u8,
    pub lines: Vec<Line<'static>>,
}

/// The lines that fit into `height` rows, by rank. If not even the groups of rank 0 fit, all lines come in
/// pages: each page ends with a line that `rest` makes from the range of lines above it. After the last page
/// comes the first.
pub fn rows(
    groups: Vec<LineGroup>,
    height: usize,
    page: isize,
    rest: impl FnOnce(Range<usize>) -> Line<'static>,
) -> Vec<Line<'static>> {
    let first = groups.iter().filter(|group| group.rank == 0);
    let first: usize = first.map(|group| group.lines.len()).sum();
    if first <= height || height < 2 {
        return fitting(groups, height);
    }
    let mut lines: Vec<Line> = groups.into_iter().flat_map(|group| group.lines).collect();
    let step = height - 1;
    let pages = isize::try_from(lines.len().div_ceil(step)).unwrap_or(1);
    let page = page.rem_euclid(pages).unsigned_abs();
    // The last page is as full as the others.
    let start = (page * step).min(lines.len() - step);
    let shown = start..start + step;
    lines = lines.drain(shown.clone()).collect();
    lines.push(rest(shown));
    lines
}

/// The groups of the lowest ranks that fit into `height` rows, in their own order. Those of rank 0 are always
/// among them.
fn fitting(groups: Vec<LineGroup>, height: usize) -> Vec<Line<'static>> {
    let mut by_rank: Vec<(u8, usize, usize)> = groups
        .iter()
        .enumerate()
        .map(|(at, group)| (group.rank, at, group.lines.len()))
        .collect();
    by_rank.sort_unstable();
    let (mut left, mut kept) = (height, vec![false; groups.len()]);
    for (rank, at, rows) in by_rank {
        if rank == 0 || rows <= left {
            kept[at] = true;
            left = left.saturating_sub(rows);
        }
    }
    let kept = groups.into_iter().zip(kept).filter(|(_, kept)| *kept);
    kept.flat_map(|(group, _)| group.lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Vec<LineGroup> {
        let group = |rank, names: &str| LineGroup {
            rank,
            lines: names
                .chars()
                .map(|name| Line::raw(name.to_string()))
                .collect(),
        };
        vec![group(0, "ab"), group(5, "c"), group(2, "de")]
    }

    fn words(height: usize, page: isize) -> String {
        let rest = |shown: Range<usize>| Line::raw(format!(" {}-{}", shown.start, shown.end));
        let lines = rows(groups(), height, page, rest);
        lines.iter().map(Line::to_string).collect()
    }

    #[test]
    fn with_too_few_rows_the_most_important_groups_stay_in_their_order() {
        for (height, kept) in [(5, "abcde"), (4, "abde"), (3, "abc"), (2, "ab")] {
            assert_eq!(words(height, 0), kept);
            assert_eq!(words(height, 7), kept, "there is one page only");
        }
    }

    #[test]
    fn where_rank_0_does_not_fit_there_are_pages_in_a_circle() {
        let page = |page| {
            let lines = |n: usize| LineGroup {
                rank: 0,
                lines: (0..n).map(|i| Line::raw(i.to_string())).collect(),
            };
            let rest = |shown: Range<usize>| Line::raw(format!(" {}-{}", shown.start, shown.end));
            let groups = vec![
                lines(7),
                LineGroup {
                    rank: 9,
                    ..lines(1)
                },
            ];
            let shown = rows(groups, 4, page, rest);
            shown.iter().map(Line::to_string).collect::<String>()
        };
        assert_eq!(page(0), "012 0-3");
        assert_eq!(page(1), "345 3-6");
        assert_eq!(page(2), "560 5-8", "full, with the group of the last rank");
        assert_eq!((page(3), page(-1)), (page(0), page(2)));
    }

    #[test]
    fn one_row_or_none_has_no_pages() {
        assert_eq!(
            (words(1, 0), words(0, 3)),
            ("ab".to_owned(), "ab".to_owned())
        );
    }
}
