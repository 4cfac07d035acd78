use serde_json::{Value, json};

/// What the ratio of an operation to its floor is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// For what costs.
    AtMost(f64),
    /// For throughput.
    AtLeast(f64),
}

/// What a case is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    ratio: Bound,
    allocations: Option<u32>,
}

impl Target {
    /// A ratio to the floor of `most` or less.
    #[must_use]
    pub const fn at_most(most: f64) -> Self {
        Self {
            ratio: Bound::AtMost(most),
            allocations: None,
        }
    }

    /// A ratio to the floor of `least` or more.
    #[must_use]
    pub const fn at_least(least: f64) -> Self {
        Self {
            ratio: Bound::AtLeast(least),
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
        let mut target = match self.ratio {
            Bound::AtMost(most) => json!({ "at_most": most }),
            Bound::AtLeast(least) => json!({ "at_least": least }),
        };
        if let Some(allocations) = self.allocations {
            target["allocations"] = json!(allocations);
        }
        target
    }
}
