use std::collections::BTreeMap;

use xtask::table::Table;

use super::{measured::Measured, report};

/// What has changed between figures that were kept and those of now.
pub(super) fn table(before: &[Measured], now: &[Measured]) -> String {
    let before: BTreeMap<&str, &Measured> = before.iter().map(|row| (row.case(), row)).collect();
    let mut table = Table::new(
        [
            "operation",
            "before",
            "now",
            "ratio before",
            "now",
            "change",
            "allocations",
            "instructions",
        ],
        1,
    );
    for now in now {
        let Some(before) = before.get(now.case()) else {
            continue;
        };
        table.push([
            now.case().to_owned(),
            report::with_unit(before.median(), before.unit()),
            report::with_unit(now.median(), now.unit()),
            report::decimals(before.ratio()),
            report::decimals(now.ratio()),
            change(before.ratio(), now.ratio()),
            difference(before.allocations(), now.allocations()),
            change(before.instructions(), now.instructions()),
        ]);
    }
    table.render()
}

/// `+3.2 %`.
fn change(before: Option<f64>, now: Option<f64>) -> String {
    match before.zip(now) {
        Some((before, now)) if before > 0.0 => {
            format!("{:+.1} %", (now / before - 1.0) * 100.0)
        }
        Some(_) | None => "-".to_owned(),
    }
}

/// `-2.00`.
fn difference(before: Option<f64>, now: Option<f64>) -> String {
    match before.zip(now) {
        Some((before, now)) => format!("{:+.2}", now - before),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign() {
        assert_eq!(change(Some(2.0), Some(1.5)), "-25.0 %");
        assert_eq!(change(Some(0.0), Some(1.5)), "-");
        assert_eq!(difference(Some(4.0), Some(1.0)), "-3.00");
        assert_eq!(difference(None, Some(1.0)), "-");
    }
}
