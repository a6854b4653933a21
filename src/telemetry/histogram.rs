//! How long things took, in buckets of fixed width: counting one costs two additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets; beyond the last one is a bucket without a bound.
pub type Bounds = [Duration; BUCKETS];

const BUCKETS: usize = 14;

/// From the head of a request to the last byte of its answer: a quick API answers in some milliseconds,
/// and the upstream has a minute for the head alone.
pub const TOTAL: Bounds = bounds([
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
]);

/// What the sidecar adds to it: some ten microseconds, but for a hold, which lasts 10 s at most.
pub const ADDED: Bounds = bounds([
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000,
    10_000_000,
]);

/// An exchange with the token endpoint, which may take a minute and a connection ten seconds.
pub const EXCHANGE: Bounds = bounds([
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    20_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
]);

const fn bounds(micros: [u64; BUCKETS]) -> Bounds {
    let mut bounds = [Duration::ZERO; BUCKETS];
    let mut index = 0;
    while index < BUCKETS {
        bounds[index] = Duration::from_micros(micros[index]);
        index += 1;
    }
    bounds
}

/// Counts durations.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static Bounds,
    counts: [AtomicU64; BUCKETS + 1],
    nanos: AtomicU64,
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, counts: Default::default(), nanos: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn record(&self, took: Duration) {
        let index = self.bounds.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS);
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn spread(&self) -> Spread {
        Spread {
            bounds: self.bounds,
            counts: self.counts.each_ref().map(|count| count.load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        }
    }
}

/// What a [`Histogram`] had counted at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    bounds: &'static Bounds,
    counts: [u64; BUCKETS + 1],
    sum: Duration,
}

impl Spread {
    /// Nothing.
    pub fn empty(bounds: &'static Bounds) -> Self {
        Self { bounds, counts: [0; BUCKETS + 1], sum: Duration::ZERO }
    }

    /// Both together. They must have the same bounds.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
        self
    }

    /// What came after `earlier`.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        for (count, before) in self.counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        self.sum = self.sum.saturating_sub(earlier.sum);
        self
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The buckets, each with its bound in seconds and its own count; the last one has none.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().map(Duration::as_secs_f64).chain([f64::MAX]);
        bounds.zip(self.counts)
    }

    /// The duration that this share of them, from 0 to 1, stayed below: somewhere in its bucket, as if
    /// they were spread evenly in there. None without any.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = share * self.count() as f64;
        let mut seen = 0.0;
        let mut lower = Duration::ZERO;
        for (index, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if let Some(before) = index.checked_sub(1) {
                lower = self.bounds[before];
            }
            if seen + count >= wanted {
                let upper = self.bounds.get(index).copied().unwrap_or(lower);
                return Some(lower + (upper - lower).mul_f64((wanted - seen).max(0.0) / count));
            }
            seen += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_is_on_a_bound_is_below_it_and_what_is_beyond_all_is_counted() {
        let histogram = Histogram::new(&TOTAL);
        for took in [millis(1), millis(10), Duration::from_micros(10_001), Duration::MAX] {
            histogram.record(took);
        }
        let counts: Vec<_> = histogram.spread().buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(0.001, 1), (0.01, 1), (0.025, 1), (f64::MAX, 1)]);
        assert_eq!(histogram.spread().count(), 4);
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let histogram = Histogram::new(&TOTAL);
        assert_eq!(histogram.spread().quantile(0.5), None);
        for _ in 0..98 {
            histogram.record(millis(4));
        }
        histogram.record(millis(300));
        histogram.record(Duration::from_secs(100));
        let spread = histogram.spread();
        let median = spread.quantile(0.5).unwrap();
        assert!(median > Duration::from_micros(2_500) && median <= millis(5), "{median:?}");
        let high = spread.quantile(0.99).unwrap();
        assert!(high > millis(250) && high <= millis(500), "{high:?}");
        assert_eq!(spread.quantile(1.0), Some(Duration::from_secs(60)));
    }

    #[test]
    fn sums_and_differences_undo_each_other() {
        let (one, two) = (Histogram::new(&ADDED), Histogram::new(&ADDED));
        one.record(Duration::from_micros(30));
        two.record(Duration::from_micros(300));
        let (one, two) = (one.spread(), two.spread());
        assert_eq!(one.plus(&two).since(&two), one);
        assert_eq!(Spread::empty(&ADDED).plus(&one), one);
    }
}
