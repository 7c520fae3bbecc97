//! The seam between what a sensor saw and what is concluded from it.
//!
//! `observe` takes what a call's record carries and nothing else, so that the same code runs behind Kafka;
//! `advance` moves event time; `finish` says what is left. Nothing here does I/O or reads a clock.

mod findings;
mod scope;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::call::{Facts, Leaf, Seen};
use crate::detect::{Baseline, Detector, secret_in_url::SecretInUrl, secret_leak::SecretLeak};
use crate::inventory::{self, Inventory};
use crate::limits::RESEND_NS;
use crate::record::{endpoint::Endpoint, finding::Finding};
use crate::time::Timestamp;

use findings::Findings;
use scope::Scoped;

/// A credential, told without its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Credential {
    /// `bearer`, `basic`, `jwt`, `api-key`, `cookie`, …
    pub kind: String,
    /// Keyed fingerprint of its value.
    pub fingerprint: u64,
}

/// One half of an observed call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// Size of the body.
    pub body_bytes: Option<u64>,
    /// Media type as the header says it, parameters included.
    pub media_type: Seen<String>,
    /// What the values say.
    pub facts: Option<Facts>,
}

/// What the analysis sees of one call: exactly what its record carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The call's id.
    pub id: u128,
    /// First byte of the request.
    pub time: Timestamp,
    /// As in the record, in microseconds.
    pub duration_us: Option<u64>,
    /// Who asked.
    pub client: SocketAddr,
    /// Who was asked.
    pub server: SocketAddr,
    /// As in the record: `http/1.1`.
    pub protocol: String,
    /// As in the record.
    pub method: Option<String>,
    /// Host or authority.
    pub authority: Seen<String>,
    /// Path with query, credentials in it masked.
    pub path: Option<String>,
    /// Three digits.
    pub status: Option<u16>,
    /// The request.
    pub request: Half,
    /// The response.
    pub response: Half,
    /// Who called.
    pub credential: Seen<Credential>,
    /// The record's route.
    pub route: String,
    /// Nothing of it is missing.
    pub complete: bool,
    /// It goes on with a call that was observed: a later part of it, or the messages behind an upgrade.
    pub continues: bool,
}

impl Observation {
    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let known = |text: &Seen<String>| if let Seen::Known(text) = text { text.len() } else { 0 };
        let half = |half: &Half| {
            let leaves = half.facts.iter().flat_map(|facts| &facts.leaves);
            let leaf = |leaf: &Leaf| {
                let classes: usize = leaf.classes.iter().map(|class| size_of::<String>() + class.len()).sum();
                size_of::<Leaf>() + leaf.at.len() + leaf.masked.len() + classes
            };
            known(&half.media_type) + leaves.map(leaf).sum::<usize>()
        };
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let credential = if let Seen::Known(one) = &self.credential { one.kind.len() } else { 0 };
        size_of::<Self>()
            + self.protocol.len()
            + self.route.len()
            + optional(&self.method)
            + optional(&self.path)
            + known(&self.authority)
            + credential
            + half(&self.request)
            + half(&self.response)
    }
}

/// What the analysis adds to a call's record, last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Host name without port, or the server's address.
    pub service: Option<Arc<str>>,
    /// The path's template.
    pub template: Option<Arc<str>>,
    /// Id of the operation.
    pub operation: Option<Arc<str>>,
}

/// What an analysis is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Id of the sensor, as records carry it.
    pub sensor: String,
    /// Nothing that may be a value is to be shown.
    pub strict: bool,
    /// Seeds hashes that stay inside; from the fingerprint key, so that nobody outside can make them collide.
    pub seed: u64,
    /// The input goes on for long: endpoints and findings that changed are sent again on the way, each at most
    /// once in [`RESEND_NS`]. Else they are sent again at the end alone.
    pub live: bool,
}

/// Something that the analysis wants to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Emitted {
    /// A finding that was opened or has grown.
    Finding(Box<Finding>),
    /// The state of an operation.
    Endpoint(Box<Endpoint>),
}

impl Emitted {
    /// Its id, in hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Finding(finding) => format!("{:032x}", finding.id),
            Self::Endpoint(endpoint) => format!("{:032x}", endpoint.id),
        }
    }

    /// Which version of it.
    #[must_use]
    pub const fn rev(&self) -> u64 {
        match self {
            Self::Finding(finding) => finding.rev,
            Self::Endpoint(endpoint) => endpoint.rev,
        }
    }

    /// Its event time.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        match self {
            Self::Finding(finding) => finding.time,
            Self::Endpoint(endpoint) => endpoint.time,
        }
    }

    /// The partition key in Kafka: the incident of a finding, the operation of an endpoint; in hexadecimal.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Finding(finding) => format!("{:032x}", finding.incident),
            Self::Endpoint(endpoint) => format!("{:032x}", endpoint.id),
        }
    }

    /// Id of the operation that it is about, in hexadecimal.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::Finding(finding) => {
                let (service, method, template) =
                    (finding.service.as_deref()?, finding.method.as_deref()?, finding.template.as_deref()?);
                Some(format!("{:032x}", inventory::operation_id(service, method, template)))
            }
            Self::Endpoint(endpoint) => Some(format!("{:032x}", endpoint.id)),
        }
    }

    /// Appends its record: one JSON object without a line break.
    pub fn write(&self, sensor: &str, out: &mut Vec<u8>) {
        match self {
            Self::Finding(finding) => crate::record::finding::write(finding, sensor, out),
            Self::Endpoint(endpoint) => crate::record::endpoint::write(endpoint, sensor, out),
        }
    }
}

crate::counters! {
    /// What the analysis did, and what it could not take in.
    pub struct Counters {
        /// Calls that were observed.
        calls,
        /// Calls whose service, method or path is not known: they belong to no operation.
        calls_without_operation,
        /// Calls whose answer does not show that anything is there (404 and the like), to no known operation.
        calls_to_nothing,
        /// Calls to operations that found no place because there were too many.
        calls_beyond_operations_max,
        /// Words of paths that `strict` could not learn because there were too many.
        words_beyond_places_max,
        /// Calls that a detector did not judge because it remembers too many keys.
        calls_beyond_detector_keys_max,
        /// Values that a detector did not judge because it remembers too many fields of their operation.
        values_beyond_detector_fields_max,
        /// Findings that were opened.
        findings_opened,
        /// Support for findings that could not be opened because too many are.
        signals_beyond_findings_max,
    }
}

/// Inventory, detectors and findings of one stream of calls.
pub struct Analysis {
    settings: Settings,
    inventory: Inventory,
    secret_in_url: Scoped<SecretInUrl>,
    secret_leak: Scoped<SecretLeak>,
    findings: Findings,
    calls: u64,
    /// The latest event time.
    now: Timestamp,
    /// When changed records were last sent again.
    sent: Timestamp,
}

impl Analysis {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            inventory: Inventory::new(settings.strict, settings.seed),
            secret_in_url: Scoped::default(),
            secret_leak: Scoped::default(),
            findings: Findings::new(settings.strict),
            calls: 0,
            now: Timestamp::ZERO,
            sent: Timestamp::ZERO,
            settings,
        }
    }

    /// Takes a call in; says what it is a call of. What the call opens is emitted at once.
    pub fn observe(&mut self, call: &Observation, emit: &mut dyn FnMut(Emitted)) -> Labels {
        self.calls += 1;
        self.now = self.now.max(call.time);
        let labels = self.inventory.observe(call);
        if call.continues {
            // its heads are those of the call, which was judged by them
            return labels;
        }
        let (now, findings, inventory) = (self.now, &mut self.findings, &self.inventory);
        let baseline = |operation: u128| {
            let (calls, since) = inventory.closed(operation).unzip();
            Baseline { calls: calls.unwrap_or(0), since }
        };
        self.secret_in_url.observe(call, &labels, baseline, |report| {
            findings.take(&SecretInUrl::RULE, call, &labels, now, report, emit);
        });
        self.secret_leak.observe(call, &labels, baseline, |report| {
            findings.take(&SecretLeak::RULE, call, &labels, now, report, emit);
        });
        labels
    }

    /// Event time has come so far. Live, what changed is sent again when it is due.
    pub fn advance(&mut self, time: Timestamp, emit: &mut dyn FnMut(Emitted)) {
        self.now = self.now.max(time);
        if self.now.since(self.sent) < RESEND_NS {
            return;
        }
        self.sent = self.now;
        self.findings.end_quiet(self.now, emit);
        if self.settings.live {
            self.send_changed(emit);
        }
    }

    /// The input has ended: everything that changed since it was last sent.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Emitted)) {
        self.send_changed(emit);
    }

    /// What was done, and what was not taken in.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        let inventory = self.inventory.counters();
        Counters {
            calls: self.calls,
            calls_without_operation: inventory.calls_without_operation,
            calls_to_nothing: inventory.calls_to_nothing,
            calls_beyond_operations_max: inventory.calls_beyond_operations_max,
            words_beyond_places_max: inventory.words_beyond_places_max,
            calls_beyond_detector_keys_max: self.secret_in_url.refused + self.secret_leak.refused,
            values_beyond_detector_fields_max: self.findings.not_judged,
            findings_opened: self.findings.opened,
            signals_beyond_findings_max: self.findings.refused,
        }
    }

    /// Id of the sensor, for [`Emitted::write`].
    #[must_use]
    pub fn sensor(&self) -> &str {
        &self.settings.sensor
    }

    fn send_changed(&mut self, emit: &mut dyn FnMut(Emitted)) {
        self.findings.send_changed(self.now, emit);
        self.inventory.send_changed(self.now, |endpoint| emit(Emitted::Endpoint(Box::new(endpoint))));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::content;
    use crate::limits::{EPOCH_NS, FINDING_CALLS_MAX, FINDING_EVIDENCE_MAX};
    use crate::record::finding::Severity;

    /// A call that was answered with 200, of a made-up host.
    pub(crate) fn call() -> Observation {
        Observation {
            id: 1,
            time: Timestamp::from_nanos(1_700_000_000_000_000_000),
            duration_us: Some(1000),
            client: ([198, 51, 100, 7], 50_000).into(),
            server: ([192, 0, 2, 80], 80).into(),
            protocol: "http/1.1".into(),
            method: Some("GET".into()),
            authority: Seen::Known("h.test".into()),
            path: Some("/".into()),
            status: Some(200),
            request: Half::default(),
            response: Half::default(),
            credential: Seen::None,
            route: "r".into(),
            complete: true,
            continues: false,
        }
    }

    pub(crate) fn get(path: &str) -> Observation {
        Observation { path: Some(path.to_owned()), ..call() }
    }

    const KEY: &str = "/v1/orders/7?api_key=k3yV4lu391ab77";
    const LEAK: &str = r#"{"accessKeyId":"AKIAY3RT5WLQ6ZNXM27Q","secretAccessKey":"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"}"#;

    fn observed(number: u64, path: &str, body: &str) -> Observation {
        let fingerprint = &xxhash_rust::xxh3::xxh3_64;
        let mut one = get(path);
        one.id = u128::from(number);
        one.time = one.time.plus(number * 1_000_000_000);
        one.request.facts = Some(content::parameters(path.as_bytes(), fingerprint));
        one.response.facts = content::inspect_body(None, false, body.as_bytes(), fingerprint);
        one
    }

    fn analysis(strict: bool, live: bool) -> Analysis {
        Analysis::new(Settings { sensor: "s1".into(), strict, seed: 5, live })
    }

    fn play(analysis: &mut Analysis, calls: &[Observation]) -> Vec<Emitted> {
        let mut all = Vec::new();
        for one in calls {
            analysis.advance(one.time, &mut |emitted| all.push(emitted));
            analysis.observe(one, &mut |emitted| all.push(emitted));
        }
        analysis.finish(&mut |emitted| all.push(emitted));
        all
    }

    fn findings(all: &[Emitted]) -> Vec<&Finding> {
        all.iter()
            .filter_map(
                |emitted| if let Emitted::Finding(finding) = emitted { Some(&**finding) } else { None },
            )
            .collect()
    }

    #[test]
    fn a_finding_is_sent_when_it_opens_and_when_it_has_grown() {
        let calls: Vec<_> = (0..200).map(|number| observed(number, KEY, "{}")).collect();
        let all = play(&mut analysis(false, false), &calls);
        let found = findings(&all);
        assert_eq!(found.iter().map(|one| (one.rev, one.count)).collect::<Vec<_>>(), [(0, 1), (1, 200)]);
        assert_eq!((found[0].id, found[0].incident), (found[1].id, found[1].incident));
        let last = found[1];
        assert_eq!(
            (last.rule, last.severity, last.owasp, last.cwe),
            ("auth.secret-in-url", Severity::Medium, "API2:2023", 598)
        );
        assert_eq!((last.calls.len(), last.evidence.len()), (FINDING_CALLS_MAX, 1));
        assert_eq!(last.last_seen.since(last.first_seen), 199_000_000_000);
        assert_eq!(last.title, "An API key stands in the URL of GET /v1/orders/{integer}");
        assert_eq!(
            (last.client, last.evidence[0].place.as_str()),
            (Some([198, 51, 100, 7].into()), "request query api_key")
        );
        assert!(!last.evidence[0].value_masked.contains("k3yV"));
    }

    #[test]
    fn what_goes_on_with_a_call_is_judged_once() {
        let whole = observed(1, KEY, "{}");
        let part = Observation { continues: true, ..observed(2, KEY, "{}") };
        let messages = Observation { method: None, status: None, ..part.clone() };
        let mut once = analysis(false, false);
        let all = play(&mut once, &[whole, part, messages]);
        assert_eq!(findings(&all).iter().map(|one| one.count).collect::<Vec<_>>(), [1]);
        let calls = all.iter().filter_map(|emitted| match emitted {
            Emitted::Endpoint(endpoint) => Some(endpoint.calls),
            Emitted::Finding(_) => None,
        });
        assert_eq!(calls.collect::<Vec<_>>(), [1]);
        assert_eq!(once.counters().calls_without_operation, 0);
    }

    #[test]
    fn live_it_is_sent_again_once_a_minute() {
        let calls: Vec<_> = (0..200).map(|number| observed(number, KEY, "{}")).collect();
        let all = play(&mut analysis(false, true), &calls);
        let revs: Vec<_> = findings(&all).iter().map(|one| (one.rev, one.count)).collect();
        assert_eq!(revs, [(0, 1), (1, 60), (2, 120), (3, 180), (4, 200)]);
        assert_eq!(all.len() - revs.len(), 4, "the endpoint: three times on the way and at the end");
    }

    #[test]
    fn evidence_is_bounded_and_several_callers_name_nobody() {
        let calls: Vec<_> = (0..20)
            .map(|number| {
                let mut one =
                    observed(number, &format!("/v1/orders/7?api_key=k3yV4lu391ab{number:04}"), "{}");
                one.client = ([198, 51, 100, number as u8], 1).into();
                one.route = format!("route {number}");
                one
            })
            .collect();
        let all = play(&mut analysis(false, false), &calls);
        let last = *findings(&all).last().unwrap();
        assert_eq!((last.count, last.client), (20, None));
        assert!(last.evidence.len() <= FINDING_EVIDENCE_MAX);
    }

    #[test]
    fn ids_are_the_same_in_every_reading_and_parts_fold() {
        let calls = [observed(1, KEY, LEAK), observed(2, KEY, LEAK), observed(3, "/v1/other", LEAK)];
        let one = play(&mut analysis(false, false), &calls);
        let mut other =
            Analysis::new(Settings { sensor: "other".into(), strict: false, seed: 77, live: true });
        assert_eq!(one, play(&mut other, &calls));
        let rules: Vec<_> = findings(&one).iter().map(|one| (one.rule, one.count)).collect();
        assert_eq!(
            rules,
            [
                ("auth.secret-in-url", 1),
                ("data.secret-leak", 1),
                ("data.secret-leak", 1),
                ("auth.secret-in-url", 2),
                ("data.secret-leak", 2)
            ]
        );
    }

    #[test]
    fn the_baseline_is_what_was_known_two_epochs_before() {
        let mut calls: Vec<_> = (0..50).map(|number| observed(number, "/v1/orders/7", "{}")).collect();
        calls.push(observed(50 + 3 * EPOCH_NS / 1_000_000_000, KEY, "{}"));
        let all = play(&mut analysis(false, false), &calls);
        let baseline = findings(&all)[0].baseline.clone().unwrap();
        assert_eq!(
            (baseline.n, baseline.usual, baseline.observed, baseline.since),
            (50, 0.0, 1.0, calls[0].time)
        );
    }

    #[test]
    fn a_withdrawn_finding_is_sent_as_information() {
        let mut calls = vec![observed(0, "/v1/orders", r#"[{"account":"ASIAY3RT5WLQ6ZNXM27Q"}]"#)];
        calls.extend(
            (1..30).map(|n| observed(n, "/v1/orders", &format!(r#"[{{"account":"ASIA{:016}"}}]"#, n * 7919))),
        );
        let all = play(&mut analysis(false, false), &calls);
        let told: Vec<_> =
            findings(&all).iter().map(|one| (one.rev, one.severity, one.confidence, one.count)).collect();
        assert_eq!(told, [(0, Severity::Medium, 30, 1), (1, Severity::Info, 5, 1)]);
    }

    #[test]
    fn strict_shows_no_part_of_a_value() {
        let all = play(&mut analysis(true, false), &[observed(1, KEY, LEAK)]);
        for finding in findings(&all) {
            assert!(
                finding.evidence.iter().all(|evidence| evidence.value_masked.starts_with("… (")),
                "{finding:?}"
            );
        }
        assert!(!findings(&all).is_empty());
    }

    #[test]
    fn a_quiet_day_ends_a_finding() {
        let day = 24 * 3600;
        let calls = [observed(0, KEY, "{}"), observed(5, KEY, "{}"), observed(2 * day, KEY, "{}")];
        let all = play(&mut analysis(false, false), &calls);
        let found = findings(&all);
        assert_eq!(
            found.iter().map(|one| (one.rev, one.count)).collect::<Vec<_>>(),
            [(0, 1), (1, 2), (0, 1)]
        );
        assert_ne!(found[1].id, found[2].id);
    }

    #[test]
    fn every_emitted_record_is_one_json_object_without_secrets() {
        let all = play(&mut analysis(false, false), &[observed(1, KEY, LEAK)]);
        assert_eq!(all.len(), 3);
        for emitted in all {
            let mut out = Vec::new();
            emitted.write("s1", &mut out);
            let text = String::from_utf8(out).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (json["id"].as_str(), json["rev"].as_u64()),
                (Some(emitted.id().as_str()), Some(emitted.rev()))
            );
            assert!(["AKIAY3", "p9Zt", "k3yV4"].iter().all(|secret| !text.contains(secret)), "{text}");
            assert_eq!((emitted.key().len(), emitted.subject().map(|id| id.len())), (32, Some(32)));
        }
    }
}
