//! The file that callgrind writes, as far as it says what a line of code itself took:
//! <https://valgrind.org/docs/manual/cl-format.html>.

/// Where instructions were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The program or library.
    pub(super) object: String,
    pub(super) function: String,
    /// The file that the function is in.
    pub(super) function_file: String,
    /// The file that the code is from: another one where that was inlined.
    pub(super) file: String,
}

/// The counts of a file, in its order. Strings and positions must not be compressed.
pub(super) fn parse(text: &str) -> impl Iterator<Item = (Place, u64)> {
    let mut place = Place::default();
    let mut is_of_callee = false;
    text.lines().filter_map(move |line| {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "ob" => value.clone_into(&mut place.object),
                "fl" => {
                    value.clone_into(&mut place.function_file);
                    value.clone_into(&mut place.file);
                }
                "fi" | "fe" => value.clone_into(&mut place.file),
                "fn" => {
                    value.clone_into(&mut place.function);
                    place.file.clone_from(&place.function_file);
                }
                // The next line is what the callee took.
                "calls" => is_of_callee = true,
                _ => {}
            }
            return None;
        }
        let mut numbers = line.split(' ');
        let _line_number: u64 = numbers.next()?.parse().ok()?;
        let count = numbers.next()?.parse().ok()?;
        if std::mem::take(&mut is_of_callee) {
            return None;
        }
        Some((place.clone(), count))
    })
}

/// The sum of each event, by its name.
pub(super) fn totals(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let after = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let events = after("events:").unwrap_or_default().split_whitespace();
    let totals = after("totals:").unwrap_or_default().split_whitespace();
    let counts = totals.map(|count| count.parse().unwrap_or_default());
    events.zip(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_have_the_names_of_their_events() {
        let text = "events: Ir I1mr\n\nfn=a\n16 4 1\n\ntotals: 40 7\n";
        let totals: Vec<_> = totals(text).collect();
        assert_eq!(totals, [("Ir", 40), ("I1mr", 7)]);
    }

    #[test]
    fn calls_are_not_counted_twice() {
        let text = "version: 1\nevents: Ir\n\nob=/bin/it\nfl=/src/a.rs\nfn=a\n16 400\nfi=/src/b.rs\n\
                    3 7\nfe=/src/a.rs\ncfn=c\ncalls=1 50\n16 400\n17 1\n\nfl=/src/c.rs\nfn=c\n51 100\n";
        let counts: Vec<_> = parse(text)
            .map(|(place, count)| (place.function, place.file, count))
            .collect();
        let expected = [
            ("a", "/src/a.rs", 400),
            ("a", "/src/b.rs", 7),
            ("a", "/src/a.rs", 1),
            ("c", "/src/c.rs", 100),
        ];
        let expected =
            expected.map(|(function, file, count)| (function.to_owned(), file.to_owned(), count));
        assert_eq!(counts, expected);
    }
}
