//! What is known of a type while it is traced: a graph of the requests that it makes.
//!
//! A node is a request, and has a place for each part of what is asked for. A recursive type leads
//! back to a node that is there already.

mod choice;
mod node;
mod variation;

use std::any::TypeId;

use super::tag::Tag;
pub(super) use node::{Node, NodeId, Request};

/// How many requests a type may consist of.
const MOST_NODES: usize = 4_096;

/// How many requests may be made in all, over all passes.
const MOST_REQUESTS: usize = 200_000;

/// How deep requests may be nested, which the stack has to bear.
const MOST_OPEN: usize = 128;

pub(super) const ROOT: NodeId = 0;

/// What two names of a struct are, one of which follows the other.
#[derive(Clone, Copy)]
pub(super) enum Neighbours {
    Unknown,
    /// The value for the first was refused.
    Refused,
    OneField,
    TwoFields,
}

#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// Those that are being answered.
    open: Vec<NodeId>,
    /// How many of those are nested in themselves. What is to be found out below one is found out
    /// from further out: it is answered with as little as it takes.
    nested: usize,
    requests: usize,
    /// It is no use to go on: the type does not ask alike each time, or for too much.
    pub(super) given_up: bool,
    progress: bool,
    /// The path to where the pass failed first.
    failure: Option<Vec<NodeId>>,
    /// The last node of the pass that was left with a part unknown.
    lingering: Option<NodeId>,
}

impl Graph {
    pub(super) fn new() -> Self {
        let mut graph = Self::default();
        graph.add(Request {
            tag: Tag::Root,
            names: &[],
            parts: 1,
            visitor: TypeId::of::<()>(),
            name: None,
            size: usize::MAX,
        });
        graph
    }

    fn add(&mut self, request: Request) -> NodeId {
        self.nodes.push(Node {
            request,
            parts: vec![None; request.parts],
            sizes: vec![0; request.parts],
            choice: 0,
            short_choice: 0,
            refuses: false,
            spent: false,
            names_of: Vec::new(),
            by_name: false,
            endless: false,
        });
        self.progress = true;
        self.nodes.len() - 1
    }

    pub(super) fn begin_pass(&mut self) {
        self.open = vec![ROOT];
        self.nested = 0;
        self.progress = false;
        self.failure = None;
        self.lingering = None;
    }

    /// Decides what is done otherwise in the next pass, if there is to be one.
    pub(super) fn end_pass(&mut self) -> bool {
        if self.given_up {
            return false;
        }
        if self.progress {
            return true;
        }
        if let Some(path) = self.failure.take()
            && self.vary(&path)
        {
            return true;
        }
        let Some(node) = self.lingering.take() else {
            return false;
        };
        self.nodes[node].spent = true;
        true
    }

    /// The node for a request at a place, which is open from now on; `None` if the trace ends here.
    pub(super) fn enter(
        &mut self,
        (owner, part): (NodeId, usize),
        request: Request,
    ) -> Option<NodeId> {
        self.requests += 1;
        if self.requests > MOST_REQUESTS || self.open.len() > MOST_OPEN {
            self.given_up = true;
            return None;
        }
        let node = match *self.nodes[owner].parts.get(part)? {
            Some(known) => known,
            None => {
                let node = match self.find(&request) {
                    Some(known) => known,
                    None if self.nodes.len() < MOST_NODES => self.add(request),
                    None => {
                        self.given_up = true;
                        return None;
                    }
                };
                self.nodes[owner].parts[part] = Some(node);
                self.progress = true;
                node
            }
        };
        // The number of parts of an enum is corrected once it is known.
        let known = &self.nodes[node].request;
        if known.tag != request.tag || known.names != request.names || known.parts != request.parts
        {
            self.given_up = true;
            return None;
        }
        if known.tag.has_parts() && self.open.contains(&node) {
            self.nested += 1;
        }
        self.open.push(node);
        Some(node)
    }

    /// A node of the same type: one that has a name wherever it is, another one if it is open, so that
    /// the type contains itself. A variant is no type, but part of one.
    fn find(&self, request: &Request) -> Option<NodeId> {
        let same = |node: &NodeId| self.nodes[*node].request.is_of_type_of(request);
        if request.tag.is_variant() || !request.tag.has_parts() {
            None
        } else if request.name.is_some() {
            (0..self.nodes.len()).find(same)
        } else {
            self.open.iter().copied().find(same)
        }
    }

    /// Notes how answering the innermost open node ended.
    pub(super) fn leave(&mut self, node: NodeId, failed: bool) {
        if failed {
            self.fail();
        }
        self.open.pop();
        if self.nodes[node].request.tag.has_parts() && self.open.contains(&node) {
            self.nested = self.nested.saturating_sub(1);
        }
        let has_unknown = self.undecided(node).is_some()
            || (!self.nodes[node].spent && self.nodes[node].parts.contains(&None));
        if has_unknown {
            self.lingering = Some(node);
        }
    }

    /// Notes how large the part of a node is where it is kept.
    pub(super) fn is_kept_in(&mut self, (owner, part): (NodeId, usize), size: usize) {
        if let Some(known) = self.nodes[owner].sizes.get_mut(part) {
            *known = size.max(*known);
        }
    }

    /// Notes that what the part of a node was answered with was refused later.
    pub(super) fn fail_at(&mut self, (owner, part): (NodeId, usize)) {
        if let Some(Some(node)) = self.nodes[owner].parts.get(part) {
            self.open.push(*node);
            self.fail();
            self.open.pop();
        }
    }

    fn fail(&mut self) {
        if self.failure.is_none() {
            self.failure = Some(self.open.clone());
        }
    }

    fn times_open(&self, node: NodeId) -> usize {
        self.open.iter().filter(|open| **open == node).count()
    }

    /// An enum has no variant of this number: the names are more than the variants, since some have
    /// several.
    pub(super) fn has_no_variant(&mut self, node: NodeId, number: usize) {
        if number < self.nodes[node].parts.len() {
            self.nodes[node].parts.truncate(number);
            self.progress = true;
        }
    }

    /// A visitor was content with fewer parts than it has names for: some have several.
    pub(super) fn took(&mut self, node: NodeId, number: usize) {
        let node = &mut self.nodes[node];
        if number < node.parts.len() && !node.by_name {
            node.parts.truncate(number);
            if node.request.tag.has_field_names() {
                node.names_of = vec![1];
            }
            self.progress = true;
        }
    }

    /// Of which name of a struct it is to be found out next whether it is one more of the field before;
    /// and the number of that field.
    pub(super) fn undecided(&self, node: NodeId) -> Option<(usize, usize)> {
        let node = &self.nodes[node];
        let decided: usize = node.names_of.iter().sum();
        let field = node.names_of.len().checked_sub(1)?;
        let is_open = decided < node.request.names.len() && !node.by_name && !node.spent;
        is_open.then_some((decided, field))
    }

    pub(super) fn decide(&mut self, node: NodeId, neighbours: Neighbours) {
        let names_of = &mut self.nodes[node].names_of;
        match neighbours {
            Neighbours::Unknown => self.given_up = true,
            // Another value may do.
            Neighbours::Refused => return,
            Neighbours::OneField => {
                if let Some(last) = names_of.last_mut() {
                    *last += 1;
                }
            }
            Neighbours::TwoFields => names_of.push(1),
        }
        self.progress = true;
    }
}
