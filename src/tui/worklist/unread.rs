//! What nobody has looked at yet.

use std::path::Path;
use std::sync::Arc;

use super::{EntryState, Worklist};

/// Rows below and above the selection that come first: those that are likely to be selected next.
const NEIGHBOURS: [isize; 4] = [1, -1, 2, 3];

impl Worklist {
    /// The next unread images and their numbers, so many at most and none of those on their way: the
    /// selection's neighbours, then the rows below it and round to those above, then what the filter
    /// hides. Never the selection itself, which is somebody else's business.
    pub fn next_unread(
        &self,
        count: usize,
        on_their_way: &[(u32, Arc<Path>)],
    ) -> Vec<(u32, Arc<Path>)> {
        let mut found: Vec<u32> = Vec::new();
        let unread = self.total() - self.read();
        if unread <= on_their_way.len() {
            return Vec::new();
        }
        let near = NEIGHBOURS
            .iter()
            .filter_map(|offset| self.rows.get(self.cursor.checked_add_signed(*offset)?));
        let after = (self.cursor + 1).min(self.rows.len());
        let before = self.cursor.min(self.rows.len());
        let rows = self.rows[after..].iter().chain(&self.rows[..before]);
        let selected = self.rows.get(self.cursor).copied();
        let all = 0..self.entries.len() as u32;
        let all = all.filter(|index| Some(*index) != selected);
        for index in near.chain(rows).copied().chain(all) {
            if found.len() == count {
                break;
            }
            let is_unread = matches!(self.entries[index as usize].state, EntryState::Unread);
            let is_sent_for = || on_their_way.iter().any(|(sent, _)| *sent == index);
            if is_unread && !found.contains(&index) && !is_sent_for() {
                found.push(index);
            }
        }
        let path = |index: u32| self.entries[index as usize].path.clone();
        found
            .into_iter()
            .map(|index| (index, path(index)))
            .collect()
    }

    /// Records what became of an image, if nothing was said of it yet.
    pub fn record_unread(&mut self, index: u32, state: EntryState) {
        let index = index as usize;
        let entry = self.entries.get(index);
        if entry.is_some_and(|entry| matches!(entry.state, EntryState::Unread)) {
            if let EntryState::Read(said) = &state {
                let stamp = self.entries[index].stamp;
                self.identify_at(index, said.content, stamp);
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
    fn neighbours_come_first_then_the_rest_below_then_what_is_above() {
        let mut list = list();
        list.go_to(2);
        assert_eq!(order(&mut list), "dbefgha");
        assert_eq!(list.read(), 7, "the selection is not read behind itself");
    }

    #[test]
    fn what_the_filter_hides_comes_last_and_an_empty_list_has_none() {
        let mut list = list();
        list.set_filter("c".into());
        assert_eq!(order(&mut list), "abdefgh");
        assert_eq!(order(&mut Worklist::default()), "");
        let mut hidden = super::tests::list();
        hidden.set_filter("nothing".into());
        assert_eq!(order(&mut hidden), "abcdefgh");
    }

    #[test]
    fn several_come_in_the_same_order_each_once_and_none_that_is_on_its_way() {
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
    fn what_was_said_meanwhile_stands() {
        let mut list = list();
        list.record(Path::new("b"), EntryState::Failed("said".into()));
        list.record_unread(1, EntryState::Failed("late".into()));
        let said =
            matches!(&list.row(1).unwrap().state, EntryState::Failed(why) if **why == *"said");
        assert!(said && list.read() == 1);
    }
}
