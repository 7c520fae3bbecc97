//! The configuration as text: TOML that `--config` reads again, with what it amounts to said before it.

use std::fmt;
use std::path::Path;

use toml::Value;

use crate::config::{Bytes, CheckConfig, Config, LiveConfig, Output, Period};

impl fmt::Display for CheckConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.say(formatter)?;
        writeln!(formatter)?;
        if let Some(interface) = &self.interface {
            line(formatter, "interface", text(interface))?;
        }
        live(formatter, self.live)?;
        shared(formatter, &self.shared)
    }
}

impl CheckConfig {
    fn say(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interface, live, shared } = self;
        match interface {
            Some(interface) => {
                let mode = if live.promiscuous { "promiscuous" } else { "not promiscuous" };
                let (workers, ring) = (shared.workers, Bytes(live.ring_bytes.into()));
                writeln!(
                    formatter,
                    "# capture listens on {interface}, {mode}, {workers} worker(s), ring {ring} each"
                )?;
            }
            None => writeln!(formatter, "# capture needs an interface: -i IFACE, or interface = \"IFACE\"")?,
        }
        if let Some(filter) = &shared.filter {
            writeln!(formatter, "# only frames that match: {}", filter.replace(['\n', '\r'], " "))?;
        }
        for (option, output) in shared.outputs.each() {
            let place =
                if *output == Output::Stdout { "standard output".to_owned() } else { output.to_string() };
            writeln!(formatter, "# {option} is {place}")?;
        }
        if let Some(kafka) = &shared.kafka {
            let period = Period(kafka.timeout);
            writeln!(
                formatter,
                "# records go to Kafka at {}, waiting {period} for it at the end",
                kafka.brokers
            )?;
        }
        if shared.outputs.is_empty() && shared.kafka.is_none() {
            writeln!(formatter, "# no output is set: the run ends in a summary")?;
        }
        if !shared.analysis {
            writeln!(formatter, "# no inventory and no findings are made")?;
        }
        Ok(())
    }
}

fn live(formatter: &mut fmt::Formatter<'_>, live: LiveConfig) -> fmt::Result {
    line(formatter, "snaplen", text(Bytes(live.snaplen_bytes.into())))?;
    line(formatter, "ring", text(Bytes(live.ring_bytes.into())))?;
    line(formatter, "no-promiscuous", Value::Boolean(!live.promiscuous))
}

fn shared(formatter: &mut fmt::Formatter<'_>, config: &Config) -> fmt::Result {
    if let Some(filter) = &config.filter {
        line(formatter, "filter", text(filter))?;
    }
    line(formatter, "redact", text(config.redact.name()))?;
    line(formatter, "workers", Value::Integer(i64::try_from(config.workers).unwrap_or(i64::MAX)))?;
    line(formatter, "memory", text(Bytes(config.memory_bytes)))?;
    line(formatter, "tls-hold", text(Bytes(config.tls_hold_bytes)))?;
    line(formatter, "call-max", text(Period(config.call_max)))?;
    line(formatter, "sensor", text(&config.sensor))?;
    if let Some(key) = &config.fingerprint_key {
        line(formatter, "fingerprint-key", path(key))?;
    }
    for (name, paths) in [("keylog", &config.keylogs), ("private-key", &config.private_keys)] {
        if !paths.is_empty() {
            line(formatter, name, Value::Array(paths.iter().map(|one| path(one)).collect()))?;
        }
    }
    for (option, output) in config.outputs.each() {
        line(formatter, option, text(output))?;
    }
    line(formatter, "no-analysis", Value::Boolean(!config.analysis))?;
    let Some(kafka) = &config.kafka else { return Ok(()) };
    line(formatter, "brokers", text(&kafka.brokers))?;
    if !kafka.settings.is_empty() {
        let settings = kafka.settings.iter().map(|(key, value)| shown_setting(key, value));
        line(formatter, "kafka-config", Value::Array(settings.collect()))?;
    }
    line(formatter, "kafka-timeout", text(Period(kafka.timeout)))
}

/// Passwords are not printed: what `check` says ends up in tickets.
fn shown_setting(key: &str, value: &str) -> Value {
    let secret = ["password", "secret", "key.pem", "sasl.oauthbearer.config", "sasl.jaas"];
    let shown = if secret.iter().any(|part| key.contains(part)) { "(hidden)" } else { value };
    Value::String(format!("{key}={shown}"))
}

fn line(formatter: &mut fmt::Formatter<'_>, name: &str, value: Value) -> fmt::Result {
    writeln!(formatter, "{name} = {value}")
}

fn text(value: impl fmt::Display) -> Value {
    Value::String(value.to_string())
}

fn path(value: &Path) -> Value {
    text(value.display())
}
