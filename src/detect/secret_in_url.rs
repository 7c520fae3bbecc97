//! `auth.secret-in-url`: a key, a token or a password stands in path or query, from where it gets into logs, histories and
//! `Referer` headers.
//!
//! What is made to stand there stays silent: signatures of single URLs, key ids without their secret, tokens of
//! links in mails, cursors. A name that also cursors have (`token`) is believed only when one value comes again and again.

use std::collections::BTreeMap;

use super::{Baseline, Detector, Report, Rule, Scope, Signal, class_words, has_word, operation_text};
use crate::analysis::{Labels, Observation};
use crate::call::Leaf;
use crate::limits::{DETECTOR_FIELDS_MAX, FIELD_VALUES_MAX};
use crate::record::finding::{Evidence, Fact, Severity};
use crate::sensitive::name;
use crate::sensitive::secret::{Certainty, Class};

/// The rule.
#[derive(Debug)]
pub struct SecretInUrl;

/// What is remembered of an operation.
#[derive(Debug, Default)]
pub struct State {
    /// By parameter: how often each value of a doubtful name came.
    doubtful: BTreeMap<String, Vec<(u64, u32)>>,
    /// Calls that had a credential in the URL.
    calls: u64,
}

/// So many calls with one value tell a credential from a cursor or a one-time token.
const REPEATS_MIN: u32 = 3;

/// Paths that links in mails and redirects of browsers lead to: what stands in them is used once.
const ONE_TIME: &[&str] = &[
    "reset",
    "verify",
    "verification",
    "validate",
    "confirm",
    "confirmation",
    "activate",
    "activation",
    "unsubscribe",
    "subscribe",
    "invite",
    "invites",
    "invitation",
    "invitations",
    "magic",
    "recover",
    "recovery",
    "forgot",
    "optin",
    "optout",
    "share",
    "shared",
    "callback",
    "logout",
    "redeem",
    "preview",
    "download",
    "downloads",
];

/// OpenID Connect and OAuth send these through the browser by design.
const BY_PROTOCOL: &[&str] =
    &["query id_token_hint", "query request", "query state", "query logout_token", "query code"];

impl Detector for SecretInUrl {
    type State = State;
    const RULE: Rule = Rule {
        id: "auth.secret-in-url",
        owasp: "API2:2023",
        cwe: 598,
        remediation: "Send the credential in a header (Authorization) and refuse it in the URL; replace the ones that were sent, since \
                      they stand in logs.",
    };
    const SCOPE: Scope = Scope::Operation;

    fn concerns(call: &Observation) -> bool {
        call.status.is_some() && leaves(call).next().is_some()
    }

    fn observe(
        call: &Observation,
        labels: &Labels,
        baseline: &Baseline,
        state: &mut State,
        report: &mut dyn FnMut(Report),
    ) {
        let before = state.calls;
        let mut any = false;
        for leaf in leaves(call) {
            let Some(judged) = judge(leaf, labels) else { continue };
            if judged.doubtful {
                match comes_again(&mut state.doubtful, leaf) {
                    Some(true) => (),
                    Some(false) => continue,
                    None => {
                        report(Report::NotJudged);
                        continue;
                    }
                }
            }
            any = true;
            report(Report::Support(Box::new(signal(call, labels, baseline, before, leaf, &judged))));
        }
        state.calls += u64::from(any);
    }
}

fn leaves(call: &Observation) -> impl Iterator<Item = &Leaf> {
    let all = call.request.facts.as_ref().map(|facts| facts.leaves.as_slice()).unwrap_or_default();
    all.iter().filter(|leaf| leaf.at.starts_with("query ") || leaf.at.starts_with("path "))
}

struct Judged<'a> {
    class: &'a str,
    how: &'static str,
    confidence: u8,
    severity: Severity,
    doubtful: bool,
}

/// What a leaf is worth; nothing if it is made to stand in a URL.
fn judge<'a>(leaf: &'a Leaf, labels: &Labels) -> Option<Judged<'a>> {
    let is = |class: &str| leaf.classes.iter().any(|known| known == class);
    if is(name::URL_SIGNATURE) || BY_PROTOCOL.iter().any(|known| leaf.at.eq_ignore_ascii_case(known)) {
        return None;
    }
    let judged = |class, how, confidence| Judged {
        class,
        how,
        confidence,
        severity: Severity::Medium,
        doubtful: false,
    };
    let formats = leaf.classes.iter().filter_map(|class| Class::named(class));
    let format = formats
        .filter(|class| !matches!(class, Class::Jwt | Class::AwsAccessKeyId | Class::AwsLookalike))
        .max();
    let one_time = has_word(labels, usize::MAX, ONE_TIME);
    match format {
        // Google asks for its keys in the URL; those of maps are public, those of other services are not.
        Some(Class::GoogleApiKey) => {
            return Some(Judged {
                severity: Severity::Low,
                ..judged(Class::GoogleApiKey.name(), "format", 60)
            });
        }
        Some(class) => {
            let sure = class.certainty() == Certainty::Checksum;
            return Some(judged(
                class.name(),
                if sure { "checksum in the value" } else { "format" },
                if sure { 97 } else { 90 },
            ));
        }
        None => (),
    }
    let by_name = |class: &str| {
        matches!(class, name::API_KEY | name::PASSWORD | name::CLIENT_SECRET | name::REFRESH_TOKEN)
    };
    if let Some(class) = leaf.classes.iter().find(|class| by_name(class)) {
        return Some(judged(class, "name of the parameter", 80));
    }
    if one_time {
        return None;
    }
    let with_jwt = is(Class::Jwt.name());
    if let Some(class) =
        leaf.classes.iter().find(|class| matches!(class.as_str(), name::ACCESS_TOKEN | name::SESSION_ID))
    {
        return Some(judged(class, "name of the parameter", if with_jwt { 90 } else { 75 }));
    }
    let doubtful = leaf
        .classes
        .iter()
        .find(|class| class.as_str() == name::TOKEN || class.as_str() == Class::Jwt.name())?;
    Some(Judged { doubtful: true, ..judged(doubtful, "one value in many calls", 60) })
}

/// Counts the value; whether it came often enough. Nothing if there are too many parameters to remember.
fn comes_again(doubtful: &mut BTreeMap<String, Vec<(u64, u32)>>, leaf: &Leaf) -> Option<bool> {
    if !doubtful.contains_key(&leaf.at) {
        if doubtful.len() >= DETECTOR_FIELDS_MAX {
            return None;
        }
        doubtful.insert(leaf.at.clone(), Vec::new());
    }
    let values = doubtful.get_mut(&leaf.at)?;
    Some(match values.iter_mut().find(|(value, _)| *value == leaf.fingerprint) {
        Some((_, count)) => {
            *count = count.saturating_add(1);
            *count >= REPEATS_MIN
        }
        None => {
            // Of many values the oldest makes room: a cursor doesn't come again.
            if values.len() >= FIELD_VALUES_MAX {
                values.remove(0);
            }
            values.push((leaf.fingerprint, 1));
            false
        }
    })
}

fn signal(
    call: &Observation,
    labels: &Labels,
    baseline: &Baseline,
    before: u64,
    leaf: &Leaf,
    judged: &Judged<'_>,
) -> Signal {
    let status = call.status.unwrap_or_default();
    let accepted = (100..400).contains(&status);
    let severity = if accepted { judged.severity } else { judged.severity.min(Severity::Low) };
    let fact = |text, usual: &str, observed: String| Fact { text, usual: usual.to_owned(), observed };
    Signal {
        field: leaf.at.clone(),
        severity,
        confidence: judged.confidence,
        title: format!("{} stands in the URL of {}", class_words(judged.class), operation_text(call, labels)),
        client: Some(call.client.ip()),
        evidence: vec![Evidence {
            call: call.id,
            what: format!("{} in the URL", judged.class),
            place: format!("request {}", leaf.at),
            value_masked: leaf.masked.clone(),
        }],
        baseline: baseline.compared("share of calls with a credential in the URL", before),
        facts: [
            fact("place of the credential", "a header", leaf.at.clone()),
            fact("how it is known", "no secret in the URL", judged.how.to_owned()),
            fact("status of the answer", "refused", status.to_string()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::get;
    use crate::content;

    /// What is reported for calls with these targets, in this order.
    fn reported(calls: &[(&str, u16)]) -> Vec<(String, Severity, u8)> {
        let mut state = State::default();
        let mut all = Vec::new();
        for (target, status) in calls {
            let mut call = get(target);
            call.status = Some(*status);
            call.request.facts = Some(content::parameters(target.as_bytes(), &xxhash_rust::xxh3::xxh3_64));
            let labels = crate::inventory::Inventory::new(false, 1).observe(&call);
            if SecretInUrl::concerns(&call) {
                SecretInUrl::observe(&call, &labels, &Baseline::default(), &mut state, &mut |report| {
                    match report {
                        Report::Support(signal) => {
                            all.push((signal.field, signal.severity, signal.confidence))
                        }
                        Report::Withdraw { .. } | Report::NotJudged => {
                            panic!("nothing to withdraw, few fields")
                        }
                    }
                });
            }
        }
        all
    }

    #[test]
    fn credentials_in_urls_are_found() {
        for (target, status, field, severity, confidence) in [
            ("/v1/orders/7?api_key=k3yV4lu391ab77&expand=lines", 200, "query api_key", Severity::Medium, 80),
            ("/v1/orders/7?api_key=k3yV4lu391ab77", 304, "query api_key", Severity::Medium, 80),
            ("/v1/orders/7?api_key=k3yV4lu391ab77", 401, "query api_key", Severity::Low, 80),
            ("/login?user=anna&password=tr0ub4dor", 302, "query password", Severity::Medium, 80),
            ("/password/reset?password=tr0ub4dor", 200, "query password", Severity::Medium, 80),
            ("/x?k=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", 200, "query k", Severity::Medium, 97),
            ("/x/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", 200, "path 2", Severity::Medium, 97),
            ("/geo?key=AIzaSyaB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA_", 200, "query key", Severity::Low, 60),
            ("/x?access_token=eyJhbGciOiJub25lIn0.e30.", 200, "query access_token", Severity::Medium, 90),
            ("/ws?access_token=7f6e5d4c3b2a19080716", 101, "query access_token", Severity::Medium, 75),
        ] {
            assert_eq!(reported(&[(target, status)]), [(field.to_owned(), severity, confidence)], "{target}");
        }
    }

    #[test]
    fn benign_twins_stay_silent() {
        let cursor = |n: u32| {
            format!(
                "/v1/orders?page_token=2f9a77c1e0b34d58a6c1{n:04}&key=sku&token=2f9a77c1e0b34d58a6c1{n:04}"
            )
        };
        let cursors: Vec<_> = (0..200).map(cursor).collect();
        let calls: Vec<_> = cursors.iter().map(|target| (target.as_str(), 200)).collect();
        assert_eq!(reported(&calls), []);
        for target in [
            "/v1/orders?key=12&api_key=&apikey=%7BapiKey%7D&access_token=null",
            "/password/reset?token=2f9a77c1e0b34d58a6c1",
            "/verify-email?access_token=2f9a77c1e0b34d58a6c1",
            "/b/o.pdf?X-Amz-Credential=AKIAY3RT5WLQ6ZNXM27Q%2F20250307%2Feu%2Fs3%2Faws4_request&X-Amz-Signature=0011223344556677aa\
             &X-Amz-Security-Token=FwoGZXIvYXdzEB4aDNh2b0",
            "/b/o.pdf?AWSAccessKeyId=AKIAY3RT5WLQ6ZNXM27Q&Signature=aB3dE5gH7jK9mN1pQ2rS4tU&Expires=1741340467",
            "/container/x?sv=2024&sig=aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA",
            "/endsession?id_token_hint=eyJhbGciOiJub25lIn0.e30.",
            "/items/ASIA0001234567891234",
        ] {
            assert_eq!(reported(&[(target, 200); 5]), [], "{target}");
        }
    }

    #[test]
    fn a_doubtful_name_needs_one_value_again_and_again() {
        let target = "/feed?token=2f9a77c1e0b34d58a6c1";
        assert_eq!(reported(&[(target, 200); 2]), []);
        assert_eq!(reported(&[(target, 200); 3]), [("query token".to_owned(), Severity::Medium, 60)]);
    }

    #[test]
    fn unanswered_calls_say_nothing() {
        let mut call = get("/x?api_key=k3yV4lu391ab77");
        call.request.facts = Some(content::parameters(b"/x?api_key=k3yV4lu391ab77", &|_| 1));
        assert!(SecretInUrl::concerns(&call));
        call.status = None;
        assert!(!SecretInUrl::concerns(&call));
    }
}
