//! One row for each operation, size and subject, in the order in which they are measured.

use std::{collections::HashMap, fmt};

use hitbox_benches::{Failure, Row};
use serde_json::Value;

/// Allocations for an operation.
#[derive(Clone, Copy, Debug)]
struct Allocations {
    subject: Option<f64>,
    floor: Option<f64>,
}

/// What was counted, by the names of the cases.
#[derive(Debug, Default)]
pub struct Counted(HashMap<String, Allocations>);

impl Counted {
    /// Reads the lines of the program that counts.
    ///
    /// # Errors
    ///
    /// If one of them is not such a line.
    pub fn parse(lines: &str) -> Result<Self, Failure> {
        let parsed = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line)?;
            let allocations = Allocations {
                subject: line["allocations"].as_f64(),
                floor: line["floor"].as_f64(),
            };
            let case = line["case"].as_str().ok_or("a line without a case")?;
            Ok::<_, Failure>((case.to_owned(), allocations))
        });
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }
}

/// The head of the table.
pub const HEAD: &str = "\
| operation | size | subject | median | ratio to the floor | allocations |
|---|---|---|---:|---:|---:|";

/// What the rows of one operation and size have in common, so that their floor is told once.
#[derive(Debug, Default)]
pub struct Table {
    counted: Counted,
    operation: String,
}

impl Table {
    /// A table with these counts in its last column.
    #[must_use]
    pub const fn new(counted: Counted) -> Self {
        Self {
            counted,
            operation: String::new(),
        }
    }

    /// The lines for a case: its own, after that of its floor if it is the first beside it.
    ///
    /// # Errors
    ///
    /// If the row is not of a case of this crate.
    pub fn lines(&mut self, row: &Row) -> Result<String, Failure> {
        let row = row.to_json();
        let case = row["case"].as_str().unwrap_or_default();
        let (operation, subject) = case.rsplit_once('/').ok_or("a case without a subject")?;
        let columns = operation.replace('/', " | ");
        let unit = row["unit"].as_str().unwrap_or_default();
        let counted = self.counted.0.get(case);
        let mut lines = String::new();
        if self.operation != operation {
            operation.clone_into(&mut self.operation);
            let floor = Measured::of(&row["floor"], unit);
            let allocations = Count(counted.and_then(|counted| counted.floor));
            lines = format!("| {columns} | *floor* | {floor} | 1 | {allocations} |\n");
        }
        let median = Measured::of(&row["median"], unit);
        let ratio = row["ratio"].as_f64().unwrap_or(f64::NAN);
        let allocations = Count(counted.and_then(|counted| counted.subject));
        lines += &format!("| {columns} | {subject} | {median} | {ratio:.2} | {allocations} |");
        Ok(lines)
    }
}

/// A figure and its unit.
struct Measured<'u> {
    figure: f64,
    unit: &'u str,
}

impl<'u> Measured<'u> {
    fn of(figure: &Value, unit: &'u str) -> Self {
        let figure = figure.as_f64().unwrap_or(f64::NAN);
        Self { figure, unit }
    }
}

impl fmt::Display for Measured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.unit, self.figure) {
            ("ns", figure) if figure >= 10_000.0 => write!(f, "{:.1} µs", figure / 1e3),
            ("/s", figure) => write!(f, "{:.0} k/s", figure / 1e3),
            (unit, figure) => write!(f, "{figure:.0} {unit}"),
        }
    }
}

/// A number of allocations, where they were counted.
struct Count(Option<f64>);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // moka allocates now and then: less than one for a hundred operations.
            Some(count) => write!(f, "{}", (count * 10.0).round() / 10.0),
            None => write!(f, "–"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hitbox_benches::{Case, Extent, Unit, sampling::Sample};

    use super::*;

    fn row(name: &str) -> Row {
        let sample = Sample {
            ours: 300.0,
            floor: Some(200.0),
        };
        let case = Case::measured(name, Unit::Nanoseconds, move |_| Ok(vec![sample]));
        case.measure(Extent::Quick).unwrap()
    }

    #[test]
    fn the_floor_is_told_once_for_an_operation_and_size() {
        let counted = r#"{"case":"hit/1 KB/one","allocations":2.04,"floor":0.96}"#;
        let mut table = Table::new(Counted::parse(counted).unwrap());
        assert_eq!(
            table.lines(&row("hit/1 KB/one")).unwrap(),
            "| hit | 1 KB | *floor* | 200 ns | 1 | 1 |\n| hit | 1 KB | one | 300 ns | 1.50 | 2 |"
        );
        let another = table.lines(&row("hit/1 KB/another")).unwrap();
        assert_eq!(another, "| hit | 1 KB | another | 300 ns | 1.50 | – |");
        let larger = table.lines(&row("hit/16 KB/one")).unwrap();
        assert_eq!(larger.lines().count(), 2);
    }

    #[test]
    fn what_is_not_a_count_is_refused() {
        assert!(Counted::parse("{}").is_err());
        assert!(Counted::parse("one").is_err());
    }

    #[test]
    fn every_case_has_an_operation_a_size_and_a_subject() {
        for case in crate::in_process().iter().chain(&crate::with_server()) {
            assert_eq!(case.name().split('/').count(), 3, "{}", case.name());
        }
    }
}
