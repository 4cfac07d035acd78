use lexopt::{Arg, Parser, ValueExt};

use crate::Case;

/// How long to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// A few of the cases, with fewer samples.
    Quick,
    /// Every case.
    #[default]
    Full,
}

/// Which cases to measure, and how long: the arguments of every program here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    extent: Extent,
    questions: Vec<String>,
    filters: Vec<String>,
    request: Request,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Request {
    #[default]
    Measure,
    List,
}

impl Selection {
    /// Reads `--quick`, `--list`, `--question NAME` and `--filter TEXT`; of the last two there may be
    /// several.
    ///
    /// # Errors
    ///
    /// For any other argument.
    pub fn parse(mut arguments: Parser) -> Result<Self, lexopt::Error> {
        let mut selection = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("quick") => selection.extent = Extent::Quick,
                Arg::Long("list") => selection.request = Request::List,
                Arg::Long("question") => selection.questions.push(arguments.value()?.string()?),
                Arg::Long("filter") => selection.filters.push(arguments.value()?.string()?),
                // `cargo bench` passes it.
                Arg::Long("bench") => {}
                Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
            }
        }
        Ok(selection)
    }

    /// How long to measure.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        self.extent
    }

    /// Whether the names of the cases are asked for, and not their figures.
    #[must_use]
    pub fn lists(&self) -> bool {
        self.request == Request::List
    }

    pub(crate) const fn request(&self) -> Request {
        self.request
    }

    /// Whether the case belongs to the extent and to one of the questions, if any is named, and its name
    /// contains every filter.
    #[must_use]
    pub fn takes(&self, case: &Case) -> bool {
        let part = match self.extent {
            Extent::Quick => case.is_quick(),
            Extent::Full => true,
        };
        let question = case.name().split('/').next().unwrap_or_default();
        let asked = self.questions.is_empty() || self.questions.iter().any(|name| name == question);
        part && asked && self.filters.iter().all(|text| case.name().contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    #[test]
    fn arguments_select_cases() {
        let arguments = ["--bench", "--quick", "--filter", "moka", "--filter=1 KB"];
        let selection = Selection::parse(Parser::from_args(arguments)).unwrap();
        assert_eq!(selection.extent(), Extent::Quick);
        assert_eq!(selection.filters, ["moka", "1 KB"]);
        assert!(Selection::parse(Parser::from_args(["moka"])).is_err());
    }

    #[test]
    fn a_question_is_the_first_part_of_a_name_and_no_other() {
        let case = |name: &str| Case::measured(name, Unit::Count, |_| Ok(Vec::new()));
        let arguments = ["--question", "hit", "--filter", "L1"];
        let selection = Selection::parse(Parser::from_args(arguments)).unwrap();
        assert!(selection.takes(&case("hit/race, L1 hit")));
        assert!(!selection.takes(&case("hit/sequential")));
        assert!(!selection.takes(&case("refill/L1 miss, L2 hit")));
    }
}
