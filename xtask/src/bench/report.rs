use xtask::table::Table;

use super::measured::Measured;

/// What is measured, and how that compares with what it is to be.
pub(super) fn table(rows: &[Measured]) -> String {
    let mut table = Table::new(
        [
            "operation",
            "target",
            "reached",
            "median",
            "floor",
            "ratio",
            "allocations",
            "floor",
            "instructions",
            "floor",
        ],
        3,
    );
    for row in rows {
        table.push([
            row.case().to_owned(),
            row.target(),
            row.reached(),
            with_unit(row.median(), row.unit()),
            with_unit(row.floor(), row.unit()),
            spread(row.ratio(), row.ratio_quartiles()),
            decimals(row.allocations()),
            decimals(row.allocations_of_floor()),
            whole(row.instructions()),
            whole(row.instructions_of_floor()),
        ]);
    }
    table.render()
}

/// What is not known.
const UNKNOWN: &str = "-";

pub(super) fn decimals(figure: Option<f64>) -> String {
    figure.map_or(UNKNOWN.to_owned(), |figure| format!("{figure:.2}"))
}

/// `1.41 (1.39-1.44)`: half of the samples lie between the two.
fn spread(median: Option<f64>, quartiles: Option<(f64, f64)>) -> String {
    match quartiles {
        Some((lower, upper)) => format!("{} ({lower:.2}-{upper:.2})", decimals(median)),
        None => decimals(median),
    }
}

pub(super) fn whole(figure: Option<f64>) -> String {
    figure.map_or(UNKNOWN.to_owned(), grouped)
}

/// `473 ns`, `3.30 us`, `1,031,159 /s`.
pub(super) fn with_unit(figure: Option<f64>, unit: &str) -> String {
    let Some(figure) = figure else {
        return UNKNOWN.to_owned();
    };
    match unit.strip_prefix("ns") {
        Some(rest) if figure >= 1e9 => format!("{:.2} s{rest}", figure / 1e9),
        Some(rest) if figure >= 1e6 => format!("{:.2} ms{rest}", figure / 1e6),
        Some(rest) if figure >= 1e3 => format!("{:.2} us{rest}", figure / 1e3),
        Some(rest) => format!("{figure:.0} ns{rest}"),
        None if unit == "count" => format!("{figure:.2}"),
        None => format!("{} {unit}", grouped(figure)),
    }
}

fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(with_unit(Some(473.4), "ns"), "473 ns");
        assert_eq!(with_unit(Some(3_302.2), "ns CPU"), "3.30 us CPU");
        assert_eq!(with_unit(Some(1_031_159.4), "/s"), "1,031,159 /s");
        assert_eq!(with_unit(Some(1.0), "count"), "1.00");
        assert_eq!(with_unit(None, "ns"), "-");
        assert_eq!(spread(Some(1.41), Some((1.388, 1.44))), "1.41 (1.39-1.44)");
        assert_eq!(spread(Some(1.41), None), "1.41");
        assert_eq!(spread(None, None), "-");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(grouped(12.0), "12");
    }
}
