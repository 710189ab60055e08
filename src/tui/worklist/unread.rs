//! What nobody has looked at yet.

use std::path::Path;
use std::sync::Arc;

use super::{State, Worklist};

/// Rows below and above the selection that come first: those that are likely to be selected next.
const NEIGHBOURS: [isize; 4] = [1, -1, 2, 3];

impl Worklist {
    /// The next unread image and its number: the selection's neighbours, then the rows below it and
    /// round to those above, then what the filter hides. Never the selection itself, which is
    /// somebody else's business.
    pub fn next_unread(&self) -> Option<(u32, Arc<Path>)> {
        if self.read() == self.total() {
            return None;
        }
        let near = NEIGHBOURS
            .iter()
            .filter_map(|offset| self.rows.get(self.cursor.checked_add_signed(*offset)?));
        let after = (self.cursor + 1).min(self.rows.len());
        let before = self.cursor.min(self.rows.len());
        let rows = self.rows[after..].iter().chain(&self.rows[..before]);
        let selected = self.rows.get(self.cursor).copied();
        let all = 0..self.entries.len() as u32;
        near.chain(rows)
            .copied()
            .chain(all.filter(|index| Some(*index) != selected))
            .find(|index| matches!(self.entries[*index as usize].state, State::Unread))
            .map(|index| (index, self.entries[index as usize].path.clone()))
    }

    /// Records what became of an image, if nothing was said of it yet.
    pub fn record_unread(&mut self, index: u32, state: State) {
        let index = index as usize;
        let entry = self.entries.get(index);
        if entry.is_some_and(|entry| matches!(entry.state, State::Unread)) {
            self.set_state(index, state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: &mut Worklist) -> String {
        let mut order = String::new();
        while let Some((index, path)) = list.next_unread() {
            order += path.to_str().unwrap();
            list.record_unread(index, State::Failed("".into()));
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
    fn what_was_said_meanwhile_stands() {
        let mut list = list();
        list.record(Path::new("b"), State::Failed("said".into()));
        list.record_unread(1, State::Failed("late".into()));
        let said = matches!(&list.row(1).unwrap().state, State::Failed(why) if **why == *"said");
        assert!(said && list.read() == 1);
    }
}
