//! What is known of a type while it is traced: a graph of the requests that it makes.
//!
//! A node is a request, and has a place for each part of what is asked for. A recursive type leads
//! back to a node that is there already.

use std::any::TypeId;

use super::{tag::Tag, values};

pub(super) type NodeId = usize;

/// How many requests a type may consist of.
const MOST_NODES: usize = 4_096;

/// How many requests may be made in all, over all passes.
const MOST_REQUESTS: usize = 200_000;

/// How deep requests may be nested, which the stack has to bear.
const MOST_OPEN: usize = 128;

/// How many elements a sequence or map is given: two while it is explored, so that they can be seen
/// to be alike; and none afterwards, where that is enough.
const EXPLORED_LENGTHS: [usize; 4] = [2, 1, 3, 4];
const SHORT_LENGTHS: [usize; 6] = [0, 1, 2, 3, 4, 16];

/// How often the values within a compound are changed that refuses them.
const MOST_VARIATIONS: usize = 4;

pub(super) const ROOT: NodeId = 0;

/// A request, as far as it tells one from another.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) tag: Tag,
    /// Of fields or variants.
    pub(super) names: &'static [&'static str],
    /// For how many parts there is a place.
    pub(super) parts: usize,
    /// Of the visitor, which belongs to one type.
    pub(super) visitor: TypeId,
    /// The type's name, if it says it.
    pub(super) name: Option<&'static str>,
    /// How large it is, in bytes, what the visitor makes.
    pub(super) size: usize,
}

impl Request {
    fn asks_the_same(&self, other: &Self) -> bool {
        self.tag == other.tag && self.names == other.names && self.parts == other.parts
    }

    /// Whether it comes from the same type.
    fn is_of_type_of(&self, other: &Self) -> bool {
        self.asks_the_same(other)
            && self.visitor == other.visitor
            && self.name == other.name
            && std::ptr::eq(self.names, other.names)
    }
}

pub(super) struct Node {
    pub(super) request: Request,
    pub(super) parts: Vec<Option<NodeId>>,
    /// How large each part is, in bytes, as whoever asks for it keeps it.
    pub(super) sizes: Vec<usize>,
    /// Which of the values that it could be given it is given.
    choice: usize,
    /// The same once it is explored.
    short_choice: usize,
    /// All the values that it could be given it has refused.
    refuses: bool,
    /// What is not known of it cannot be had.
    spent: bool,
    /// Of a struct with more names than fields: how many of its names each field has, so far.
    pub(super) names_of: Vec<usize>,
    /// A struct whose fields are given by name, since one of them refuses all values.
    by_name: bool,
    /// A variant that cannot hold its enum in the end.
    endless: bool,
}

impl Node {
    /// Whether it is known of each name of a struct which field it is of.
    pub(super) fn names_are_known(&self) -> bool {
        let names: usize = self.names_of.iter().sum();
        names == self.request.names.len() && self.names_of.len() == self.parts.len()
    }
}

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

    /// Whether something about the node is to be found out, other than by way of those that are open.
    pub(super) fn is_unexplored(&self, node: NodeId) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        for open in &self.open {
            seen[*open] = true;
        }
        let mut due = vec![node];
        while let Some(next) = due.pop() {
            if std::mem::replace(&mut seen[next], true) {
                continue;
            }
            if self.undecided(next).is_some() {
                return true;
            }
            for part in self.reachable(next) {
                match part {
                    None => return true,
                    Some(part) => due.push(*part),
                }
            }
        }
        false
    }

    /// The parts of a node that can be had.
    fn reachable(&self, node: NodeId) -> impl Iterator<Item = &Option<NodeId>> {
        let node = &self.nodes[node];
        // Behind one that refuses all values nothing can be had but by name.
        let end = if node.request.tag.is_only_in_order() {
            let refusing =
                |part: &Option<NodeId>| part.is_some_and(|part| self.nodes[part].refuses);
            node.parts
                .iter()
                .position(refusing)
                .map_or(node.parts.len(), |refusing| refusing + 1)
        } else {
            node.parts.len()
        };
        let spent = node.spent;
        node.parts[..end]
            .iter()
            .filter(move |part| part.is_some() || !spent)
    }

    pub(super) fn part_is_unexplored(&self, node: NodeId, part: usize) -> bool {
        match self.nodes[node].parts.get(part) {
            None => false,
            Some(None) => !self.nodes[node].spent,
            Some(Some(part)) => self.is_unexplored(*part),
        }
    }

    fn any_part_is_unexplored(&self, node: NodeId) -> bool {
        (0..self.nodes[node].parts.len()).any(|part| self.part_is_unexplored(node, part))
    }

    pub(super) fn choice(&self, node: NodeId) -> usize {
        self.nodes[node].choice
    }

    pub(super) fn is_by_name(&self, node: NodeId) -> bool {
        self.nodes[node].by_name
    }

    /// Whether an option is to have a value.
    pub(super) fn is_some(&self, node: NodeId) -> bool {
        self.nodes[node].choice == 0 && self.nested == 0 && self.any_part_is_unexplored(node)
    }

    /// How many elements a sequence or map is to have.
    pub(super) fn length(&self, node: NodeId) -> usize {
        if self.explores(node) {
            EXPLORED_LENGTHS[self.nodes[node].choice]
        } else {
            SHORT_LENGTHS[self.nodes[node].short_choice]
        }
    }

    fn explores(&self, node: NodeId) -> bool {
        self.nodes[node].choice < EXPLORED_LENGTHS.len()
            && self.nested == 0
            && self.any_part_is_unexplored(node)
    }

    /// The variant that an enum is to have.
    pub(super) fn variant(&mut self, node: NodeId) -> Option<usize> {
        let variants = 0..self.nodes[node].parts.len();
        if self.nested == 0 {
            let unknown = variants.clone().find(|variant| {
                self.nodes[node].parts[*variant].is_none() && !self.nodes[node].spent
            });
            let explored = || {
                variants
                    .clone()
                    .find(|variant| self.part_is_unexplored(node, *variant))
            };
            if let Some(variant) = unknown.or_else(explored) {
                return Some(variant);
            }
        } else if self.times_open(node) > 2 {
            // It came back to itself by way of a variant that was to be the end.
            let is_variant = |open: &&NodeId| self.nodes[**open].request.tag.is_variant();
            if let Some(variant) = self.open.iter().rev().find(is_variant).copied() {
                self.progress |= !self.nodes[variant].endless;
                self.nodes[variant].endless = true;
            }
            return None;
        }
        let ends = |variant: &usize| {
            self.nodes[node].parts[*variant].is_none_or(|variant| {
                let variant = &self.nodes[variant];
                !variant.refuses && !variant.endless
            })
        };
        let is_unit = |variant: &usize| {
            self.nodes[node].parts[*variant]
                .is_some_and(|variant| self.nodes[variant].request.tag == Tag::UnitVariant)
        };
        variants
            .clone()
            .filter(ends)
            .find(is_unit)
            .or_else(|| variants.clone().find(ends))
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

    /// Changes what is nearest to a failure and can be changed.
    fn vary(&mut self, path: &[NodeId]) -> bool {
        for (index, id) in path.iter().enumerate().rev() {
            let nested = (1..=index).any(|at| path[..at].contains(&path[at]));
            if !self.nodes[*id].refuses && *id != ROOT {
                self.vary_one(*id, path.get(index + 1).copied(), nested);
                return true;
            }
        }
        false
    }

    fn vary_one(&mut self, id: NodeId, within: Option<NodeId>, nested: bool) {
        let part_refuses = within.is_some_and(|within| self.nodes[within].refuses);
        let explores = !nested && self.any_part_is_unexplored(id);
        let node = &mut self.nodes[id];
        let tag = node.request.tag;
        let may_vary = if tag.has_parts() {
            tag != Tag::Option && node.choice < MOST_VARIATIONS && !part_refuses
        } else {
            node.choice + 1 < values::number(tag)
        };
        if tag == Tag::Enum {
            // Not because of what it holds: the next variant may do.
            self.vary_enum(id, within);
        } else if tag == Tag::Option && node.choice == 0 {
            node.choice = 1;
        } else if matches!(tag, Tag::Seq | Tag::Map) {
            if explores && node.choice < EXPLORED_LENGTHS.len() {
                node.choice += 1;
            } else if node.short_choice + 1 < SHORT_LENGTHS.len() {
                node.short_choice += 1;
            } else {
                node.refuses = true;
            }
        } else if matches!(tag, Tag::Struct | Tag::StructVariant) && part_refuses {
            node.by_name = true;
            node.refuses = true;
        } else if may_vary {
            node.choice += 1;
        } else {
            node.refuses = true;
        }
    }

    fn vary_enum(&mut self, id: NodeId, within: Option<NodeId>) {
        let refusing = within.or_else(|| {
            self.nodes[id]
                .parts
                .iter()
                .flatten()
                .copied()
                .find(|variant| !self.nodes[*variant].refuses)
        });
        let all_refuse = |graph: &Self| {
            let mut variants = graph.nodes[id].parts.iter().flatten();
            variants.all(|variant| graph.nodes[*variant].refuses || graph.nodes[*variant].endless)
        };
        if let Some(variant) = refusing {
            if self.nodes[variant].refuses && !all_refuse(self) {
                // Known already, and taken nevertheless: for what is to be found out within it.
                self.nodes[variant].spent = true;
                self.spend_below(variant);
                return;
            }
            self.nodes[variant].refuses = true;
        }
        if all_refuse(self) {
            self.nodes[id].refuses = true;
        }
    }

    /// What is unknown below a node that has brought nothing new stays unknown.
    fn spend_below(&mut self, node: NodeId) {
        let mut due = vec![node];
        let mut seen = vec![false; self.nodes.len()];
        while let Some(next) = due.pop() {
            if std::mem::replace(&mut seen[next], true) {
                continue;
            }
            self.nodes[next].spent = true;
            due.extend(self.nodes[next].parts.iter().flatten());
        }
    }
}
