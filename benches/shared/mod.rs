//! What the benchmarks have in common.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "they read the clock and say what they saw"
)]

use std::time::{Duration, Instant};

use criterion::Criterion;

/// Runs that end soon; `--measurement-time` asks for longer ones.
pub(crate) fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
}

/// Runs two things by turns for some seconds, and prints how fast ours is beside the other: a machine that drifts does so
/// for both. Each is to take a millisecond or so, and returns how long that took. Without `--bench` each runs once.
pub(crate) fn by_turns(name: &str, mut ours: impl FnMut() -> Duration, mut other: impl FnMut() -> Duration) {
    const TIME: Duration = Duration::from_secs(4);
    let is_measured = std::env::args().any(|word| word == "--bench");
    let (begin, mut ratios) = (Instant::now(), Vec::new());
    while ratios.is_empty() || is_measured && begin.elapsed() < TIME {
        let (ours, other) = (ours(), other());
        ratios.push(100.0 * other.as_secs_f64() / ours.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let at = |part: usize| ratios.get(ratios.len() * part / 4).copied().unwrap_or_default();
    println!("{name}: {:.0} % (half of {} turns: {:.0} to {:.0})", at(2), ratios.len(), at(1), at(3));
}

/// How long something takes.
pub(crate) fn timed(run: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    run();
    begin.elapsed()
}
