//! What a seed stands for: how much traffic of which kind, and what is done to it.

use fastrand::Rng;

/// Each kind of damage now and then, and often several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) calls: u32,
    /// Streams open at once.
    pub(crate) parallel: usize,
    /// The longest body.
    pub(crate) body_bytes_max: usize,
    /// Padding, trailers, heads of several frames, interim answers, resets and frames about nothing in particular.
    pub(crate) extras: bool,
    /// The share of packets that is lost.
    pub(crate) loss: f64,
    /// The capture begins behind so many packets.
    pub(crate) skip: usize,
    /// The share of packets that come some places late.
    pub(crate) reorder: f64,
    /// The share of packets that come twice.
    pub(crate) duplicate: f64,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut one_of = |share: f64, choice: &[f64]| {
            let at = random.usize(..choice.len());
            if random.f64() < share { choice[at] } else { 0.0 }
        };
        Self {
            seed,
            loss: one_of(0.8, &[0.002, 0.01, 0.03, 0.08, 0.2]),
            reorder: one_of(0.3, &[0.05]),
            duplicate: one_of(0.3, &[0.05]),
            body_bytes_max: one_of(0.8, &[0.0, 500.0, 5_000.0, 50_000.0]) as usize,
            skip: if random.u8(..10) < 3 { random.usize(1..120) } else { 0 },
            parallel: random.usize(1..=16),
            extras: random.bool(),
            calls: 40,
        }
    }
}
