//! The shape of a type: all that it asks for when it is deserialized, to the end.
//!
//! It is traced by letting the type deserialize itself from made-up values, until each variant of
//! each enum in it has been seen. So it is what a payload is going to be read as, whatever the type
//! is called: two services may give the same data different names.
//!
//! What is hashed of it is part of the stored form (`docs/stored-form.md`).

mod access;
mod canon;
mod description;
mod fnv;
mod graph;
mod memory;
mod probe;
mod tag;
mod values;

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::de::DeserializeOwned;

pub(super) use description::{Aliased, Node, NodeId, Readable, Shape, Untraced, Why};
pub(super) use fnv::Fnv;
use graph::{Graph, ROOT};
use probe::Probe;
pub(super) use tag::Tag;

/// More than any type needs: each pass finds something new.
const MOST_PASSES: usize = 20_000;

/// The shape of `T`.
///
/// # Errors
///
/// [`Untraced`] if it could not be traced to its end.
pub(super) fn of<T: DeserializeOwned>(readable: Readable) -> Result<Shape, Untraced> {
    let graph = RefCell::new(Graph::new());
    for _ in 0..MOST_PASSES {
        graph.borrow_mut().begin_pass();
        let probe = Probe {
            graph: &graph,
            place: (ROOT, 0),
            variation: 0,
            readable,
        };
        // The type's own code meets values that it may not have expected. Nothing of it is kept.
        let outcome = catch_unwind(AssertUnwindSafe(|| T::deserialize(probe).map(drop)));
        let Ok(outcome) = outcome else {
            return Err(untraced(&graph.borrow(), Why::Refuses));
        };
        let mut graph = graph.borrow_mut();
        if outcome.is_err() {
            graph.fail_at((ROOT, 0));
        }
        if !graph.end_pass() {
            return finished(&graph).ok_or_else(|| untraced(&graph, unfinished(&graph)));
        }
    }
    Err(untraced(&graph.borrow(), Why::Refuses))
}

fn untraced(graph: &Graph, why: Why) -> Untraced {
    let has_aliases = |node: &&graph::Node| {
        node.request.tag.has_field_names() && !node.names_of.is_empty() && node.names_are_known()
    };
    let of_struct = |node: &graph::Node| Aliased {
        names: node.request.names,
        fields: node.parts.len(),
    };
    Untraced {
        why,
        aliased: graph
            .nodes
            .iter()
            .filter(has_aliases)
            .map(of_struct)
            .collect(),
    }
}

fn unfinished(graph: &Graph) -> Why {
    let mut tags = graph.nodes.iter().map(|node| node.request.tag);
    if tags.any(Tag::looks_at_what_is_there) {
        Why::DecodesByLooking
    } else {
        Why::Refuses
    }
}

/// The graph without newtypes, if nothing in it is unknown.
fn finished(graph: &Graph) -> Option<Shape> {
    if graph.given_up {
        return None;
    }
    let root = resolved(graph, ROOT)?;
    let mut due = vec![root];
    let mut places = vec![None; graph.nodes.len()];
    let mut order = Vec::new();
    while let Some(id) = due.pop() {
        if places[id].is_some() {
            continue;
        }
        places[id] = Some(order.len());
        order.push(id);
        for part in &graph.nodes[id].parts {
            due.push(resolved_part(graph, *part)?);
        }
    }
    let mut most_memory = 0;
    let nodes: Option<Vec<Node>> = order
        .into_iter()
        .map(|id| {
            let node = &graph.nodes[id];
            let tag = node.request.tag;
            let has_one_name_each = node.parts.len() == node.request.names.len();
            // Of some variants that have several names it is not known which.
            let known = if tag == Tag::Enum {
                has_one_name_each && !node.parts.is_empty()
            } else {
                !tag.has_field_names() || has_one_name_each || node.names_are_known()
            };
            let parts: Option<Vec<NodeId>> = node
                .parts
                .iter()
                .map(|part| places[resolved_part(graph, *part)?])
                .collect();
            let memory = memory::of_parts(graph, id);
            most_memory = memory.most.max(most_memory);
            Some(Node {
                tag: known.then_some(tag)?,
                names: node.request.names,
                names_of: node.names_of.clone(),
                parts: parts?,
                memory: memory.parts,
                memory_of_end: memory.end,
            })
        })
        .collect();
    let nodes = nodes?;
    let root = places[root]?;
    let looks = nodes.iter().any(|node| node.tag.looks_at_what_is_there());
    Some(Shape {
        fingerprint: canon::fingerprint(&nodes, root),
        nodes,
        root,
        memory: memory::of_parts(graph, ROOT).parts.iter().sum(),
        most_memory: (!looks).then_some(most_memory),
    })
}

fn resolved_part(graph: &Graph, part: Option<NodeId>) -> Option<NodeId> {
    resolved(graph, part?)
}

/// What a newtype holds, in the end; `None` if that is itself.
fn resolved(graph: &Graph, mut id: NodeId) -> Option<NodeId> {
    for _ in 0..=graph.nodes.len() {
        let node = graph.nodes.get(id)?;
        if !matches!(node.request.tag, Tag::Newtype | Tag::Root) {
            return Some(id);
        }
        id = (*node.parts.first()?)?;
    }
    None
}

#[cfg(test)]
mod tests;
