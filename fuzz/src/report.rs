use std::{fmt::Write as _, path::Path};

use hitbox_fuzz::{
    TARGETS, Target,
    engine::{Crash, Summary},
};

/// How much of an input is shown. The file has all of it.
const SHOWN: usize = 256;

pub(crate) const HEADER: &str = "\
target       executions  per second     decoded    rejected  largest allocation  crashes
-------------------------------------------------------------------------------------";

/// One line of the table. The counts of what was decoded and rejected are higher than that of
/// executions where an input is read as several types.
pub(crate) fn row(target: &Target, summary: &Summary) -> String {
    let rate = summary.executions as f64 / summary.took.as_secs_f64();
    format!(
        "{:<11}  {:>10}  {rate:>10.0}  {:>10}  {:>10}  {:>12} bytes  {:>7}",
        target.name,
        summary.executions,
        summary.observed.decoded,
        summary.observed.rejected,
        summary.observed.largest_allocation,
        u8::from(summary.crash.is_some()),
    )
}

pub(crate) fn crash(target: &Target, seed: u64, crash: &Crash, file: &Path) -> String {
    let mut text = format!(
        "\n{} failed, with seed {seed}: {}\n",
        target.name, crash.message
    );
    for byte in crash.input.iter().take(SHOWN) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    if crash.input.len() > SHOWN {
        text += "..";
    }
    let file = file.display();
    let _ = writeln!(
        text,
        "\n{} bytes, in {file}\nagain: cargo xtask fuzz {} --replay {file}\n",
        crash.input.len(),
        target.name
    );
    text
}

pub(crate) fn targets() -> String {
    let lines = TARGETS
        .iter()
        .map(|target| format!("{:<11}  {}\n", target.name, target.about));
    lines.collect()
}
