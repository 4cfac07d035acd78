//! The fingerprint of a graph: the same for types that read the same, however they are written.

use std::collections::BTreeMap;

use super::{Node, NodeId, fnv::Fnv, tag::Tag};

/// Stands in a fingerprint for what has been hashed before.
const BEFORE: u8 = 0;

/// The fingerprint of what begins at `root`; never 0, which stands for "not known".
pub(super) fn fingerprint(nodes: &[Node], root: NodeId) -> u64 {
    let classes = classes(nodes);
    let mut walk = Walk {
        nodes,
        classes: &classes,
        seen: BTreeMap::new(),
        hash: Fnv::START,
    };
    walk.hash(root);
    walk.hash.digest()
}

/// A number for each node: the same for nodes that cannot be told apart, however far one goes.
///
/// Begins with what each says by itself, and divides what differs in its parts until nothing does.
fn classes(nodes: &[Node]) -> Vec<usize> {
    let mut classes = vec![0; nodes.len()];
    let mut number = 0;
    loop {
        let mut known = BTreeMap::new();
        let divided: Vec<usize> = nodes
            .iter()
            .enumerate()
            .map(|(id, node)| {
                let parts: Vec<usize> = node.parts.iter().map(|part| classes[*part]).collect();
                let next = known.len();
                *known
                    .entry((classes[id], node.tag, node.names, &node.names_of, parts))
                    .or_insert(next)
            })
            .collect();
        let divided_into = known.len();
        classes = divided;
        if divided_into == number {
            return classes;
        }
        number = divided_into;
    }
}

struct Walk<'a> {
    nodes: &'a [Node],
    classes: &'a [usize],
    /// The classes that have been hashed, and in which place.
    seen: BTreeMap<usize, usize>,
    hash: Fnv,
}

impl Walk<'_> {
    fn hash(&mut self, id: NodeId) {
        let node = &self.nodes[id];
        if node.tag.has_parts() {
            let place = self.seen.len();
            if let Some(before) = self.seen.get(&self.classes[id]) {
                self.hash.bytes(&[BEFORE]);
                self.hash.number(*before);
                return;
            }
            self.seen.insert(self.classes[id], place);
        }
        self.hash.bytes(&[node.tag as u8]);
        let has_names = matches!(node.tag, Tag::Struct | Tag::StructVariant | Tag::Enum);
        if has_names {
            self.hash.names(node.names);
        }
        if has_names || matches!(node.tag, Tag::Tuple | Tag::TupleVariant) {
            self.hash.number(node.parts.len());
        }
        for names in &node.names_of {
            self.hash.number(*names);
        }
        for part in &node.parts {
            self.hash(*part);
        }
    }
}
