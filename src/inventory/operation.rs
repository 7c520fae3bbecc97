//! What is seen of one operation: plain sums, and sketches of bounded size where the sum is not enough.

use std::sync::Arc;

use hdrhistogram::Histogram;

use super::distinct::Distinct;
use crate::analysis::{Credential, Half, Observation};
use crate::call::Seen;
use crate::limits::{CREDENTIAL_KINDS_MAX, EPOCH_NS, LATENCY_US_MAX};
use crate::record::endpoint::{Endpoint, Latency, Size};
use crate::time::Timestamp;

/// One operation while it is counted.
pub(super) struct Operation {
    /// Everything that needs no sketch.
    endpoint: Endpoint,
    /// The operation's id as calls carry it.
    pub(super) label: Arc<str>,
    latency: Histogram<u32>,
    clients: Distinct,
    epochs: Epochs,
    /// Changed since it was sent.
    changed: bool,
}

impl Operation {
    pub(super) fn new(id: u128, [service, method, template]: [Arc<str>; 3], time: Timestamp) -> Option<Self> {
        let endpoint = Endpoint {
            id,
            rev: 0,
            time,
            service,
            method,
            template,
            first_seen: time,
            last_seen: time,
            calls: 0,
            status: [0; 5],
            latency: Latency::default(),
            request: Size::default(),
            response: Size::default(),
            credential_kinds: Vec::new(),
            without_credential: 0,
            clients: 0,
            clients_estimated: false,
        };
        let mut latency = Histogram::new(2).ok()?;
        latency.auto(true);
        let label = format!("{id:032x}").into();
        Some(Self {
            endpoint,
            label,
            latency,
            clients: Distinct::default(),
            epochs: Epochs::default(),
            changed: false,
        })
    }

    /// Service, method and template.
    pub(super) const fn names(&self) -> (&Arc<str>, &Arc<str>, &Arc<str>) {
        (&self.endpoint.service, &self.endpoint.method, &self.endpoint.template)
    }

    /// How many calls there were when the epoch before the last ended, and since when it is known.
    pub(super) const fn closed(&self) -> (u64, Timestamp) {
        (self.epochs.closed, self.endpoint.first_seen)
    }

    pub(super) fn add(&mut self, call: &Observation, client: u64) {
        self.epochs.reach(call.time, self.endpoint.calls);
        self.changed = true;
        let endpoint = &mut self.endpoint;
        endpoint.calls += 1;
        endpoint.first_seen = endpoint.first_seen.min(call.time);
        endpoint.last_seen = endpoint.last_seen.max(call.time);
        let class = call.status.and_then(|status| usize::from(status / 100).checked_sub(1));
        if let Some(count) = class.and_then(|class| endpoint.status.get_mut(class)) {
            *count += 1;
        }
        add_size(&mut endpoint.request, &call.request);
        add_size(&mut endpoint.response, &call.response);
        match &call.credential {
            Seen::Known(credential) => count_kind(&mut endpoint.credential_kinds, credential),
            Seen::None => endpoint.without_credential += 1,
            Seen::Unknown => (),
        }
        if let Some(duration) = call.duration_us {
            // It grows by itself and the value is bounded, so that there is room for every value.
            let _ = self.latency.record(duration.min(LATENCY_US_MAX));
        }
        self.clients.insert(client);
    }

    pub(super) const fn changed(&self) -> bool {
        self.changed
    }

    /// The state as of now; the next will have the next number.
    pub(super) fn send(&mut self, time: Timestamp) -> Endpoint {
        self.changed = false;
        let percentile = |share| self.latency.value_at_quantile(share).min(self.latency.max());
        let latency = Latency {
            n: self.latency.len(),
            p50: percentile(0.5),
            p90: percentile(0.9),
            p95: percentile(0.95),
            p99: percentile(0.99),
            max: self.latency.max(),
        };
        let (clients, clients_estimated) = self.clients.count();
        let sent = Endpoint { time, latency, clients, clients_estimated, ..self.endpoint.clone() };
        self.endpoint.rev += 1;
        sent
    }
}

fn add_size(size: &mut Size, half: &Half) {
    let bytes = half.body_bytes.unwrap_or(0);
    size.sum = size.sum.saturating_add(bytes);
    size.max = size.max.max(bytes);
}

/// What a kind is counted as when there are too many of them.
const OTHER: &str = "other";

fn count_kind(kinds: &mut Vec<(String, u64)>, credential: &Credential) {
    let mut kind = credential.kind.as_str();
    let mut place = kinds.binary_search_by(|(known, _)| known.as_str().cmp(kind));
    if place.is_err() && kinds.len() >= CREDENTIAL_KINDS_MAX {
        kind = OTHER;
        place = kinds.binary_search_by(|(known, _)| known.as_str().cmp(kind));
    }
    match place {
        Ok(place) => {
            if let Some((_, count)) = kinds.get_mut(place) {
                *count += 1;
            }
        }
        Err(place) => kinds.insert(place, (kind.to_owned(), 1)),
    }
}

/// The number of calls as it was at the end of the epoch before the last, so that every part of a spread analysis can
/// know it.
#[derive(Debug, Default)]
struct Epochs {
    epoch: u64,
    last: u64,
    closed: u64,
}

impl Epochs {
    /// Event time has reached `time`, with so many calls before. Calls that come late belong to the epoch in which they
    /// come.
    fn reach(&mut self, time: Timestamp, calls: u64) {
        let epoch = time.as_nanos() / EPOCH_NS;
        if epoch <= self.epoch {
            return;
        }
        self.closed = if epoch == self.epoch + 1 { self.last } else { calls };
        (self.last, self.epoch) = (calls, epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_closed_two_epochs_before() {
        let mut epochs = Epochs::default();
        let at = |epoch: u64| Timestamp::from_nanos(epoch * EPOCH_NS + 1);
        for (epoch, calls, closed) in
            [(5, 0, 0), (5, 3, 0), (6, 4, 0), (7, 9, 4), (6, 11, 4), (20, 12, 12), (21, 30, 12)]
        {
            epochs.reach(at(epoch), calls);
            assert_eq!(epochs.closed, closed, "{epoch}");
        }
    }

    #[test]
    fn kinds_are_bounded() {
        let mut kinds = Vec::new();
        for round in 0..2 {
            for number in 0..CREDENTIAL_KINDS_MAX + 3 {
                count_kind(&mut kinds, &Credential { kind: format!("kind-{number:02}"), fingerprint: round });
            }
        }
        assert_eq!(kinds.len(), CREDENTIAL_KINDS_MAX + 1);
        assert_eq!(kinds.iter().find(|(kind, _)| kind == OTHER).map(|(_, count)| *count), Some(6));
        assert!(kinds.is_sorted());
    }
}
