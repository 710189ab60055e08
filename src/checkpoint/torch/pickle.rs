//! The pickle machine (Python's `pickletools` describes its opcodes, protocols 0 to 5). It builds a [`Graph`] and
//! executes nothing. Its memory is bounded by the length of the pickle.

mod cursor;

use std::collections::HashMap;

use self::cursor::PickleCursor;
use super::allowed::{check_called, check_named};
use super::graph::{Graph, Made, Node, NodeId};
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;

/// The most nodes of one pickle. A ResNet-50 module takes about 20,000.
const MOST_NODES: usize = 1_000_000;
/// The most values on the stack and in the memo.
const MOST_HELD: usize = 1_000_000;

/// One pickle.
pub struct Pickle {
    pub graph: Graph,
    pub root: NodeId,
    /// Its length in bytes.
    pub length: usize,
}

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// If it is damaged, larger than any model's, or names a function or class that no model needs.
pub fn read(bytes: &[u8]) -> Result<Pickle, CheckpointFault> {
    let mut machine = Machine {
        cursor: PickleCursor::new(bytes),
        graph: Graph::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        if let Some(root) = machine.step()? {
            return Ok(Pickle {
                graph: machine.graph,
                root,
                length: machine.cursor.position(),
            });
        }
        let held = machine.stack.len() + machine.marks.len() + machine.memo.len();
        if machine.graph.len() > MOST_NODES || held > MOST_HELD {
            return Err(CheckpointFault::Unsupported(
                "its pickle is too large".to_owned(),
            ));
        }
    }
}

struct Machine<'a> {
    cursor: PickleCursor<'a>,
    graph: Graph,
    stack: Vec<NodeId>,
    /// The length of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
}

impl Machine<'_> {
    /// Executes one instruction. Returns the result after the last one.
    fn step(&mut self) -> Result<Option<NodeId>, CheckpointFault> {
        let [opcode] = self.cursor.take()?;
        match opcode {
            0x80 => self.cursor.take::<1>().map(|_| ())?,
            0x95 => self.cursor.take::<8>().map(|_| ())?,
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return self.pop().map(Some),
            b'0' => self.drop_one()?,
            b'1' => self.pop_to_mark().map(|_| ())?,
            b'2' => self.duplicate()?,
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Int(1)),
            0x89 => self.push(Node::Int(0)),
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'F' | b'G' => {
                let number = self.cursor.number(opcode)?;
                self.push(number);
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => {
                let text = self.cursor.text(opcode)?;
                self.push(text);
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let bytes = self.cursor.raw(opcode)?;
                self.push(bytes);
            }
            b']' | b')' | 0x8f => self.push(Node::Sequence(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'l' | b't' | 0x91 => self.gather()?,
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b'd' => self.gather_dict()?,
            b'a' => self.append()?,
            b'e' | 0x90 => self.append_marked()?,
            b's' => self.set_item()?,
            b'u' => self.set_items()?,
            b'c' | 0x93 => self.global(opcode)?,
            b'i' | b'o' | b'R' | 0x81 | 0x92 => self.make(opcode)?,
            b'b' => self.build()?,
            b'p' | b'q' | b'r' | 0x94 => self.memoize(opcode)?,
            b'g' | b'h' | b'j' => self.get_memo(opcode)?,
            b'P' | b'Q' => self.persistent(opcode)?,
            other => return damaged(format!("0x{other:02x} is no instruction of a pickle")),
        }
        Ok(None)
    }

    fn push(&mut self, node: Node) {
        let id = self.graph.add(node);
        self.stack.push(id);
    }

    fn pop(&mut self) -> Result<NodeId, CheckpointFault> {
        // Values below a mark are for the instruction that takes the mark.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return damaged("its pickle takes from an empty stack");
        }
        let top = self.top();
        self.stack.pop();
        top
    }

    fn top(&self) -> Result<NodeId, CheckpointFault> {
        self.stack.last().copied().ok_or_else(|| {
            CheckpointFault::Damaged("its pickle takes from an empty stack".to_owned())
        })
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, CheckpointFault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => damaged("its pickle has no mark where it needs one"),
        }
    }

    fn drop_one(&mut self) -> Result<(), CheckpointFault> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_| ())
    }

    fn duplicate(&mut self) -> Result<(), CheckpointFault> {
        let top = self.top()?;
        self.stack.push(top);
        Ok(())
    }

    fn gather(&mut self) -> Result<(), CheckpointFault> {
        let items = self.pop_to_mark()?;
        self.push(Node::Sequence(items));
        Ok(())
    }

    fn tuple(&mut self, length: usize) -> Result<(), CheckpointFault> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Sequence(items));
        Ok(())
    }

    fn gather_dict(&mut self) -> Result<(), CheckpointFault> {
        let entries = pairs(&self.pop_to_mark()?)?;
        self.push(Node::Dict(entries));
        Ok(())
    }

    fn append(&mut self) -> Result<(), CheckpointFault> {
        let item = self.pop()?;
        self.extend(vec![item])
    }

    fn append_marked(&mut self) -> Result<(), CheckpointFault> {
        let items = self.pop_to_mark()?;
        self.extend(items)
    }

    fn extend(&mut self, items: Vec<NodeId>) -> Result<(), CheckpointFault> {
        let list = self.top()?;
        // Items that are appended to an object are not needed here.
        if let Node::Sequence(list) = self.graph.get_mut(list) {
            list.extend(items);
        }
        Ok(())
    }

    fn set_item(&mut self) -> Result<(), CheckpointFault> {
        let value = self.pop()?;
        let key = self.pop()?;
        self.put_in(vec![(key, value)])
    }

    fn set_items(&mut self) -> Result<(), CheckpointFault> {
        let entries = pairs(&self.pop_to_mark()?)?;
        self.put_in(entries)
    }

    fn put_in(&mut self, new: Vec<(NodeId, NodeId)>) -> Result<(), CheckpointFault> {
        let holder = self.top()?;
        match self.graph.get_mut(holder) {
            Node::Dict(entries) => entries.extend(new),
            Node::PythonObject(made) => made.items.extend(new),
            _ => return damaged("its pickle puts an item into a value that holds none"),
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let (module, name) = if opcode == b'c' {
            (self.cursor.line()?, self.cursor.line()?)
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            match (self.graph.text(module), self.graph.text(name)) {
                (Some(module), Some(name)) => (module.to_owned(), name.to_owned()),
                _ => return damaged("its pickle has a class without a name"),
            }
        };
        check_named(&module, &name)?;
        self.push(Node::Global(module, name));
        Ok(())
    }

    fn make(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let (of, arguments) = match opcode {
            b'i' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                check_named(&module, &name)?;
                let arguments = self.pop_to_mark()?;
                (
                    self.graph.add(Node::Global(module, name)),
                    self.graph.add(Node::Sequence(arguments)),
                )
            }
            b'o' => {
                let mut arguments = self.pop_to_mark()?;
                if arguments.is_empty() {
                    return damaged("its pickle makes an object of no class");
                }
                let class = arguments.remove(0);
                (class, self.graph.add(Node::Sequence(arguments)))
            }
            _ => {
                if opcode == 0x92 {
                    // Keywords are not needed here.
                    self.pop()?;
                }
                let arguments = self.pop()?;
                (self.pop()?, arguments)
            }
        };
        if opcode == b'R' {
            self.check_call(of)?;
        }
        self.push(Node::PythonObject(Made {
            of,
            arguments,
            states: Vec::new(),
            items: Vec::new(),
        }));
        Ok(())
    }

    /// `REDUCE` calls a function. The other instructions only make an object of a class.
    fn check_call(&self, of: NodeId) -> Result<(), CheckpointFault> {
        match self.graph.global(of) {
            Some((module, name)) => check_called(module, name),
            None => Err(CheckpointFault::Runs(
                "a function that it makes itself".to_owned(),
            )),
        }
    }

    fn build(&mut self) -> Result<(), CheckpointFault> {
        let state = self.pop()?;
        let object = self.top()?;
        if let Node::PythonObject(made) = self.graph.get_mut(object) {
            made.states.push(state);
        }
        Ok(())
    }

    /// The number under which a value is stored in the memo.
    fn key(&mut self, opcode: u8) -> Result<u32, CheckpointFault> {
        match opcode {
            b'q' | b'h' => Ok(self.cursor.take::<1>()?[0].into()),
            b'r' | b'j' => Ok(u32::from_le_bytes(self.cursor.take()?)),
            0x94 => Ok(self.memo.len() as u32),
            _ => self.cursor.line()?.trim().parse().map_err(|_| {
                CheckpointFault::Damaged("a memo entry of its pickle has no number".to_owned())
            }),
        }
    }

    fn memoize(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let key = self.key(opcode)?;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn get_memo(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let key = self.key(opcode)?;
        let Some(id) = self.memo.get(&key) else {
            return damaged("its pickle reads a memo entry that was never written");
        };
        self.stack.push(*id);
        Ok(())
    }

    fn persistent(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let id = match opcode {
            b'P' => {
                let line = self.cursor.line()?;
                self.graph.add(Node::Text(line))
            }
            _ => self.pop()?,
        };
        self.push(Node::Persistent(id));
        Ok(())
    }
}

fn pairs(items: &[NodeId]) -> Result<Vec<(NodeId, NodeId)>, CheckpointFault> {
    let pairs = items.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return damaged("its pickle has a key without a value");
    }
    Ok(pairs.map(|pair| (pair[0], pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        match read(bytes) {
            Err(fault) => fault.to_string(),
            Ok(_) => panic!("{bytes:?} was read"),
        }
    }

    #[test]
    fn a_dict_is_read_with_its_keys_and_the_last_value_of_each() {
        let pickle =
            read(b"\x80\x02}(X\x01\0\0\0aK\x01X\x01\0\0\0bK\x02X\x01\0\0\0aK\x03u.").unwrap();
        let graph = &pickle.graph;
        let value = |key| graph.value(pickle.root, key).and_then(|id| graph.size(id));
        assert_eq!(
            [value("a"), value("b"), value("c")],
            [Some(3), Some(2), None]
        );
        assert_eq!(pickle.length, 30);
    }

    #[test]
    fn sequences_of_every_instruction_are_the_same() {
        for bytes in [
            &b"K\x01K\x02\x86."[..],
            b"(K\x01K\x02t.",
            b"(K\x01K\x02l.",
            b"](K\x01K\x02e.",
            b"]K\x01aK\x02a.",
            b"\x8f(K\x01K\x02\x90.",
            b"(K\x01K\x02\x91.",
            // The memo gives 1 again, POP and POP_MARK drop values, and DUP repeats one.
            b"(K\x01q\x07h\x0721K\x01K\x02K\x030\x86.",
        ] {
            let pickle = read(bytes).unwrap();
            let sizes = pickle.graph.sizes(pickle.root);
            assert_eq!(sizes.as_deref(), Some(&[1, 2][..]), "{bytes:?}");
        }
    }

    #[test]
    fn an_object_keeps_its_class_arguments_and_state() {
        let pickle = read(b"cmodels\nNet\nK\x05\x85\x81}X\x01\0\0\0nK\x07sb.").unwrap();
        let graph = &pickle.graph;
        let Node::PythonObject(made) = graph.get(pickle.root) else {
            panic!("no object");
        };
        assert_eq!(graph.global(made.of), Some(("models", "Net")));
        assert_eq!(graph.sizes(made.arguments), Some(vec![5]));
        let state = graph.attribute(pickle.root, "n");
        assert_eq!(state.and_then(|id| graph.size(id)), Some(7));
    }

    #[test]
    fn a_damaged_pickle_is_an_error_that_says_how() {
        for (bytes, words) in [
            (&b""[..], "ends too early"),
            (b"K", "ends too early"),
            (b".", "empty stack"),
            (b"(0.", "empty stack"),
            (b"K\x01(\x85.", "empty stack"),
            (b"K\x01t.", "no mark"),
            (b"(K\x01d.", "a key without a value"),
            (b"K\x01K\x02K\x03s.", "a value that holds none"),
            (b"h\x01.", "never written"),
            (b"K\x01pno number\n.", "no number"),
            (b"(o.", "no class"),
            (b"K\x01K\x02\x93.", "a class without a name"),
            (b"\xff.", "0xff is no instruction"),
        ] {
            let fault = fault(bytes);
            assert!(fault.contains(words), "{bytes:?}: {fault}");
        }
    }
}
