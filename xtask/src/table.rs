//! Text tables for the ends of the tasks.

/// A table whose columns are as wide as their widest cell.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right_from: usize,
}

impl Table {
    /// A table with this header. Columns from number `right_from` on are aligned to the right.
    pub fn new<C: Into<String>>(header: impl IntoIterator<Item = C>, right_from: usize) -> Self {
        let mut table = Self {
            rows: Vec::new(),
            right_from,
        };
        table.push(header);
        table
    }

    /// Adds a row.
    pub fn push<C: Into<String>>(&mut self, row: impl IntoIterator<Item = C>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// The table, with a line beneath the header.
    #[must_use]
    pub fn render(&self) -> String {
        let mut lines: Vec<String> = self.rows.iter().map(|row| self.line(row)).collect();
        let width = lines.iter().map(|line| line.chars().count()).max();
        // A long note must not make the rule wrap on a terminal.
        lines.insert(1, "-".repeat(width.unwrap_or_default().min(79)));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn line(&self, row: &[String]) -> String {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = self.width(column);
            if column < self.right_from {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["step", "time", "note"], 1);
        table.push(["fmt", "1.2 s", ""]);
        table.push(["clippy", "12.0 s", "é"]);
        let expected = "\
step      time  note
--------------------
fmt      1.2 s
clippy  12.0 s     é
";
        assert_eq!(table.render(), expected);
    }
}
