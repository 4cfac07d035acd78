use serde_json::{Value, json};

/// What an operation is to be beside its floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// For what costs.
    AtMost(f64),
    /// For throughput.
    AtLeast(f64),
    /// For counts: what the floor says in each sample, and nothing else. A floor of zero has no ratio.
    Exactly,
}

/// What a case is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    bound: Bound,
    allocations: Option<u32>,
}

impl Target {
    /// A ratio to the floor of `most` or less.
    #[must_use]
    pub const fn at_most(most: f64) -> Self {
        Self {
            bound: Bound::AtMost(most),
            allocations: None,
        }
    }

    /// A ratio to the floor of `least` or more.
    #[must_use]
    pub const fn at_least(least: f64) -> Self {
        Self {
            bound: Bound::AtLeast(least),
            allocations: None,
        }
    }

    /// As many as the floor says: fewer is wrong, too.
    #[must_use]
    pub const fn exactly() -> Self {
        Self {
            bound: Bound::Exactly,
            allocations: None,
        }
    }

    /// And no more than this many allocations for an operation.
    #[must_use]
    pub const fn allocations(mut self, most: u32) -> Self {
        self.allocations = Some(most);
        self
    }

    pub(crate) fn to_json(self) -> Value {
        let mut target = match self.bound {
            Bound::AtMost(most) => json!({ "at_most": most }),
            Bound::AtLeast(least) => json!({ "at_least": least }),
            Bound::Exactly => json!({ "exactly": true }),
        };
        if let Some(allocations) = self.allocations {
            target["allocations"] = json!(allocations);
        }
        target
    }
}
