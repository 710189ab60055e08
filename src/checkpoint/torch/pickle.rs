//! The pickle machine (Python's `pickletools` describes its opcodes, protocols 0 to 5), which builds
//! a [`Graph`] and executes nothing. Its memory is bounded by the length of the pickle.

use std::collections::HashMap;

use super::allowed::{check_called, check_named};
use super::graph::{Graph, Made, Node, NodeId};
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;

/// Nodes of one pickle: a ResNet-50 module takes about 20,000.
const MOST_NODES: usize = 1_000_000;
/// Values on the stack and in memory.
const MOST_HELD: usize = 1_000_000;

/// One pickle.
pub struct Pickle {
    pub graph: Graph,
    pub root: NodeId,
    /// Bytes that it takes.
    pub length: usize,
}

/// Reads the pickle that `bytes` begin with.
///
/// # Errors
/// If it is damaged, larger than any model's, or names what no model needs.
pub fn read(bytes: &[u8]) -> Result<Pickle, CheckpointFault> {
    let mut machine = Machine {
        bytes,
        at: 0,
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
                length: machine.at,
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
    bytes: &'a [u8],
    at: usize,
    graph: Graph,
    stack: Vec<NodeId>,
    /// Lengths of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
}

impl Machine<'_> {
    /// One instruction; the result at the end.
    fn step(&mut self) -> Result<Option<NodeId>, CheckpointFault> {
        let [opcode] = self.take()?;
        match opcode {
            0x80 => self.take::<1>().map(|_| ())?,
            0x95 => self.take::<8>().map(|_| ())?,
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return self.pop().map(Some),
            b'0' => self.drop_one()?,
            b'1' => self.pop_to_mark().map(|_| ())?,
            b'2' => self.duplicate()?,
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Int(1)),
            0x89 => self.push(Node::Int(0)),
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'F' | b'G' => self.number(opcode)?,
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => self.text(opcode)?,
            b'B' | b'C' | 0x8e | 0x96 => self.raw(opcode)?,
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
            b'p' | b'q' | b'r' | 0x94 => self.remember(opcode)?,
            b'g' | b'h' | b'j' => self.recall(opcode)?,
            b'P' | b'Q' => self.persistent(opcode)?,
            other => return damaged(format!("0x{other:02x} is no instruction of a pickle")),
        }
        Ok(None)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CheckpointFault> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.slice(N)?);
        Ok(taken)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], CheckpointFault> {
        let end = self.at.checked_add(length);
        let Some(slice) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return damaged("its pickle ends too early");
        };
        self.at += length;
        Ok(slice)
    }

    /// Up to the end of the line, without it.
    fn line(&mut self) -> Result<String, CheckpointFault> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return damaged("its pickle ends too early");
        };
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn length(&mut self, bytes: usize) -> Result<usize, CheckpointFault> {
        let length = match bytes {
            1 => u64::from(self.take::<1>()?[0]),
            4 => u64::from(u32::from_le_bytes(self.take()?)),
            _ => u64::from_le_bytes(self.take()?),
        };
        usize::try_from(length)
            .map_err(|_| CheckpointFault::Damaged("its pickle ends too early".to_owned()))
    }

    fn push(&mut self, node: Node) {
        let id = self.graph.add(node);
        self.stack.push(id);
    }

    fn pop(&mut self) -> Result<NodeId, CheckpointFault> {
        // What lies below a mark belongs to somebody else.
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => Ok(self.stack.swap_remove(self.stack.len() - 1)),
            false => damaged("its pickle takes from an empty stack"),
        }
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

    fn number(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let node = match opcode {
            b'J' => Node::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Node::Int(self.take::<1>()?[0].into()),
            b'M' => Node::Int(u16::from_le_bytes(self.take()?).into()),
            b'G' => Node::Float(f64::from_be_bytes(self.take()?)),
            b'F' => Node::Float(self.line()?.trim().parse().unwrap_or(f64::NAN)),
            0x8a | 0x8b => {
                let length = self.length(if opcode == 0x8a { 1 } else { 4 })?;
                long(self.slice(length)?)
            }
            // A line: `I01` is True, `L5L` is 5.
            _ => match self.line()?.trim().trim_end_matches('L').parse() {
                Ok(number) => Node::Int(number),
                Err(_) => Node::None,
            },
        };
        self.push(node);
        Ok(())
    }

    fn text(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let bytes = match opcode {
            b'S' => self.line()?.trim().trim_matches(['\'', '"']).into(),
            b'V' => self.line()?.into_bytes(),
            b'U' | 0x8c => self.counted(1)?,
            0x8d => self.counted(8)?,
            _ => self.counted(4)?,
        };
        let node = match String::from_utf8(bytes) {
            Ok(text) => Node::Text(text),
            // Python 2's strings are bytes.
            Err(error) => Node::Bytes(error.into_bytes()),
        };
        self.push(node);
        Ok(())
    }

    fn raw(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let bytes = match opcode {
            b'C' => self.counted(1)?,
            b'B' => self.counted(4)?,
            _ => self.counted(8)?,
        };
        self.push(Node::Bytes(bytes));
        Ok(())
    }

    fn counted(&mut self, width: usize) -> Result<Vec<u8>, CheckpointFault> {
        let length = self.length(width)?;
        self.slice(length).map(<[u8]>::to_vec)
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
        // What is appended to an object is of no use here.
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
            _ => return damaged("its pickle puts an item into what holds none"),
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
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
                let (module, name) = (self.line()?, self.line()?);
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
                    // Keywords: of no use here.
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

    /// `REDUCE` calls a function; the other ways only make an object of a class.
    fn check_call(&self, of: NodeId) -> Result<(), CheckpointFault> {
        match self.graph.global(of) {
            Some((module, name)) => check_called(module, name),
            None => Err(CheckpointFault::Runs("what it made itself".to_owned())),
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

    fn key(&mut self, opcode: u8) -> Result<u32, CheckpointFault> {
        match opcode {
            b'q' | b'h' => Ok(self.take::<1>()?[0].into()),
            b'r' | b'j' => Ok(u32::from_le_bytes(self.take()?)),
            0x94 => Ok(self.memo.len() as u32),
            _ => self.line()?.trim().parse().map_err(|_| {
                CheckpointFault::Damaged("its pickle remembers under no number".to_owned())
            }),
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let key = self.key(opcode)?;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let key = self.key(opcode)?;
        let Some(id) = self.memo.get(&key) else {
            return damaged("its pickle recalls what it never remembered");
        };
        self.stack.push(*id);
        Ok(())
    }

    fn persistent(&mut self, opcode: u8) -> Result<(), CheckpointFault> {
        let id = match opcode {
            b'P' => {
                let line = self.line()?;
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

/// Two's complement, little-endian; what does not fit counts nothing in a model.
fn long(bytes: &[u8]) -> Node {
    if bytes.len() > 8 {
        return Node::Bytes(bytes.to_vec());
    }
    let sign = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if sign { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(whole))
}
