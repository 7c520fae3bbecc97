//! A real Apache Kafka for the tests of one binary (`tests/kafka.sh`), and what is read back from it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use eaves::publish::Kind;
use eaves::publish::kafka::{Kafka, Notice, Settings};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

/// One broker for all tests of this file; each has it for itself while it runs.
pub(crate) struct Broker {
    pub(crate) directory: PathBuf,
    pub(crate) address: String,
}

/// As the script sets it.
const PARTITIONS: i32 = 4;
/// The script's exit code for "something is missing on this machine".
const MISSING: i32 = 3;

impl Broker {
    /// Starts it on first use; the script ends it when this process has ended.
    pub(crate) fn shared() -> Option<MutexGuard<'static, Self>> {
        static BROKER: OnceLock<Option<Mutex<Broker>>> = OnceLock::new();
        let broker = BROKER.get_or_init(|| {
            let name = format!("eaves-kafka-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            let output = script("start", &directory);
            if output.status.code() == Some(MISSING) {
                // Past the test runner, which swallows what passing tests print.
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                let mut stderr = std::io::stderr();
                writeln!(stderr, "SKIPPED, no Kafka here: {}", reason.trim()).unwrap();
                return None;
            }
            Some(Mutex::new(Self { address: address(output), directory }))
        });
        Some(broker.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn tell(&self, command: &str) {
        let output = script(command, &self.directory);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn sink(&self, sensor: &str, timeout: Duration) -> (Kafka, Receiver<Notice>) {
        let (sender, notices) = mpsc::channel();
        let settings = Settings {
            brokers: self.address.clone(),
            sensor: sensor.to_owned(),
            timeout,
            stop: Arc::default(),
            properties: Vec::new(),
        };
        let sink = Kafka::new(settings, move |notice| sender.send(notice).unwrap()).unwrap();
        (sink, notices)
    }

    /// Where the partitions of a topic end, added up.
    pub(crate) fn end(&self, kind: Kind) -> i64 {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.address).create().unwrap();
        let patience = Duration::from_secs(10);
        let end = |partition| {
            consumer.fetch_watermarks(kind.topic(), partition, patience).map_or(0, |(_, end)| end)
        };
        (0..PARTITIONS).map(end).sum()
    }

    /// Everything of one sensor in a topic, partition by partition, in order.
    pub(crate) fn read(&self, kind: Kind, sensor: &str) -> Vec<Received> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("group.id", "tests")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let patience = Duration::from_secs(10);
        let metadata = consumer.fetch_metadata(Some(kind.topic()), patience).unwrap();
        let source = format!("/eaves/{sensor}");
        let mut received = Vec::new();
        for partition in metadata.topics()[0].partitions() {
            let (low, high) = consumer.fetch_watermarks(kind.topic(), partition.id(), patience).unwrap();
            let mut assignment = TopicPartitionList::new();
            assignment.add_partition_offset(kind.topic(), partition.id(), Offset::Offset(low)).unwrap();
            consumer.assign(&assignment).unwrap();
            let mut next = low;
            while next < high {
                let message = consumer.poll(patience).expect("a message below the high watermark").unwrap();
                next = message.offset() + 1;
                let message = Received::new(&message);
                if message.headers["ce_source"] == source {
                    received.push(message);
                }
            }
        }
        received
    }
}

/// A message read back.
pub(crate) struct Received {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) json: String,
    pub(crate) headers: HashMap<String, String>,
}

impl Received {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let headers = message.headers().unwrap();
        Self {
            partition: message.partition(),
            key: text(message.key()),
            json: text(message.payload()),
            headers: headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect(),
        }
    }

    /// The number that [`write`] gave to it.
    pub(crate) fn number(&self) -> u64 {
        self.headers["ce_id"].parse().unwrap()
    }
}

pub(crate) fn script(command: &str, directory: &Path) -> Output {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka.sh"))
        .arg(command)
        .arg(directory)
        .arg(std::process::id().to_string())
        .output()
        .unwrap()
}

pub(crate) fn address(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
