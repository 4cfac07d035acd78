//! What a request is answered with: as much as it takes to see what is not known yet.

use super::{Graph, NodeId};
use crate::format::shape::tag::Tag;

/// How many elements a sequence or map is given: two while it is explored, so that they can be seen
/// to be alike; and none afterwards, where that is enough.
pub(super) const EXPLORED_LENGTHS: [usize; 4] = [2, 1, 3, 4];
pub(super) const SHORT_LENGTHS: [usize; 6] = [0, 1, 2, 3, 4, 16];

impl Graph {
    /// Whether something about the node is to be found out, other than by way of those that are open.
    pub(in crate::format::shape) fn is_unexplored(&self, node: NodeId) -> bool {
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

    pub(in crate::format::shape) fn part_is_unexplored(&self, node: NodeId, part: usize) -> bool {
        match self.nodes[node].parts.get(part) {
            None => false,
            Some(None) => !self.nodes[node].spent,
            Some(Some(part)) => self.is_unexplored(*part),
        }
    }

    pub(super) fn any_part_is_unexplored(&self, node: NodeId) -> bool {
        (0..self.nodes[node].parts.len()).any(|part| self.part_is_unexplored(node, part))
    }

    pub(in crate::format::shape) fn choice(&self, node: NodeId) -> usize {
        self.nodes[node].choice
    }

    pub(in crate::format::shape) fn is_by_name(&self, node: NodeId) -> bool {
        self.nodes[node].by_name
    }

    /// Whether an option is to have a value.
    pub(in crate::format::shape) fn is_some(&self, node: NodeId) -> bool {
        self.nodes[node].choice == 0 && self.nested == 0 && self.any_part_is_unexplored(node)
    }

    /// How many elements a sequence or map is to have.
    pub(in crate::format::shape) fn length(&self, node: NodeId) -> usize {
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
    pub(in crate::format::shape) fn variant(&mut self, node: NodeId) -> Option<usize> {
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
}
