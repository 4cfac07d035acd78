use std::io::{self, Write};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::{report::most_frequent, tally::Tally};

/// Drawn on the standard error, and only on a terminal.
pub(crate) fn progress_bar(pass: u32, files: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix} [{bar:40}] {human_pos} of {human_len} files")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
    ProgressBar::new(files as u64)
        .with_style(style)
        .with_prefix(format!("pass {pass}"))
}

/// A row for each pass, and what the last one found.
pub(crate) fn print(passes: &[Tally], to: &mut impl Write) -> io::Result<()> {
    let headings = [
        "pass", "files", "moka", "sled", "computed", "skipped", "bytes", "time",
    ];
    writeln!(to, "{}", row(headings.map(String::from)))?;
    for (index, tally) in passes.iter().enumerate() {
        let cells = [
            (index + 1).to_string(),
            HumanCount(tally.files()).to_string(),
            HumanCount(tally.from_moka).to_string(),
            HumanCount(tally.from_sled).to_string(),
            HumanCount(tally.computed).to_string(),
            HumanCount(tally.skipped).to_string(),
            HumanBytes(tally.bytes).to_string(),
            format!("{:.3} s", tally.time.as_secs_f64()),
        ];
        writeln!(to, "{}", row(cells))?;
    }
    match passes.last() {
        Some(tally) => writeln!(to, "\n{}", summary(tally)),
        None => Ok(()),
    }
}

fn row(cells: [String; 8]) -> String {
    let [pass, counts @ ..] = cells;
    let counts = counts.map(|cell| format!("{cell:>11}"));
    format!("{pass:<4}{}", counts.concat())
}

fn summary(tally: &Tally) -> String {
    let lines = HumanCount(tally.lines);
    let words = HumanCount(tally.words);
    let different = HumanCount(tally.digests.len() as u64);
    let counts = tally.frequent.iter();
    let frequent: Vec<_> = most_frequent(counts.map(|(word, files)| (word.as_str(), *files)))
        .map(|(word, _)| word)
        .collect();
    let frequent = frequent.join(" ");
    format!(
        "{lines} lines, {words} words, {different} different contents\n\
         frequent in most files: {frequent}"
    )
}
