use std::collections::BTreeSet;

use super::case::{Case, CaseId};

/// Which cases to run. The default is all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Any of these pairs; all if there is none.
    pub(super) pairs: Vec<String>,
    /// Texts that must all occur in a case's name.
    pub(super) filters: Vec<String>,
}

impl Selection {
    /// The cases that match.
    ///
    /// # Errors
    ///
    /// A message if nothing matches: a run of no case must not look like a run without failures.
    pub(super) fn select(&self, cases: Vec<Case>) -> Result<Vec<Case>, String> {
        let known: BTreeSet<_> = cases.iter().map(|case| case.id.pair.clone()).collect();
        if let Some(pair) = self.pairs.iter().find(|pair| !known.contains(*pair)) {
            let known: Vec<_> = known.into_iter().collect();
            let known = known.join(", ");
            return Err(format!("there is no pair {pair:?}; the pairs are: {known}"));
        }
        let selected: Vec<_> = cases
            .into_iter()
            .filter(|case| self.matches(&case.id))
            .collect();
        if selected.is_empty() {
            return Err("no case matches; --list names them".into());
        }
        Ok(selected)
    }

    fn matches(&self, id: &CaseId) -> bool {
        let name = id.to_string();
        (self.pairs.is_empty() || self.pairs.contains(&id.pair))
            && self.filters.iter().all(|text| name.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for pair in ["moka+sled", "sled+moka"] {
            for read in ["sequential", "race"] {
                cases.push(Case {
                    id: CaseId {
                        pair: pair.into(),
                        read,
                        write: "race",
                        mode: "typed",
                        scenario: "an expired value is a miss",
                    },
                    run: Box::new(|| Box::pin(async { Ok(()) })),
                });
            }
        }
        cases
    }

    fn selected(pairs: &[&str], filters: &[&str]) -> Result<Vec<String>, String> {
        let selection = Selection {
            pairs: pairs.iter().map(ToString::to_string).collect(),
            filters: filters.iter().map(ToString::to_string).collect(),
        };
        let cases = selection.select(cases())?;
        Ok(cases.iter().map(|case| case.id.to_string()).collect())
    }

    #[test]
    fn pairs_are_alternatives_and_filters_must_all_occur() {
        assert_eq!(selected(&[], &[]).unwrap().len(), 4);
        assert_eq!(selected(&["sled+moka"], &[]).unwrap().len(), 2);
        assert_eq!(selected(&["sled+moka", "moka+sled"], &[]).unwrap().len(), 4);
        let one = "moka+sled/sequential/race/typed/an expired value is a miss";
        assert_eq!(
            selected(&["moka+sled"], &["/sequential/", "expired"]).unwrap(),
            [one]
        );
        assert_eq!(selected(&[], &["+sled/sequential/race"]).unwrap(), [one]);
    }

    #[test]
    fn selecting_nothing_is_an_error() {
        let error = selected(&["moka+redis"], &[]).unwrap_err();
        assert!(error.ends_with("moka+sled, sled+moka"), "{error}");
        assert!(selected(&[], &["race", "absent"]).is_err());
        assert!(Selection::default().select(Vec::new()).is_err());
    }
}
