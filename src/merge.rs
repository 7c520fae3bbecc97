//! Rounds: one batch of lines from each worker, put in one order, seen by the analysis.
//!
//! Every worker answers every round with exactly one batch, so there is no watermark to wait for and no deadlock.
//! Lines are sorted by when they were told; that does not depend on how many workers there are.

#[cfg(test)]
mod tests;

use crate::analysis::{Analysis, Emitted, Labels};
use crate::time::Timestamp;
use crate::worker::{Emission, Lines};

/// Where one line stands in the batches of a round.
#[derive(Clone, Debug)]
pub struct Place {
    /// The worker.
    pub worker: usize,
    /// Its line.
    pub line: usize,
    /// What the analysis says of it.
    pub labels: Option<Labels>,
}

/// A round on its way to the publisher.
#[derive(Debug, Default)]
pub struct Merged {
    /// The workers' batches.
    pub batches: Vec<Lines>,
    /// All their lines, in order.
    pub order: Vec<Place>,
    /// Findings and endpoints.
    pub emitted: Vec<Emitted>,
    /// The capture clock at the end of the round.
    pub clock: Timestamp,
}

/// The merge, and the analysis behind it.
pub struct Merge {
    analysis: Option<Analysis>,
    keys: Vec<(Emission, usize, usize)>,
}

impl Merge {
    /// Without an analysis, lines are only put in order.
    #[must_use]
    pub const fn new(analysis: Option<Analysis>) -> Self {
        Self { analysis, keys: Vec::new() }
    }

    /// A slot of a live capture. `behind`: there is no time to look at the calls; they are told without labels.
    pub fn live_round(&mut self, batches: Vec<Lines>, clock: Timestamp, behind: bool) -> Merged {
        if !behind {
            return self.round(batches, clock, false);
        }
        let analysis = self.analysis.take();
        let merged = self.round(batches, clock, false);
        self.analysis = analysis;
        merged
    }

    /// One batch of each worker in, one round out. `last`: the input has ended.
    pub fn round(&mut self, batches: Vec<Lines>, clock: Timestamp, last: bool) -> Merged {
        self.keys.clear();
        for (worker, batch) in batches.iter().enumerate() {
            self.keys.extend(batch.lines.iter().enumerate().map(|(line, l)| (l.emission, worker, line)));
        }
        self.keys.sort_unstable();
        let mut merged =
            Merged { batches, order: Vec::with_capacity(self.keys.len()), emitted: Vec::new(), clock };
        for (_, worker, line) in &self.keys {
            let labels = self.analysis.as_mut().and_then(|analysis| {
                let batch = merged.batches.get(*worker)?;
                let observation = batch.lines.get(*line)?.observation? as usize;
                let observation = batch.observations.get(observation)?;
                Some(analysis.observe(observation, &mut |emitted| merged.emitted.push(emitted)))
            });
            merged.order.push(Place { worker: *worker, line: *line, labels });
        }
        if let Some(analysis) = &mut self.analysis {
            analysis.advance(clock, &mut |emitted| merged.emitted.push(emitted));
            if last {
                analysis.finish(&mut |emitted| merged.emitted.push(emitted));
            }
        }
        merged
    }

    /// What the analysis did.
    #[must_use]
    pub fn counters(&self) -> Option<crate::analysis::Counters> {
        self.analysis.as_ref().map(Analysis::counters)
    }
}
