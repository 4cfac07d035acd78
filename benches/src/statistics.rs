//! Of samples, what does not move when a few of them are off.

/// The middle of some numbers, and of their lower and upper half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// `None` of nothing.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            lower: at(&sorted, 0.25)?,
            median: at(&sorted, 0.5)?,
            upper: at(&sorted, 0.75)?,
        })
    }
}

/// Between two neighbours, in proportion.
fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (place.floor(), place.ceil());
    let (low, high) = (sorted.get(below as usize)?, sorted.get(above as usize)?);
    Some(low + (high - low) * (place - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours_in_proportion() {
        let of_four = Quartiles::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        let expected = Quartiles {
            lower: 1.75,
            median: 2.5,
            upper: 3.25,
        };
        assert_eq!(of_four, expected);
        assert_eq!(Quartiles::of([7.0]).unwrap().upper, 7.0);
        assert_eq!(Quartiles::of([]), None);
    }

    #[test]
    fn one_that_is_off_does_not_move_the_median() {
        let median = |last| Quartiles::of([1.0, 2.0, 3.0, 4.0, last]).unwrap().median;
        assert_eq!(median(5.0), median(5_000.0));
    }
}
