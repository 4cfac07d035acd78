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
    /// Reads `--quick`, `--list` and `--filter TEXT`, of which there may be several.
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

    pub(crate) const fn request(&self) -> Request {
        self.request
    }

    /// Whether the case belongs to the extent, and its name contains every filter.
    #[must_use]
    pub fn takes(&self, case: &Case) -> bool {
        let part = match self.extent {
            Extent::Quick => case.is_quick(),
            Extent::Full => true,
        };
        part && self.filters.iter().all(|text| case.name().contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_select_cases() {
        let arguments = ["--bench", "--quick", "--filter", "moka", "--filter=1 KB"];
        let selection = Selection::parse(Parser::from_args(arguments)).unwrap();
        assert_eq!(selection.extent(), Extent::Quick);
        assert_eq!(selection.filters, ["moka", "1 KB"]);
        assert!(Selection::parse(Parser::from_args(["moka"])).is_err());
    }
}
