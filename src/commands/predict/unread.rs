//! Files in formats that are not read: the first ones by name, the number of all by format.

use std::collections::BTreeMap;
use std::path::Path;

use crate::commands::shared::complain;
use crate::export::path_text;
use crate::library::UnreadFormat;

/// How many files are named; the others are counted.
const NAMED: usize = 10;

/// Images and archives of formats that are not read.
#[derive(Debug, Default)]
pub struct Unread {
    named: Vec<String>,
    kinds: BTreeMap<&'static str, usize>,
}

impl Unread {
    /// Notes a file.
    pub fn add(&mut self, path: &Path, format: UnreadFormat) {
        if self.named.len() < NAMED {
            let path = path_text(path);
            self.named.push(format!("{path}: not read: {format}"));
        }
        *self.kinds.entry(format.noun()).or_default() += 1;
    }

    fn count(&self) -> usize {
        self.kinds.values().sum()
    }

    /// Reports the files on standard error; only their number if they are `listed` in the table.
    pub fn complain(&self, listed: bool) {
        self.lines(listed).iter().for_each(|line| complain(line));
    }

    fn lines(&self, listed: bool) -> Vec<String> {
        let count = self.count();
        if count == 0 {
            return Vec::new();
        }
        let kinds = self.kinds.iter().map(|(noun, n)| format!("{n} × {noun}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let files = match count {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let mut lines = vec![format!("{files} not read: {kinds}")];
        if listed {
            return lines;
        }
        lines.extend(self.named.iter().cloned());
        if let Some(more @ 1..) = count.checked_sub(self.named.len()) {
            lines.push(format!("and {more} more; --list-unread has a row for each"));
        }
        lines
    }
}
