//! The contents of a pickle as inert nodes: a class is a name, and a call is the name of a function and its arguments.
//! No name is looked up, and no code is run.

/// The index of a node. Nodes refer to each other, and may form a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

#[derive(Debug)]
pub enum Node {
    None,
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A tuple, a list or a set.
    Sequence(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    /// A class or a function: module and name.
    Global(String, String),
    /// An object that a class or function would make.
    PythonObject(Made),
    /// `persistent_load` of this.
    Persistent(NodeId),
}

/// An object that Python would have made.
#[derive(Debug)]
pub struct Made {
    /// The class or function.
    pub of: NodeId,
    /// A tuple.
    pub arguments: NodeId,
    /// The arguments of each call of `__setstate__`.
    pub states: Vec<NodeId>,
    /// Items that would be set as in a dict.
    pub items: Vec<(NodeId, NodeId)>,
}

/// All nodes of one pickle.
#[derive(Debug, Default)]
pub struct Graph(Vec<Node>);

impl Graph {
    pub fn add(&mut self, node: Node) -> NodeId {
        self.0.push(node);
        NodeId((self.0.len() - 1) as u32)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.0.iter()
    }

    pub fn get(&self, id: NodeId) -> &Node {
        &self.0[id.0 as usize]
    }

    pub fn get_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.0[id.0 as usize]
    }

    pub fn text(&self, id: NodeId) -> Option<&str> {
        match self.get(id) {
            Node::Text(text) => Some(text),
            // Python 2 wrote names as bytes.
            Node::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A number that can count or index something.
    pub fn size(&self, id: NodeId) -> Option<usize> {
        match self.get(id) {
            Node::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    pub fn sizes(&self, id: NodeId) -> Option<Vec<usize>> {
        self.sequence(id)?.iter().map(|id| self.size(*id)).collect()
    }

    pub fn sequence(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.get(id) {
            Node::Sequence(items) => Some(items),
            // torch.Size((2, 3))
            Node::PythonObject(made) if self.is_named(made.of, "torch", "Size") => {
                match self.get(*self.arguments(made)?.first()?) {
                    Node::Sequence(items) => Some(items),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub fn arguments(&self, made: &Made) -> Option<&[NodeId]> {
        match self.get(made.arguments) {
            Node::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Keys and values of a dict or of an `OrderedDict`.
    pub fn entries(&self, id: NodeId) -> Option<&[(NodeId, NodeId)]> {
        match self.get(id) {
            Node::Dict(entries) => Some(entries),
            Node::PythonObject(made) if self.is_dict(made.of) => Some(&made.items),
            _ => None,
        }
    }

    fn is_dict(&self, class: NodeId) -> bool {
        matches!(self.get(class), Node::Global(module, name)
            if module == "collections" && (name == "OrderedDict" || name == "defaultdict"))
    }

    /// The value of a key; the last one, as in Python.
    pub fn value(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let entries = self.entries(id)?.iter().rev();
        entries
            .clone()
            .find(|(name, _)| self.text(*name) == Some(key))
            .map(|(_, value)| *value)
    }

    /// The attribute of an object whose `__dict__` was set.
    pub fn attribute(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let Node::PythonObject(made) = self.get(id) else {
            return None;
        };
        made.states
            .iter()
            .rev()
            .find_map(|state| self.value(*state, name))
    }

    pub fn is_named(&self, id: NodeId, module: &str, name: &str) -> bool {
        matches!(self.get(id), Node::Global(m, n) if m == module && n == name)
    }

    /// Module and name of a class or function.
    pub fn global(&self, id: NodeId) -> Option<(&str, &str)> {
        match self.get(id) {
            Node::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }
}
