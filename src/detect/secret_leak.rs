//! `data.secret-leak`: a key, a token or a private key whose format can be checked stands in an answer.
//!
//! What answers are made to give stays silent: JSON Web Tokens, what a token endpoint issues, what the caller sent himself. An
//! AWS key id is worth nothing without its secret, and whole families of identifiers look like one: it is certain only with its
//! secret beside it, and else judged by what else stands at the same place of the same operation.

use std::collections::BTreeMap;

use super::{Baseline, Detector, Report, Rule, Scope, Signal, class_words, has_word, operation_text};
use crate::analysis::{Labels, Observation};
use crate::call::Leaf;
use crate::limits::{DETECTOR_FIELDS_MAX, FIELD_VALUES_MAX};
use crate::record::finding::{Evidence, Fact, Severity};
use crate::sensitive::secret::{Certainty, Class};

/// The rule.
#[derive(Debug)]
pub struct SecretLeak;

/// What is remembered of an operation.
#[derive(Debug, Default)]
pub struct State {
    /// By place in its answers, indexes of lists left out.
    fields: BTreeMap<String, Field>,
    /// Calls whose answer held a secret.
    calls: u64,
}

/// What stands at one place that looks like AWS key ids.
#[derive(Debug, Default)]
struct Field {
    /// Fingerprints of values that can be key ids.
    ids: Vec<u64>,
    /// Fingerprints of values that can't.
    lookalikes: Vec<u64>,
    /// A finding about an id alone was opened.
    open: bool,
}

/// A place with as many values holds a family of identifiers; one that leaks a key holds one to three.
const FAMILY_VALUES_MIN: usize = 20;
/// A place where as many values look like ids and can't be, and no more than one in ten can, is judged before that.
const FAMILY_LOOKALIKES_MIN: usize = 3;

/// Where clients ask for tokens and keys, and are meant to get them.
const ISSUING: &[&str] = &[
    "token",
    "tokens",
    "oauth",
    "oauth2",
    "login",
    "signin",
    "session",
    "sessions",
    "key",
    "keys",
    "apikey",
    "apikeys",
    "credential",
    "credentials",
    "authorize",
    "register",
];

/// What an id's field is called, letters alone.
const ID_NAMES: &[&str] =
    &["accesskeyid", "accesskey", "awsaccesskeyid", "awsaccesskey", "awskey", "awskeyid", "awsid"];

impl Detector for SecretLeak {
    type State = State;
    const RULE: Rule = Rule {
        id: "data.secret-leak",
        owasp: "API3:2023",
        cwe: 200,
        remediation: "Take the secret out of the answer (send named fields, not whole objects or environments), and replace it: \
                      whoever called this operation may have it.",
    };
    const SCOPE: Scope = Scope::Operation;

    fn concerns(call: &Observation) -> bool {
        !leaves(call).is_empty()
    }

    fn observe(
        call: &Observation,
        labels: &Labels,
        baseline: &Baseline,
        state: &mut State,
        report: &mut dyn FnMut(Report),
    ) {
        let issues = issues(call, labels);
        let sent = call.request.facts.as_ref().map(|facts| facts.leaves.as_slice()).unwrap_or_default();
        let leaves = leaves(call);
        let before = state.calls;
        let mut any = false;
        let mut support = |found: &Found<'_>| {
            any = true;
            report(Report::Support(Box::new(signal(call, labels, baseline, before, found))));
        };
        let mut withdrawn = Vec::new();
        let mut not_judged = 0;
        for leaf in leaves {
            let echoed = sent.iter().any(|own| own.fingerprint == leaf.fingerprint);
            let Some(class) = class_of(leaf).filter(|_| !echoed) else { continue };
            match class {
                // Tokens are what answers are for; secrets of pairs are told of with their ids.
                Class::Jwt | Class::AwsSecretKey => (),
                Class::AwsAccessKeyId | Class::AwsLookalike => {
                    let pair = leaves
                        .iter()
                        .find(|other| class_of(other) == Some(Class::AwsSecretKey) && are_near(leaf, other));
                    match (class, pair) {
                        (Class::AwsAccessKeyId, Some(secret)) if !issues => {
                            support(&Found::pair(leaf, secret))
                        }
                        (Class::AwsAccessKeyId, Some(_)) => (),
                        _ => match state.learn(leaf, class) {
                            Learned::Id if !issues => support(&Found::id_alone(leaf)),
                            Learned::Family => withdrawn.push(field_of(leaf)),
                            Learned::TooManyFields => not_judged += 1,
                            Learned::Id | Learned::Nothing => (),
                        },
                    }
                }
                Class::PrivateKey => support(&Found::single(leaf, class)),
                _ if !issues => support(&Found::single(leaf, class)),
                _ => (),
            }
        }
        state.calls += u64::from(any);
        (0..not_judged).for_each(|_| report(Report::NotJudged));
        for field in withdrawn {
            let fact = Fact {
                text: "other values at this place",
                usual: "one to three".into(),
                observed: "identifiers of a family".into(),
            };
            report(Report::Withdraw { field, fact });
        }
    }
}

fn leaves(call: &Observation) -> &[Leaf] {
    call.response.facts.as_ref().map(|facts| facts.leaves.as_slice()).unwrap_or_default()
}

fn class_of(leaf: &Leaf) -> Option<Class> {
    leaf.classes.iter().find_map(|class| Class::named(class))
}

/// Whether this answer is made to give a new secret to whoever asks: a token endpoint, or a cloud's own services.
fn issues(call: &Observation, labels: &Labels) -> bool {
    let asks = matches!(call.method.as_deref(), Some("POST" | "PUT")) && has_word(labels, 2, ISSUING);
    let service = labels.service.as_deref().unwrap_or_default();
    asks || service.ends_with(".amazonaws.com") || service == "169.254.169.254"
}

/// Both in plain text, or in one object.
fn are_near(a: &Leaf, b: &Leaf) -> bool {
    let object = |leaf: &Leaf| leaf.at.rfind('/').and_then(|slash| leaf.at.get(..slash)).map(str::to_owned);
    object(a) == object(b)
}

/// The place with the indexes of lists left out: `body /rows/17/key` → `body /rows/*/key`.
fn field_of(leaf: &Leaf) -> String {
    let is_index = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = leaf.at.split('/').map(|part| if is_index(part) { "*" } else { part }).collect();
    parts.join("/")
}

enum Learned {
    /// It may be a key id.
    Id,
    /// It is one of a family, and a finding about another was opened.
    Family,
    /// The operation has too many fields.
    TooManyFields,
    /// Nothing is to be said.
    Nothing,
}

impl State {
    fn learn(&mut self, leaf: &Leaf, class: Class) -> Learned {
        let name = field_of(leaf);
        if self.fields.len() >= DETECTOR_FIELDS_MAX && !self.fields.contains_key(&name) {
            return Learned::TooManyFields;
        }
        let field = self.fields.entry(name).or_default();
        let values = if class == Class::AwsLookalike { &mut field.lookalikes } else { &mut field.ids };
        if values.len() < FIELD_VALUES_MAX && !values.contains(&leaf.fingerprint) {
            values.push(leaf.fingerprint);
        }
        let (ids, lookalikes) = (field.ids.len(), field.lookalikes.len());
        let is_family = ids + lookalikes >= FAMILY_VALUES_MIN
            || lookalikes >= FAMILY_LOOKALIKES_MIN && lookalikes >= 9 * ids;
        match (is_family, class) {
            (true, _) if field.open => {
                field.open = false;
                Learned::Family
            }
            (false, Class::AwsAccessKeyId) => {
                field.open = true;
                Learned::Id
            }
            _ => Learned::Nothing,
        }
    }
}

/// What was found, and how sure it is.
struct Found<'a> {
    leaf: &'a Leaf,
    secret: Option<&'a Leaf>,
    what: &'a str,
    how: &'static str,
    severity: Severity,
    confidence: u8,
}

impl<'a> Found<'a> {
    fn single(leaf: &'a Leaf, class: Class) -> Self {
        let (severity, confidence, how) = match (class, class.certainty()) {
            // Many of them are made to be public.
            (Class::GoogleApiKey, _) => (Severity::Medium, 40, "format"),
            (_, Certainty::Checksum) => (Severity::Critical, 97, "checksum in the value"),
            (Class::PrivateKey, _) => (Severity::Critical, 90, "armour and encoding"),
            _ => (Severity::Critical, 85, "format"),
        };
        Self { leaf, secret: None, what: class_words(class.name()), how, severity, confidence }
    }

    fn pair(leaf: &'a Leaf, secret: &'a Leaf) -> Self {
        let what = "An AWS key pair";
        Self {
            leaf,
            secret: Some(secret),
            what,
            how: "id and secret side by side",
            severity: Severity::Critical,
            confidence: 95,
        }
    }

    fn id_alone(leaf: &'a Leaf) -> Self {
        let name = leaf.at.rsplit('/').next().unwrap_or_default();
        let letters: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let named = ID_NAMES.contains(&letters.as_str());
        let (severity, confidence) = if named { (Severity::High, 50) } else { (Severity::Medium, 30) };
        let how = if named { "format and name of the field" } else { "format" };
        Self {
            leaf,
            secret: None,
            what: class_words(Class::AwsAccessKeyId.name()),
            how,
            severity,
            confidence,
        }
    }
}

fn signal(
    call: &Observation,
    labels: &Labels,
    baseline: &Baseline,
    before: u64,
    found: &Found<'_>,
) -> Signal {
    let evidence = |leaf: &Leaf| Evidence {
        call: call.id,
        what: format!("{} in an answer", leaf.classes.first().map_or("secret", String::as_str)),
        place: format!("response {}", leaf.at),
        value_masked: leaf.masked.clone(),
    };
    let fact = |text, usual: &str, observed: String| Fact { text, usual: usual.to_owned(), observed };
    Signal {
        field: field_of(found.leaf),
        severity: found.severity,
        confidence: found.confidence,
        title: format!("{} stands in answers of {}", found.what, operation_text(call, labels)),
        client: None,
        evidence: std::iter::once(found.leaf).chain(found.secret).map(evidence).collect(),
        baseline: baseline.compared("share of answers with a secret", before),
        facts: [
            fact("how it is known", "no secret in answers", found.how.to_owned()),
            fact("place", "none", field_of(found.leaf)),
            fact(
                "status of the answer",
                "any",
                call.status.map_or_else(|| "unknown".to_owned(), |status| status.to_string()),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::get;
    use crate::content;

    const ID: &str = "AKIAY3RT5WLQ6ZNXM27Q";
    const SECRET: &str = "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";
    const GITHUB: &str = "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";

    fn answer(method: &str, path: &str, body: &str) -> Observation {
        let fingerprint = &xxhash_rust::xxh3::xxh3_64;
        let mut call = get(path);
        call.method = Some(method.to_owned());
        call.request.facts = Some(content::parameters(path.as_bytes(), fingerprint));
        call.response.facts = content::inspect_body(None, false, body.as_bytes(), fingerprint);
        call
    }

    /// Field, severity and confidence of each support; a withdrawal has severity info.
    fn reported(calls: &[Observation]) -> Vec<(String, Severity, u8)> {
        let mut state = State::default();
        let mut all = Vec::new();
        for call in calls {
            let labels = crate::inventory::Inventory::new(false, 1).observe(call);
            if SecretLeak::concerns(call) {
                SecretLeak::observe(call, &labels, &Baseline::default(), &mut state, &mut |report| {
                    match report {
                        Report::Support(signal) => {
                            all.push((signal.field, signal.severity, signal.confidence))
                        }
                        Report::Withdraw { field, .. } => all.push((field, Severity::Info, 0)),
                        Report::NotJudged => all.push((String::new(), Severity::Info, 0)),
                    }
                });
            }
        }
        all
    }

    #[test]
    fn secrets_in_answers_are_found() {
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA{}\\n-----END PRIVATE KEY-----",
            "x4Yb7nQz".repeat(8)
        );
        for (body, field, severity, confidence) in [
            (
                format!(r#"{{"debug":{{"accessKeyId":"{ID}","secretAccessKey":"{SECRET}"}}}}"#),
                "body /debug/accessKeyId",
                Severity::Critical,
                95,
            ),
            (
                format!("AWS_ACCESS_KEY_ID={ID}\nAWS_SECRET_ACCESS_KEY={SECRET}"),
                "body",
                Severity::Critical,
                95,
            ),
            (format!(r#"{{"accessKeyId":"{ID}"}}"#), "body /accessKeyId", Severity::High, 50),
            (format!(r#"{{"id":"{ID}"}}"#), "body /id", Severity::Medium, 30),
            (format!(r#"{{"rows":[{{}},{{"t":"{GITHUB}"}}]}}"#), "body /rows/*/t", Severity::Critical, 97),
            (format!(r#"{{"key":"{pem}"}}"#), "body /key", Severity::Critical, 90),
            (
                r#"{"k":"AIzaSyaB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA_"}"#.to_owned(),
                "body /k",
                Severity::Medium,
                40,
            ),
        ] {
            assert_eq!(
                reported(&[answer("GET", "/v1/catalog", &body)]),
                [(field.to_owned(), severity, confidence)],
                "{body}"
            );
        }
    }

    #[test]
    fn account_numbers_that_look_like_key_ids_stay_silent() {
        let page = |first: u32| {
            let rows: Vec<_> =
                (first..first + 4).map(|n| format!(r#"{{"account":"ASIA{:016}"}}"#, n * 7919)).collect();
            answer("GET", "/v1/orders", &format!("[{}]", rows.join(",")))
        };
        let mut calls: Vec<_> = (0..30).map(|n| page(n * 4)).collect();
        assert_eq!(reported(&calls), []);
        // One account number that happens to be of the right alphabet is one of the family, before or after the others.
        calls.push(answer("GET", "/v1/orders", r#"[{"account":"ASIAY3RT5WLQ6ZNXM27Q"}]"#));
        assert_eq!(reported(&calls), []);
        calls.rotate_right(1);
        let field = "body /*/account".to_owned();
        assert_eq!(reported(&calls), [(field.clone(), Severity::Medium, 30), (field, Severity::Info, 0)]);
    }

    #[test]
    fn a_list_of_key_ids_without_secrets_is_a_family_too() {
        let id = |n: usize| {
            format!(
                "AKIAY3RT5WLQ6ZNX{}{}7Q",
                char::from(b'A' + (n / 20) as u8),
                char::from(b'C' + (n % 20) as u8)
            )
        };
        let calls: Vec<_> = (0..40)
            .map(|n| answer("GET", "/iam/users", &format!(r#"{{"accessKeyId":"{}"}}"#, id(n))))
            .collect();
        let all = reported(&calls);
        assert_eq!((all.len(), all.last().map(|last| last.1)), (FAMILY_VALUES_MIN, Some(Severity::Info)));
    }

    #[test]
    fn fields_are_bounded_and_it_is_said() {
        let calls: Vec<_> = (0..DETECTOR_FIELDS_MAX + 2)
            .map(|n| answer("GET", "/v1/x", &format!(r#"{{"field-{n}":"{ID}"}}"#)))
            .collect();
        let all = reported(&calls);
        assert_eq!(all.iter().filter(|one| one.0.is_empty()).count(), 2);
        assert_eq!(all.len(), calls.len());
    }

    #[test]
    fn what_answers_are_made_to_give_stays_silent() {
        let pair = format!(r#"{{"accessKeyId":"{ID}","secretAccessKey":"{SECRET}"}}"#);
        for call in [
            answer("POST", "/oauth/token", r#"{"access_token":"eyJhbGciOiJub25lIn0.e30."}"#),
            answer("GET", "/me", r#"{"access_token":"eyJhbGciOiJub25lIn0.e30."}"#),
            answer("POST", "/app/installations/7/access_tokens", &format!(r#"{{"token":"{GITHUB}"}}"#)),
            answer("POST", "/iam/users/7/access-keys", &pair),
            answer("GET", &format!("/echo?q={GITHUB}"), &format!(r#"{{"q":"{GITHUB}"}}"#)),
            answer(
                "GET",
                "/files/7",
                &format!(
                    r#"{{"url":"https://b.s3.test/o?X-Amz-Credential={ID}%2F20250307%2Feu%2Fs3%2Faws4_request"}}"#
                ),
            ),
            answer(
                "GET",
                "/docs",
                r#"{"example":"AKIAIOSFODNN7EXAMPLE","secret":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#,
            ),
            Observation {
                authority: crate::call::Seen::Known("sts.amazonaws.com".into()),
                ..answer("POST", "/", &pair)
            },
        ] {
            assert_eq!(reported(&[call.clone(), call]), []);
        }
    }
}
