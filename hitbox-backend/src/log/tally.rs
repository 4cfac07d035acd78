use std::fmt;

/// How often each kind of event has happened: `read unavailable x 998, write timeout x 2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally<K>(Vec<(K, u64)>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Tally<K> {
    pub(crate) fn add(&mut self, kind: K) {
        // There are few kinds.
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.0.push((kind, 1)),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl<K: fmt::Display> fmt::Display for Tally<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{kind} x {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl<K> Tally<K> {
    pub(super) fn of(kind: K, count: u64) -> Self {
        Self(vec![(kind, count)])
    }
}
