//! Luck with a seed: every random test prints its seed, and the same seed does the same again.

/// A small generator (SplitMix64); good for choosing, not for secrets.
#[derive(Clone, Debug)]
pub struct Luck(u64);

impl Luck {
    /// Luck from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of this run: `TRADEPOST_SEED` (scripts/test takes it from the commit), else 1. Printed.
    #[must_use]
    pub fn of_this_run(test: &str) -> Self {
        let seed = std::env::var("TRADEPOST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        eprintln!("{test}: seed {seed}");
        Self::new(seed)
    }

    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is above zero.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Whether the full counts are asked for (`scripts/test --full`).
#[must_use]
pub fn full() -> bool {
    std::env::var_os("TRADEPOST_FULL").is_some_and(|v| v == "1")
}
