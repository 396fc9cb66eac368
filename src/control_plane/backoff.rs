//! Waits between attempts.

use std::time::Duration;

use rand::Rng as _;

/// Waits that double from attempt to attempt up to a longest one. Each is up to a quarter shorter than its nominal
/// length, so that processes that failed together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    nominal: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from about a second up to `longest`.
    pub fn up_to(longest: Duration) -> Self {
        Self { nominal: Duration::from_secs(1), longest }
    }

    /// The wait after the next failure.
    pub fn wait(&mut self) -> Duration {
        let nominal = self.nominal.min(self.longest);
        self.nominal = nominal.saturating_mul(2);
        nominal.mul_f64(rand::rng().random_range(0.75..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::up_to(Duration::from_mins(5));
        for nominal in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let nominal = Duration::from_secs(nominal);
            let wait = backoff.wait();
            assert!(wait <= nominal && wait >= nominal.mul_f64(0.75), "{nominal:?}: {wait:?}");
        }
    }
}
