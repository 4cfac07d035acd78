use xtask::table::Table;

use super::{case::Ended, outcomes::Tally};

/// The table of all outcomes: a row for each pair and read policy, a column for each write policy.
/// A cell is `passed/failed`.
///
/// Both policies as columns would not fit on a terminal.
pub(super) fn render(ended: &[Ended]) -> String {
    let rows = distinct(ended.iter().map(|one| (one.id.pair.as_str(), one.id.read)));
    let columns = distinct(ended.iter().map(|one| one.id.write));
    let mut table = Table::new(["pair", "read \\ write"].iter().chain(&columns).copied(), 2);
    for (pair, read) in rows {
        let cells = columns.iter().map(|write| {
            let of_cell = ended
                .iter()
                .filter(|one| one.id.pair == pair && one.id.read == read && one.id.write == *write);
            cell(Tally::of(of_cell))
        });
        table.push([pair.to_owned(), read.to_owned()].into_iter().chain(cells));
    }
    table.render()
}

fn cell(tally: Tally) -> String {
    match tally {
        Tally {
            passed: 0,
            failed: 0,
        } => "-".into(),
        Tally { passed, failed } => format!("{passed}/{failed}"),
    }
}

/// Each item once, in the order of its first appearance.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::case::CaseId, *};

    fn ended(pair: &str, read: &'static str, write: &'static str, passed: bool) -> Ended {
        Ended {
            id: CaseId {
                pair: pair.into(),
                read,
                write,
                mode: "typed",
                scenario: "round trip".into(),
            },
            outcome: if passed { Ok(()) } else { Err("why".into()) },
            took: Duration::ZERO,
        }
    }

    #[test]
    fn outcomes_are_counted_in_the_cell_of_their_pair_and_policies() {
        let all = [
            ended("moka+sled", "sequential", "strict", true),
            ended("moka+sled", "sequential", "strict", true),
            ended("moka+sled", "sequential", "optimistic", true),
            ended("moka+sled", "race", "strict", false),
            ended("sled+moka", "sequential", "strict", true),
            ended("sled+moka", "sequential", "strict", false),
        ];
        let expected = "\
pair       read \\ write  strict  optimistic
-------------------------------------------
moka+sled  sequential       2/0         1/0
moka+sled  race             0/1           -
sled+moka  sequential       1/1           -
";
        assert_eq!(render(&all), expected);
    }
}
