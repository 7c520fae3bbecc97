//! Kafka as a sink: brokers, settings that are handed to librdkafka, and patience.

use std::time::Duration;

use crate::cli::OutputOptions;
use crate::config::ConfigError;
use crate::limits;

/// Kafka as a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `HOST:PORT,HOST:PORT`, as librdkafka takes it.
    pub brokers: String,
    /// Settings of librdkafka; of two with one key the later counts.
    pub settings: Vec<(String, String)>,
    /// How long to wait for what is not acknowledged before it is given up.
    pub timeout: Duration,
}

/// Checks what is said of Kafka; without brokers nothing may be said.
pub(super) fn resolve(output: OutputOptions) -> Result<Option<KafkaConfig>, ConfigError> {
    let Some(brokers) = output.brokers else {
        let useless = [
            ("kafka-config", !output.kafka_config.is_empty()),
            ("kafka-timeout", output.kafka_timeout.is_some()),
        ];
        return match useless.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(ConfigError::Needs { option, needed: "brokers" }),
            None => Ok(None),
        };
    };
    if let Some(entry) = brokers.split(',').find(|entry| !is_broker(entry)) {
        return Err(ConfigError::Brokers { entry: entry.to_owned() });
    }
    let mut settings = Vec::with_capacity(output.kafka_config.len());
    for text in output.kafka_config {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => (key.trim(), value),
            _ => return Err(ConfigError::KafkaSetting { text }),
        };
        if matches!(key, "bootstrap.servers" | "metadata.broker.list") {
            let reason = "the brokers are given twice";
            return Err(ConfigError::Conflict {
                one: "brokers",
                other: "kafka-config bootstrap.servers",
                reason,
            });
        }
        settings.push((key.to_owned(), value.to_owned()));
    }
    let default = Duration::from_secs(limits::KAFKA_TIMEOUT_S_DEFAULT);
    let timeout = output.kafka_timeout.map_or(default, |period| period.0);
    Ok(Some(KafkaConfig { brokers, settings, timeout }))
}

/// HOST or HOST:PORT, where an IPv6 address stands in brackets; librdkafka's `PROTOCOL://` may stand before it.
fn is_broker(entry: &str) -> bool {
    let socket = entry.trim().split_once("://").map_or(entry.trim(), |(_, socket)| socket);
    let (host, rest) = match socket.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').unwrap_or_default(),
        None => socket.split_at_checked(socket.find(':').unwrap_or(socket.len())).unwrap_or_default(),
    };
    let port = rest.is_empty()
        || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    !host.is_empty() && !host.contains(char::is_whitespace) && port
}
