//! Where the instructions of an operation go: to which library, and to which part of this one; and how often
//! the processor's first cache has not got what is needed next, as callgrind simulates it.

mod counts;
mod part;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::Path,
};

use super::callgrind::{self, Side, Times};
use crate::{Case, Failure, Selection};

/// Parts with less than this share of the operation, and of the floor, are printed as one.
const SMALL: f64 = 0.004;

/// Fewer than where only the sum is asked for: the caches are simulated as well, and some operations are
/// many times as long as a hit.
const TIMES: Times = Times {
    // More than there are keys: what is kept with a key is made when that is first used.
    before: 4_608,
    counted: 2_048,
};

/// What the counts are written by, and how.
const OPTIONS: [&str; 3] = [
    "--compress-strings=no",
    "--compress-pos=no",
    "--cache-sim=yes",
];

/// What one operation takes.
#[derive(Debug, Default)]
struct Profile {
    /// Instructions, by part.
    parts: BTreeMap<String, f64>,
    /// How often code was not in the first cache.
    misses_of_code: f64,
    /// How often data were not.
    misses_of_data: f64,
}

/// Prints a table for each of the cases that the arguments select. It says files, and so parts, only
/// if the program was built with the lines of its source.
///
/// # Errors
///
/// What the operations return, whatever keeps valgrind from running them, and that there is none.
pub fn answer(cases: &[Case]) -> Result<(), Failure> {
    if let Some(asked) = callgrind::asked()? {
        return callgrind::carry_out(cases, &asked, TIMES);
    }
    let selection = Selection::parse(lexopt::Parser::from_env())?;
    let taken = cases.iter().filter(|case| selection.takes(case));
    let mut output = io::stdout().lock();
    if selection.lists() {
        for case in taken {
            writeln!(output, "{}", case.name())?;
        }
        return Ok(());
    }
    if !callgrind::is_there() {
        return Err("no valgrind: there is nothing to count instructions with".into());
    }
    let directory = tempfile::tempdir()?;
    for case in taken {
        if let Some(sides) = profiles(case, directory.path())? {
            write!(output, "{}", table(case.name(), &sides))?;
        }
    }
    Ok(())
}

/// Ours and the floor's; `None` of a case that is not two operations.
fn profiles(case: &Case, directory: &Path) -> Result<Option<[Profile; 2]>, Failure> {
    if !case.is_contest() {
        return Ok(None);
    }
    let files = ["ours", "floor"].map(|name| directory.join(name));
    let [ours, floor] = &files;
    // One after the other: those who wait for a server are counted while they do.
    callgrind::end(callgrind::start(Side::Ours, case, ours, &OPTIONS)?)?;
    callgrind::end(callgrind::start(Side::Floor, case, floor, &OPTIONS)?)?;
    let [ours, floor] = files.map(|file| Ok::<_, Failure>(of_one(&fs::read_to_string(file)?)));
    Ok(Some([ours?, floor?]))
}

fn of_one(counts: &str) -> Profile {
    let of_one = |count: u64| count as f64 / TIMES.counted as f64;
    let mut profile = Profile::default();
    for (place, count) in counts::parse(counts) {
        *profile.parts.entry(part::of(&place)).or_default() += of_one(count);
    }
    for (event, count) in counts::totals(counts) {
        match event {
            "I1mr" => profile.misses_of_code = of_one(count),
            "D1mr" | "D1mw" => profile.misses_of_data += of_one(count),
            _ => {}
        }
    }
    profile
}

fn table(name: &str, sides: &[Profile; 2]) -> String {
    let totals = sides
        .each_ref()
        .map(|side| side.parts.values().sum::<f64>());
    let parts: BTreeSet<_> = sides.iter().flat_map(|side| side.parts.keys()).collect();
    let of = |part: &str| {
        sides
            .each_ref()
            .map(|side| side.parts.get(part).copied().unwrap_or(0.0))
    };
    let (mut rows, mut rest) = (Vec::new(), [0.0; 2]);
    for part in parts {
        let counts = of(part);
        let is_small = |side: usize| counts[side] <= SMALL * totals[side];
        if is_small(0) && is_small(1) {
            rest = [rest[0] + counts[0], rest[1] + counts[1]];
        } else {
            rows.push((part.as_str(), counts));
        }
    }
    rows.sort_by(|(_, one), (_, two)| (two[0] - two[1]).total_cmp(&(one[0] - one[1])));
    rows.push(("the rest", rest));
    rows.push(("together", totals));
    rows.push((
        "code not in the first cache, times",
        sides.each_ref().map(|side| side.misses_of_code),
    ));
    rows.push((
        "data not in the first cache, times",
        sides.each_ref().map(|side| side.misses_of_data),
    ));
    let mut table = format!("{name}: instructions of one\n");
    table.push_str(&format!(
        "  {:44} {:>9} {:>9} {:>9}\n",
        "", "ours", "floor", "more"
    ));
    for (part, [ours, floor]) in rows {
        let more = ours - floor;
        table.push_str(&format!("  {part:44} {ours:9.0} {floor:9.0} {more:9.0}\n"));
    }
    table.push('\n');
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_comes_first_and_what_is_small_last() {
        let ours = [("moka", 100.0), ("ours", 300.0), ("tiny", 0.1)];
        let floor = [("moka", 110.0), ("bytes", 4.0)];
        let of = |parts: &[(&str, f64)]| {
            let parts = parts.iter();
            let parts = parts.map(|(name, count)| (name.to_string(), *count));
            Profile {
                parts: parts.collect(),
                ..Profile::default()
            }
        };
        let table = table("q/case", &[of(&ours), of(&floor)]);
        let lines: Vec<_> = table.lines().map(str::trim).collect();
        let first_words = lines[2..7]
            .iter()
            .map(|line| line.split(' ').next().unwrap());
        let expected = ["ours", "bytes", "moka", "the", "together"];
        assert_eq!(first_words.collect::<Vec<_>>(), expected);
        assert!(lines[6].ends_with("400       114       286"), "{table}");
    }
}
