//! The images that come next: the neighbours of the selection, and the unread images for the background.

use std::path::Path;
use std::sync::Arc;

use super::{EntryState, Worklist};

/// Offsets from the selection to the rows that the reader will probably select next, likeliest first.
const NEIGHBOURS: [isize; 4] = [1, -1, 2, 3];

impl Worklist {
    /// The files that the reader will probably select next, by index, likeliest first.
    pub fn neighbour_indices(&self) -> impl Iterator<Item = u32> {
        NEIGHBOURS.into_iter().filter_map(move |offset| {
            let row = self.cursor.checked_add_signed(offset)?;
            self.rows.get(row).copied()
        })
    }

    /// The next unread images and their indices, at most `count` and without those in flight: the neighbours
    /// of the selection, then the rows below it, then those from the top, then images that the filter hides.
    /// The selection itself is not among them: the image thread opens it.
    pub fn next_unread(
        &self,
        count: usize,
        in_flight: &[(u32, Arc<Path>)],
    ) -> Vec<(u32, Arc<Path>)> {
        let mut found: Vec<u32> = Vec::new();
        let unread = self.total() - self.read();
        if unread <= in_flight.len() {
            return Vec::new();
        }
        let after = (self.cursor + 1).min(self.rows.len());
        let before = self.cursor.min(self.rows.len());
        let rows = self.rows[after..].iter().chain(&self.rows[..before]);
        let selected = self.rows.get(self.cursor).copied();
        let all = 0..self.entries.len() as u32;
        let all = all.filter(|index| Some(*index) != selected);
        for index in self.neighbour_indices().chain(rows.copied()).chain(all) {
            if found.len() == count {
                break;
            }
            let is_unread = matches!(self.entries[index as usize].state, EntryState::Unread);
            let is_in_flight = || in_flight.iter().any(|(sent, _)| *sent == index);
            if is_unread && !found.contains(&index) && !is_in_flight() {
                found.push(index);
            }
        }
        let path = |index: u32| self.entries[index as usize].path.clone();
        found
            .into_iter()
            .map(|index| (index, path(index)))
            .collect()
    }

    /// Records the state of an image, unless one was recorded before.
    pub fn record_unread(&mut self, index: u32, state: EntryState) {
        let index = index as usize;
        let entry = self.entries.get(index);
        if entry.is_some_and(|entry| matches!(entry.state, EntryState::Unread)) {
            if let EntryState::Read(prediction) = &state {
                let stamp = self.entries[index].stamp;
                self.identify_at(index, prediction.content, stamp);
            }
            self.set_state(index, state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: &mut Worklist) -> String {
        let mut order = String::new();
        while let [(index, path)] = &list.next_unread(1, &[])[..] {
            order += path.to_str().unwrap();
            list.record_unread(*index, EntryState::Failed("".into()));
        }
        order
    }

    fn list() -> Worklist {
        let mut list = Worklist::default();
        list.set_roots(vec!["".into()]);
        list.add(["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| Path::new(name).into()));
        list
    }

    #[test]
    fn neighbours_come_first_then_rows_below_then_rows_above() {
        let mut list = list();
        list.go_to(2);
        assert_eq!(order(&mut list), "dbefgha");
        assert_eq!(
            list.read(),
            7,
            "the selection is not scored in the background"
        );
    }

    #[test]
    fn neighbours_are_around_the_selection_and_within_the_list() {
        let mut list = list();
        let names = |list: &Worklist| {
            let paths = list.neighbour_indices();
            let paths = paths.map(|index| list.entries[index as usize].path.clone());
            paths
                .map(|path| path.to_string_lossy().into_owned())
                .collect::<String>()
        };
        assert_eq!(names(&list), "bcd");
        list.go_to(6);
        assert_eq!(names(&list), "hf");
        assert_eq!(names(&Worklist::default()), "");
    }

    #[test]
    fn hidden_images_come_last_and_an_empty_list_has_none() {
        let mut list = list();
        list.set_filter("c".into());
        assert_eq!(order(&mut list), "abdefgh");
        assert_eq!(order(&mut Worklist::default()), "");
        let mut hidden = super::tests::list();
        hidden.set_filter("nothing".into());
        assert_eq!(order(&mut hidden), "abcdefgh");
    }

    #[test]
    fn several_come_in_the_same_order_each_once_and_none_that_is_in_flight() {
        let mut list = list();
        list.go_to(2);
        let first = list.next_unread(3, &[]);
        let names = |found: &[(u32, Arc<Path>)]| {
            let names = found.iter().map(|(_, path)| path.to_str().unwrap());
            names.collect::<String>()
        };
        assert_eq!(names(&first), "dbe");
        assert_eq!(names(&list.next_unread(2, &first)), "fg");
        assert_eq!(names(&list.next_unread(99, &first)), "fgha");
        let all = list.next_unread(99, &[]);
        assert_eq!(names(&all), "dbefgha");
        assert_eq!(names(&list.next_unread(99, &all)), "");
    }

    #[test]
    fn an_earlier_result_is_not_replaced() {
        let mut list = list();
        list.record(Path::new("b"), EntryState::Failed("early".into()));
        list.record_unread(1, EntryState::Failed("late".into()));
        let is_early =
            matches!(&list.row(1).unwrap().state, EntryState::Failed(why) if **why == *"early");
        assert!(is_early && list.read() == 1);
    }
}
