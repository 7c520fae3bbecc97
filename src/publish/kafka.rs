//! Records to Apache Kafka: a topic for each kind, ordered by key, each a CloudEvent in binary mode.
//!
//! The producer is idempotent and waits for all replicas; its own time-outs are off, so that one rule decides: as long
//! as the broker acknowledges something now and then the sink waits, and nothing is dropped. When nothing was
//! acknowledged for the time that the user gives, the sink gives up: what is left is purged, counted by reason, and
//! later records are counted too. Delivery reports close the books of each record.

mod books;
mod event;
mod patience;
mod topics;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use self::books::{Books, Reason};
use self::event::Event;
use self::patience::{Patience, Verdict};
use super::{Outgoing, Sink, SinkError, Tally, printable};
use crate::limits;

/// How long one wait for delivery reports lasts where the sink must wait.
const STEP: Duration = Duration::from_millis(5);
/// As [`STEP`], where the broker may be away.
const SLOW_STEP: Duration = Duration::from_millis(200);

/// What the user says about Kafka.
#[derive(Clone)]
pub struct Settings {
    /// `host:port`, several with commas.
    pub brokers: String,
    /// This sensor's id, for `ce_source`.
    pub sensor: String,
    /// How long the broker may acknowledge nothing until the sink gives up.
    pub timeout: Duration,
    /// Set by whoever asks for the end: then the sink waits less.
    pub stop: Arc<AtomicBool>,
    /// Properties of librdkafka; they win over those that the sink sets.
    pub properties: Vec<(String, String)>,
}

impl Settings {
    /// Whether every property has a name and a value that librdkafka knows, without talking to anybody.
    pub fn check(&self) -> Result<(), SinkError> {
        self.client().create_native_config().map(drop).map_err(|error| settings_error(&error))
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "eaves")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            // Time for a batch to fill; a replay fills them at once, and a finding can wait so long.
            .set("linger.ms", "50")
            // Java's own partitioner, so that streams which other programs write by the same keys can be joined.
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.kbytes", limits::KAFKA_QUEUE_KBYTES.to_string())
            .set("queue.buffering.max.messages", limits::KAFKA_QUEUE_RECORDS.to_string())
            // A broker that comes back is to be noticed within a second.
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client
    }
}

/// What the sink tells a person while it works; each is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing is acknowledged, and the sink waits. Told once until something is acknowledged again.
    Waiting {
        /// The brokers as they were given.
        brokers: String,
        /// After how much more of this the sink gives up.
        timeout: Duration,
        /// The last trouble that the client library had.
        reason: Option<String>,
    },
    /// After [`Notice::Waiting`]: it goes on.
    Resumed,
    /// Topics are missing and could not be made; the sink goes on, for the broker may make them itself.
    TopicsNotMade {
        /// Which, with commas.
        topics: String,
        /// What the broker or the client library says.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { brokers, timeout, reason } => {
                let (brokers, seconds) = (printable::escape(brokers), timeout.as_secs_f64());
                write!(formatter, "Kafka at {brokers} does not answer, waiting up to {seconds} s")?;
                match reason {
                    Some(reason) => write!(formatter, " ({})", printable::escape(reason)),
                    None => Ok(()),
                }
            }
            Self::Resumed => formatter.write_str("Kafka answers again"),
            Self::TopicsNotMade { topics, reason } => {
                write!(formatter, "Kafka topics {topics} could not be made: {}", printable::escape(reason))
            }
        }
    }
}

/// ```text
///   Fresh ── first record: broker answered, topics made ──▶ Open ── silence too long, or fatal ──▶ GivenUp
///     └──────────────────────── silence too long, or fatal ────────────────────────────────────────▶┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Open,
    GivenUp,
}

/// The producer and its books.
pub struct Kafka {
    settings: Settings,
    producer: BaseProducer<Books>,
    stage: Stage,
    patience: Patience,
    notify: Box<dyn FnMut(Notice) + Send>,
    event: Event,
    since_poll: u32,
}

impl Kafka {
    /// Makes the producer. It does not wait for the broker: that is done when there is something to send.
    pub fn new(settings: Settings, notify: impl FnMut(Notice) + Send + 'static) -> Result<Self, SinkError> {
        settings.check()?;
        let producer = settings.client().create_with_context(Books::default());
        Ok(Self {
            producer: producer.map_err(|error| settings_error(&error))?,
            stage: Stage::Fresh,
            patience: Patience::new(settings.timeout),
            event: Event::new(&settings.sensor),
            settings,
            notify: Box::new(notify),
            since_poll: 0,
        })
    }

    /// The last trouble that the client library had, and how often it had any.
    #[must_use]
    pub fn trouble(&self) -> (Option<String>, u64) {
        self.books().trouble()
    }

    /// What was said of the first record that was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.books().refusal()
    }

    fn books(&self) -> &Books {
        self.producer.context()
    }

    /// Waits until the broker answers, and makes the topics that are missing. Until then nothing may be sent: the
    /// broker would make the topics itself where it is allowed to, and the inventory without compaction.
    fn prepare(&mut self) -> Result<(), SinkError> {
        self.patience.begin(self.books().acknowledged());
        loop {
            match topics::missing(self.producer.client(), SLOW_STEP) {
                Ok(missing) => {
                    self.resumed();
                    for notice in topics::make(&self.settings.client(), &missing) {
                        (self.notify)(notice);
                    }
                    self.stage = Stage::Open;
                    return Ok(());
                }
                // Why it failed comes as an error event, and says more than this.
                Err(error) => self.books().note_first(&error.to_string()),
            }
            self.producer.poll(STEP);
            self.wait()?;
        }
    }

    /// One look at how the waiting goes.
    fn wait(&mut self) -> Result<(), SinkError> {
        if let Some(reason) = self.books().fatal() {
            self.give_up();
            return Err(SinkError::Fatal { reason });
        }
        let hurried = self.settings.stop.load(Ordering::Relaxed);
        match self.patience.look(self.books().acknowledged(), hurried) {
            Verdict::Wait => Ok(()),
            Verdict::Resumed => {
                self.resumed();
                Ok(())
            }
            Verdict::Say => {
                let (reason, _) = self.books().trouble();
                let (brokers, timeout) = (self.settings.brokers.clone(), self.settings.timeout);
                (self.notify)(Notice::Waiting { brokers, timeout, reason });
                Ok(())
            }
            Verdict::Over(waited) => {
                let (reason, _) = self.books().trouble();
                self.give_up();
                Err(SinkError::Unreachable { brokers: self.settings.brokers.clone(), waited, reason })
            }
        }
    }

    fn resumed(&mut self) {
        if self.patience.quiet() {
            (self.notify)(Notice::Resumed);
        }
    }

    /// Takes back what was not acknowledged; the delivery reports that this brings say which was sent and which not.
    fn give_up(&mut self) {
        self.stage = Stage::GivenUp;
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let mut left = limits::KAFKA_PURGE_MS / STEP.as_millis() as u64;
        while self.producer.in_flight_count() > 0 && left > 0 {
            self.producer.poll(STEP);
            left -= 1;
        }
    }

    /// The client library does not take a record: too large, or the producer has ended.
    fn refused(&mut self, record: &Outgoing<'_>, error: &KafkaError) -> Result<(), SinkError> {
        self.books().refuse(record.kind.index(), error);
        match self.books().fatal() {
            Some(_) => self.wait(),
            None => Ok(()),
        }
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), SinkError> {
        let headers = self.event.headers(record);
        let mut message = BaseRecord::with_opaque_to(record.kind.topic(), record.kind.index())
            .key(record.key)
            .payload(record.json)
            .headers(headers);
        let mut waiting = false;
        loop {
            // No time is set on the message: brokers delete segments by it, and would delete a replay of an old
            // capture at once. The event's own time stands in `ce_time`.
            let (error, refused) = match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return self.refused(record, &error);
            }
            message = refused;
            if !std::mem::replace(&mut waiting, true) {
                self.patience.begin(self.books().acknowledged());
            }
            self.producer.poll(STEP);
            if let Err(error) = self.wait() {
                self.books().drop_record(record.kind.index(), Reason::TimedOut);
                return Err(error);
            }
        }
    }
}

impl Sink for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn write(&mut self, record: &Outgoing<'_>) -> Result<(), SinkError> {
        self.books().emit(record.kind.index());
        if self.stage == Stage::Fresh
            && let Err(error) = self.prepare()
        {
            self.books().drop_record(record.kind.index(), Reason::TimedOut);
            return Err(error);
        }
        if self.stage == Stage::GivenUp {
            self.books().drop_record(record.kind.index(), Reason::GaveUp);
            return Ok(());
        }
        self.send(record)?;
        self.since_poll += 1;
        if self.since_poll >= limits::KAFKA_POLL_RECORDS {
            self.since_poll = 0;
            return self.idle();
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        self.producer.poll(Duration::ZERO);
        match (self.stage, self.books().fatal()) {
            (Stage::Open, Some(_)) => self.wait(),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.patience.begin(self.books().acknowledged());
        while self.stage == Stage::Open && self.producer.flush(SLOW_STEP).is_err() {
            self.wait()?;
        }
        if self.stage == Stage::Open {
            // all was delivered within one step: nobody looked in between
            self.resumed();
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.books().tally()
    }
}

/// The client library's text alone: what kind of `KafkaError` it was is of no use to a person.
fn settings_error(error: &KafkaError) -> SinkError {
    let reason = match error {
        KafkaError::ClientConfig(_, text, name, value) if value.is_empty() => format!("{text} ({name})"),
        KafkaError::ClientConfig(_, text, ..) => text.clone(),
        KafkaError::ClientCreation(text) => text.clone(),
        other => other.to_string(),
    };
    SinkError::Settings { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::Kind;
    use crate::time::Timestamp;

    fn settings(properties: &[(&str, &str)]) -> Settings {
        Settings {
            // Port 9 (discard): nobody listens.
            brokers: "127.0.0.1:9".to_owned(),
            sensor: "test".to_owned(),
            timeout: Duration::from_millis(300),
            stop: Arc::default(),
            properties: properties
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }

    #[test]
    fn wrong_settings_are_known_before_anything_is_sent() {
        for (name, value, says) in [
            ("no.such.property", "1", "No such configuration property: \"no.such.property\""),
            ("acks", "many", "acks"),
            ("acks", "1", "`acks` must be set to `all`"),
            ("security.protocol", "psst", "security.protocol"),
        ] {
            let error = Kafka::new(settings(&[(name, value)]), |_| ()).err();
            let text = error.unwrap_or_else(|| panic!("{name}={value} was taken")).to_string();
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn properties_win_over_defaults() {
        let config = settings(&[("compression.type", "lz4"), ("linger.ms", "5")]).client();
        assert_eq!((config.get("compression.type"), config.get("linger.ms")), (Some("lz4"), Some("5")));
        assert_eq!(config.get("acks"), Some("all"));
    }

    #[test]
    fn without_a_broker_everything_is_counted_and_told_once() {
        let (sender, notices) = std::sync::mpsc::channel();
        let mut kafka = Kafka::new(settings(&[]), move |notice| sender.send(notice).unwrap()).unwrap();
        let mut errors = Vec::new();
        for _ in 0..1000 {
            let record = Outgoing {
                kind: Kind::Call,
                id: "1",
                rev: None,
                time: Timestamp::ZERO,
                key: "k",
                subject: None,
                json: b"{}",
            };
            if let Err(error) = kafka.write(&record) {
                errors.push(error.to_string());
            }
        }
        kafka.finish().unwrap();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("Kafka at 127.0.0.1:9 acknowledged nothing for 0."), "{errors:?}");
        assert!(errors[0].contains("refused"), "{errors:?}");
        let tally = kafka.tally();
        let calls = tally.of(Kind::Call);
        assert_eq!((calls.emitted, calls.dropped.timed_out, calls.dropped.gave_up), (1000, 1, 999));
        assert!(tally.closed());
        // The limit of silence lies beyond this test's time-out: the error is all that is told.
        assert_eq!(notices.try_iter().count(), 0);
    }
}
