use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

/// The name that figures are kept under, if none is given.
const BASE: &str = "base";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Help,
    RecordGuard,
    List(Options),
    Profile(Options),
    Measure(Options),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    extent: Extent,
    pub(super) filters: Vec<String>,
    pub(super) save: Option<String>,
    pub(super) compare: Option<String>,
    pub(super) json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Extent {
    Quick,
    #[default]
    Full,
}

impl Options {
    /// The arguments for each of the programs.
    pub(super) fn arguments(&self) -> Vec<&str> {
        let mut arguments = match self.extent {
            Extent::Quick => vec!["--quick"],
            Extent::Full => Vec::new(),
        };
        for filter in &self.filters {
            arguments.extend(["--filter", filter]);
        }
        arguments
    }
}

pub(super) fn parse(mut arguments: Parser) -> Result<Request, lexopt::Error> {
    let mut options = Options::default();
    let mut request: Option<fn(Options) -> Request> = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("record-guard") => request = Some(|_| Request::RecordGuard),
            Arg::Long("list") => request = Some(Request::List),
            Arg::Long("profile") => request = Some(Request::Profile),
            Arg::Long("quick") => options.extent = Extent::Quick,
            Arg::Long("filter") => options.filters.push(arguments.value()?.string()?),
            Arg::Long("save") => options.save = Some(name(&mut arguments)?),
            Arg::Long("compare") => options.compare = Some(name(&mut arguments)?),
            Arg::Long("json") => options.json = Some(PathBuf::from(arguments.value()?)),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(request.unwrap_or(Request::Measure)(options))
}

/// The name behind an option that can do without.
fn name(arguments: &mut Parser) -> Result<String, lexopt::Error> {
    let given = match arguments.optional_value() {
        Some(attached) => Some(attached),
        None => arguments
            .raw_args()?
            .next_if(|next| !next.as_encoded_bytes().starts_with(b"-")),
    };
    let name = match given {
        Some(name) => name.string()?,
        None => BASE.to_owned(),
    };
    // It becomes the name of a file.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!("{name:?} is not a name: letters, digits, `-`, `_`, `.`").into());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Request, String> {
        parse(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    fn measured(arguments: &[&str]) -> Options {
        match parsed(arguments) {
            Ok(Request::Measure(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_can_be_left_out() {
        let options = measured(&["--save", "--compare", "before", "--quick"]);
        assert_eq!(options.save.as_deref(), Some("base"));
        assert_eq!(options.compare.as_deref(), Some("before"));
        assert_eq!(options.arguments(), ["--quick"]);
        assert_eq!(measured(&["--save=now"]).save.as_deref(), Some("now"));
    }

    #[test]
    fn names_are_no_paths() {
        for name in ["../there", ".", "a/b", "a b"] {
            assert!(parsed(&["--save", name]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_profile_is_of_what_the_filters_select() {
        let Ok(Request::Profile(options)) = parsed(&["--profile", "--filter", "hit/"]) else {
            panic!("not a profile");
        };
        assert_eq!(options.arguments(), ["--filter", "hit/"]);
    }

    #[test]
    fn filters_are_passed_on() {
        let options = measured(&["--filter", "hit/", "--filter=1 KB"]);
        let expected = ["--filter", "hit/", "--filter", "1 KB"];
        assert_eq!(options.arguments(), expected);
        assert!(parsed(&["hit"]).is_err());
    }
}
