//! How much memory the decoder accounts for, part by part. It is the account of `format::bounded`, which
//! the sizes of a type's parts decide, and so is known before there is a value.

use super::{
    NodeId,
    graph::{Graph, Node},
    tag::Tag,
};
use crate::format::bounded::ENTRY_OVERHEAD;

/// What the decoder accounts for in one request, in bytes.
pub(super) struct Memory {
    /// For each of its parts.
    pub(super) parts: Vec<usize>,
    /// When it asks for an element behind the last one.
    pub(super) end: usize,
    /// The most of these, in whatever order the parts come.
    pub(super) most: usize,
}

/// Of the parts of a request, each as far as the next request that is no newtype.
pub(super) fn of_parts(graph: &Graph, id: NodeId) -> Memory {
    let node = &graph.nodes[id];
    let mut place_left = node.request.size;
    let mut memory = Memory {
        parts: Vec::with_capacity(node.parts.len()),
        end: 0,
        most: 0,
    };
    for (part, (next, size)) in node.parts.iter().zip(&node.sizes).enumerate() {
        let tag = node.request.tag;
        let (element, place) = if tag == Tag::Map && part == 0 {
            let size = size.saturating_add(ENTRY_OVERHEAD);
            (size, size)
        } else if matches!(tag, Tag::Seq | Tag::Map) {
            (*size, *size)
        } else if tag == Tag::NewtypeVariant {
            (0, *size)
        } else if tag == Tag::Tuple || tag == Tag::TupleVariant || tag.has_field_names() {
            let fits = place_left.checked_sub(*size);
            place_left = fits.unwrap_or(place_left);
            (if fits.is_some() { 0 } else { *size }, *size)
        } else {
            // What it holds goes where it is itself.
            (0, node.request.size)
        };
        let held = next.map_or(0, |next| on_the_way(graph, next, place));
        memory.parts.push(element.saturating_add(held));
        let most = element.max(*size).saturating_add(held);
        memory.most = memory.most.max(most);
        if matches!(tag, Tag::Seq | Tag::Map) && part == 0 {
            memory.end = element;
        }
    }
    memory
}

/// For a value that goes into a place of this size, and for what it is a newtype of.
fn on_the_way(graph: &Graph, mut id: NodeId, mut place: usize) -> usize {
    let mut memory: usize = 0;
    for _ in 0..=graph.nodes.len() {
        let node = &graph.nodes[id];
        let size = size_in_place(node);
        if size > place {
            memory = memory.saturating_add(size);
        }
        place = size;
        let held = node.parts.first().copied().flatten();
        let Some(held) = held.filter(|_| node.request.tag == Tag::Newtype) else {
            break;
        };
        id = held;
    }
    memory
}

fn size_in_place(node: &Node) -> usize {
    // A newtype variant has no visitor of its own.
    if node.request.tag == Tag::NewtypeVariant {
        node.sizes.first().copied().unwrap_or_default()
    } else {
        node.request.size
    }
}
