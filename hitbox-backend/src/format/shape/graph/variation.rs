//! What is answered otherwise once it was refused.

use super::{
    Graph, NodeId, ROOT,
    choice::{EXPLORED_LENGTHS, SHORT_LENGTHS},
};
use crate::format::shape::{tag::Tag, values};

/// How often the values within a compound are changed that refuses them.
const MOST_VARIATIONS: usize = 4;

impl Graph {
    /// Changes what is nearest to a failure and can be changed.
    pub(super) fn vary(&mut self, path: &[NodeId]) -> bool {
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
