//! The publisher: the last thread, the only one that may wait. It writes lines in their order, and keeps what the
//! summary shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::foremost::Foremost;
use crate::analysis::Emitted;
use crate::merge::{Merged, Place};
use crate::publish::kafka::Kafka;
use crate::publish::ndjson::Ndjson;
use crate::publish::progress::Progress;
use crate::publish::{Kind, Outgoing, Sink, SinkError, Tally};
use crate::record::endpoint::Endpoint;
use crate::record::finding::Finding;
use crate::record::text::Hex;
use crate::record::write_tail;
use crate::time::Timestamp;
use crate::worker::{Line, Lines};

/// Sinks, and what is kept for the summary.
pub(super) struct Publisher {
    files: Option<Ndjson>,
    kafka: Option<Kafka>,
    sensor: String,
    analysis: bool,
    stop: Arc<AtomicBool>,
    progress: Progress,
    text: Vec<u8>,
    pub(super) failure: Option<SinkError>,
    pub(super) undelivered: bool,
    pub(super) findings: Foremost<Finding>,
    pub(super) endpoints: Foremost<Endpoint>,
    /// There is no other output: the summary is all that is told.
    keeps_summary: bool,
    /// Lines that came.
    pub(super) lines: u64,
    /// Records of the sensor itself that were sent.
    pub(super) sensor_records: u64,
}

/// Everything that a publisher is made from.
pub(super) struct Sinks {
    pub(super) files: Option<Ndjson>,
    pub(super) kafka: Option<Kafka>,
}

impl Publisher {
    pub(super) fn new(
        sinks: Sinks,
        sensor: &str,
        analysis: bool,
        stop: Arc<AtomicBool>,
        progress: Progress,
    ) -> Self {
        let keeps_summary = sinks.files.is_none() && sinks.kafka.is_none();
        Self {
            files: sinks.files,
            kafka: sinks.kafka,
            sensor: sensor.to_owned(),
            analysis,
            stop,
            progress,
            text: Vec::new(),
            failure: None,
            undelivered: false,
            findings: Foremost::default(),
            endpoints: Foremost::default(),
            keeps_summary,
            lines: 0,
            sensor_records: 0,
        }
    }

    /// Writes one round.
    pub(super) fn publish(&mut self, merged: &mut Merged) {
        self.lines += merged.order.len() as u64;
        if self.analysis {
            self.publish_labelled(merged);
        } else {
            self.publish_plain(merged);
        }
        for emitted in merged.emitted.drain(..) {
            self.publish_emitted(emitted);
        }
    }

    /// Lines that are finished as they lie go out in runs.
    fn publish_plain(&mut self, merged: &Merged) {
        let mut places = merged.order.iter().peekable();
        while let Some(place) = places.next() {
            let Some((batch, first)) = line_of(&merged.batches, place) else { continue };
            let (mut range, mut count) = (first.range.clone(), 1);
            self.write_kafka(first, batch.text.get(first.range.clone()), None);
            while let Some((_, next)) = places.peek().and_then(|next| {
                line_of(&merged.batches, next).filter(|(_, line)| {
                    next.worker == place.worker && line.kind == first.kind && line.range.start == range.end
                })
            }) {
                self.write_kafka(next, batch.text.get(next.range.clone()), None);
                (range.end, count) = (next.range.end, count + 1);
                places.next();
            }
            self.write_files(first.kind, batch.text.get(range).unwrap_or_default(), count);
        }
    }

    /// Calls get what the analysis says of them in front of their closing brace.
    fn publish_labelled(&mut self, merged: &Merged) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let mut count = 0;
        for place in &merged.order {
            let Some((batch, line)) = line_of(&merged.batches, place) else { continue };
            if line.range.is_empty() {
                // only the analysis asked for it
                continue;
            }
            let bytes = batch.text.get(line.range.clone()).unwrap_or_default();
            if line.kind != Kind::Call {
                self.write_kafka(line, Some(bytes), None);
                self.write_files(line.kind, bytes, 1);
                continue;
            }
            let start = text.len();
            text.extend_from_slice(bytes.strip_suffix(b"}\n").unwrap_or(bytes));
            write_tail(&mut text, place.labels.as_ref());
            text.push(b'\n');
            let operation = place.labels.as_ref().and_then(|labels| labels.operation.as_deref());
            self.write_kafka(line, text.get(start..), operation);
            count += 1;
        }
        self.write_files(Kind::Call, &text, count);
        self.text = text;
    }

    fn publish_emitted(&mut self, emitted: Emitted) {
        let kind = match &emitted {
            Emitted::Finding(_) => Kind::Finding,
            Emitted::Endpoint(_) => Kind::Endpoint,
        };
        let mut json = Vec::new();
        emitted.write(&self.sensor, &mut json);
        let (id, key, subject) = (emitted.id(), emitted.key(), emitted.subject());
        let (rev, time, subject) = (Some(emitted.rev()), emitted.time(), subject.as_deref());
        self.write(&Outgoing { kind, id: &id, rev, time, key: &key, subject, json: &json });
        if self.keeps_summary {
            match emitted {
                Emitted::Finding(finding) => self.findings.take(finding),
                Emitted::Endpoint(endpoint) => self.endpoints.take(endpoint),
            }
        }
    }

    /// Writes one record to every sink.
    pub(super) fn write(&mut self, record: &Outgoing<'_>) {
        if let Some(files) = &mut self.files {
            let result = files.write(record);
            self.note(result);
        }
        if let Some(kafka) = &mut self.kafka {
            let result = kafka.write(record);
            self.note(result);
        }
    }

    /// Nothing comes in: passes on what is held back.
    pub(super) fn idle(&mut self) {
        let results = [self.files.as_mut().map(Sink::idle), self.kafka.as_mut().map(Sink::idle)];
        results.into_iter().flatten().for_each(|result| self.note(result));
    }

    /// Delivers what is left and closes the books.
    pub(super) fn finish(&mut self) {
        let results = [self.files.as_mut().map(Sink::finish), self.kafka.as_mut().map(Sink::finish)];
        results.into_iter().flatten().for_each(|result| self.note(result));
        let dropped = self.tallies().any(|(_, tally)| tally.total().dropped.total() > 0);
        self.undelivered |= dropped;
    }

    /// The books of each sink.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&'static str, Tally)> {
        let files = self.files.as_ref().map(|sink| (sink.name(), sink.tally()));
        let kafka = self.kafka.as_ref().map(|sink| (sink.name(), sink.tally()));
        [files, kafka].into_iter().flatten()
    }

    fn write_files(&mut self, kind: Kind, lines: &[u8], count: u64) {
        if let Some(files) = &mut self.files
            && count > 0
        {
            let result = files.write_lines(kind, lines, count);
            self.note(result);
        }
    }

    fn write_kafka(&mut self, line: &Line, json: Option<&[u8]>, operation: Option<&str>) {
        let Some(kafka) = &mut self.kafka else { return };
        let json = json.unwrap_or_default();
        let json = json.strip_suffix(b"\n").unwrap_or(json);
        let id = Hex::of_128(line.id);
        let (kind, id, key) = (line.kind, id.as_str(), line.key.as_str());
        let record = Outgoing { kind, id, rev: None, time: line.time, key, subject: operation, json };
        let result = kafka.write(&record);
        self.note(result);
    }

    /// A file that can't be written ends the run; Kafka that can't be reached is told, and the books say the rest.
    fn note(&mut self, result: Result<(), SinkError>) {
        match result {
            Ok(()) => {}
            Err(error @ (SinkError::Unreachable { .. } | SinkError::Fatal { .. })) => {
                self.undelivered = true;
                self.progress.say(&format!("eaves: {error}"));
                if self.files.is_none() {
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                self.stop.store(true, Ordering::Relaxed);
                self.failure.get_or_insert(error);
            }
        }
    }
}

fn line_of<'a>(batches: &'a [Lines], place: &Place) -> Option<(&'a Lines, &'a Line)> {
    let batch = batches.get(place.worker)?;
    Some((batch, batch.lines.get(place.line)?))
}

/// A record of the sensor itself.
pub(super) fn sensor_record<'a>(
    id: &'a str,
    sensor: &'a str,
    time: Timestamp,
    json: &'a [u8],
) -> Outgoing<'a> {
    Outgoing { kind: Kind::Sensor, id, rev: None, time, key: sensor, subject: None, json }
}
