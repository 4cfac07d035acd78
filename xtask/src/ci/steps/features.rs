use xtask::{Failure, workspace::Library};

use super::{Report, Session, command};
use crate::ci::Outcome;

/// Checks each library with each of its features alone.
///
/// With clippy rather than `cargo check`: it costs the same, and it turns into failures the unused
/// imports and dead code that only show when a feature is off.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let mut builds = 0;
    for library in session.workspace.libraries() {
        for selection in selections(&library) {
            let mut command = session.workspace.cargo(&["clippy", "--quiet", "--lib"]);
            command.args(["--package", &library.name]).args(selection);
            let report = command::run(command.args(["--", "-D", "warnings"]))?;
            if report.outcome != Outcome::Passed {
                return Ok(report);
            }
            builds += 1;
        }
    }
    Ok(Report::passed().with_note(format!("{builds} builds")))
}

/// The arguments that select no feature, each alone, and all.
fn selections(library: &Library) -> Vec<Vec<&str>> {
    let alone = |feature| vec!["--no-default-features", "--features", feature];
    let mut selections = vec![vec!["--no-default-features"]];
    selections.extend(library.features.iter().map(|feature| alone(feature)));
    if library.features.len() > 1 {
        selections.push(vec!["--all-features"]);
    }
    selections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(features: &[&str]) -> Vec<String> {
        let library = Library {
            root: "lib.rs".into(),
            name: "cache".into(),
            features: features.iter().map(ToString::to_string).collect(),
        };
        let selections = selections(&library);
        selections.iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn no_feature_each_alone_and_all() {
        let expected = [
            "--no-default-features",
            "--no-default-features --features json",
            "--no-default-features --features zstd",
            "--all-features",
        ];
        assert_eq!(selected(&["json", "zstd"]), expected);
    }

    #[test]
    fn nothing_is_built_twice() {
        assert_eq!(selected(&[]), ["--no-default-features"]);
        assert_eq!(selected(&["json"]).len(), 2);
    }
}
