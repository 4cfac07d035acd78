use std::{cmp::Reverse, collections::HashMap};

use serde::{Deserialize, Serialize};

const MOST_FREQUENT: usize = 10;

/// What is found out about one file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) lines: u64,
    pub(crate) words: u64,
    /// BLAKE3 of the content.
    pub(crate) digest: [u8; 32],
    /// The most frequent words in lower case and how often they occur, in falling order.
    pub(crate) frequent: Vec<(String, u64)>,
}

impl Report {
    pub(crate) fn of(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content).to_lowercase();
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for word in text.split(|letter: char| !letter.is_alphabetic()) {
            if !word.is_empty() {
                *counts.entry(word).or_default() += 1;
            }
        }
        Self {
            lines: text.lines().count() as u64,
            words: counts.values().sum(),
            digest: *blake3::hash(content).as_bytes(),
            frequent: most_frequent(counts)
                .map(|(word, count)| (word.to_owned(), count))
                .collect(),
        }
    }
}

/// The words that occur most often, the most frequent first; of equally frequent ones in
/// alphabetical order.
pub(crate) fn most_frequent<'a>(
    counts: impl IntoIterator<Item = (&'a str, u64)>,
) -> impl Iterator<Item = (&'a str, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(word, count)| (Reverse(count), word));
    counts.into_iter().take(MOST_FREQUENT)
}
