use std::collections::BTreeSet;

use super::case::{Case, CaseId};

/// Which cases to run. The default is all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Any of these pairs; all if there is none.
    pub(super) pairs: Vec<String>,
    /// Texts that must all occur in a case's name.
    pub(super) filters: Vec<String>,
    pub(super) adapter_tests: AdapterTests,
}

/// Whether the adapters' own tests are among the cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AdapterTests {
    #[default]
    Included,
    /// Something else runs them: they are tests that cargo knows.
    LeftOut,
}

impl Selection {
    /// Whether any case of this pair or adapter may be asked for.
    pub(super) fn takes(&self, pair: &str) -> bool {
        self.pairs.is_empty() || self.pairs.iter().any(|wanted| wanted == pair)
    }

    /// Drops the cases that do not match.
    pub(super) fn retain(&self, cases: &mut Vec<Case>) {
        cases.retain(|case| self.matches(&case.id));
    }

    /// # Errors
    ///
    /// A message if a pair is asked for that is not one of these.
    pub(super) fn check_pairs<'p>(
        &self,
        known: impl Iterator<Item = &'p str>,
    ) -> Result<(), String> {
        let known: BTreeSet<_> = known.collect();
        match self
            .pairs
            .iter()
            .find(|pair| !known.contains(pair.as_str()))
        {
            None => Ok(()),
            Some(pair) => {
                let known: Vec<_> = known.into_iter().collect();
                let known = known.join(", ");
                Err(format!("there is no pair {pair:?}; the pairs are: {known}"))
            }
        }
    }

    fn matches(&self, id: &CaseId) -> bool {
        let name = id.to_string();
        self.takes(&id.pair) && self.filters.iter().all(|text| name.contains(text))
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
                        scenario: "an expired value is a miss".into(),
                    },
                    adapters: Vec::new(),
                    run: Box::new(|_| Box::pin(async { Ok(()) })),
                });
            }
        }
        cases
    }

    fn selected(pairs: &[&str], filters: &[&str]) -> Vec<String> {
        let selection = Selection {
            pairs: pairs.iter().map(ToString::to_string).collect(),
            filters: filters.iter().map(ToString::to_string).collect(),
            adapter_tests: AdapterTests::Included,
        };
        let mut cases = cases();
        selection.retain(&mut cases);
        cases.iter().map(|case| case.id.to_string()).collect()
    }

    #[test]
    fn pairs_are_alternatives_and_filters_must_all_occur() {
        assert_eq!(selected(&[], &[]).len(), 4);
        assert_eq!(selected(&["sled+moka"], &[]).len(), 2);
        assert_eq!(selected(&["sled+moka", "moka+sled"], &[]).len(), 4);
        let one = "moka+sled/sequential/race/typed/an expired value is a miss";
        assert_eq!(
            selected(&["moka+sled"], &["/sequential/", "expired"]),
            [one]
        );
        assert_eq!(selected(&[], &["+sled/sequential/race"]), [one]);
        assert!(selected(&[], &["race", "absent"]).is_empty());
    }

    #[test]
    fn a_pair_that_does_not_exist_is_answered_with_those_that_do() {
        let selection = Selection {
            pairs: vec!["moka+redis".into()],
            ..Selection::default()
        };
        let error = selection.check_pairs(["sled+moka", "moka+sled"].into_iter());
        let error = error.unwrap_err();
        assert!(error.ends_with("moka+sled, sled+moka"), "{error}");
        assert!(selection.check_pairs(["moka+redis"].into_iter()).is_ok());
    }
}
