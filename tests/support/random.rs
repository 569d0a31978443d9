//! Numbers that look random and come from one printed seed.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

/// SplitMix64: small, and good enough to choose moments and verbs.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From FLEET_TEST_SEED, else from the clock; prints the seed for `what`.
    pub fn from_environment(what: &str) -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
        let seed = env::var("FLEET_TEST_SEED").map_or_else(|_| clock(), |text| text.parse().expect("a seed"));
        println!("{what}: FLEET_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, `end` excluded.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
