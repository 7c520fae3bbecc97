//! Detectors: from observations to findings.
//!
//! A detector is a pure function of a call, what is learned of it, the baseline and a state of its own. It names the scope
//! of that state, changes only the state of the key that it is given, and reads everything else as the baseline, which is
//! closed two epochs before: so the same detectors can be spread over threads or machines and find the same.

pub mod secret_in_url;
pub mod secret_leak;

use std::net::IpAddr;

use crate::analysis::{Labels, Observation};
use crate::record::finding::{Compared, Evidence, Fact, Severity};
use crate::time::Timestamp;

/// By what the state of a detector is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One state for each route: for each caller.
    Route,
    /// One for each service.
    Service,
    /// One for each operation, or for what a call asked for where there is none.
    Operation,
    /// One for each credential, by its fingerprint.
    Value,
}

/// What is fixed about a rule, as the register of rules says.
#[derive(Debug)]
pub struct Rule {
    /// `family.name`; its meaning never changes.
    pub id: &'static str,
    /// Category of OWASP's API list.
    pub owasp: &'static str,
    /// Number of the weakness.
    pub cwe: u32,
    /// What a developer should change.
    pub remediation: &'static str,
}

/// What was known of the call's operation at the end of the epoch before the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Its calls until then.
    pub calls: u64,
    /// Its first one; absent where the operation was not known yet.
    pub since: Option<Timestamp>,
}

impl Baseline {
    /// A share of its calls that was `before` until then, and is all of this one; absent where nothing was known.
    pub(crate) fn compared(&self, name: &'static str, before: u64) -> Option<Compared> {
        let since = self.since.filter(|_| self.calls > 0)?;
        let usual = (before as f64 / self.calls as f64).min(1.0);
        Some(Compared { name, usual, observed: 1.0, n: self.calls, since })
    }
}

/// What a detector says of one call.
#[derive(Clone, Debug)]
pub enum Report {
    /// The call supports a finding: it opens it, or makes it grow.
    Support(Box<Signal>),
    /// What was learned since speaks against an open finding.
    Withdraw {
        /// As in the [`Signal`] that opened it.
        field: String,
        /// Why, instead of the last fact.
        fact: Fact,
    },
    /// A value was not judged, because the state of its key remembers too many fields.
    NotJudged,
}

/// One call's support for one finding.
#[derive(Clone, Debug)]
pub struct Signal {
    /// What, beside rule and operation, makes the finding: a parameter, a place in answers.
    pub field: String,
    /// How bad it is if it is true.
    pub severity: Severity,
    /// How sure it is, from 0 to 100.
    pub confidence: u8,
    /// One sentence for the finding.
    pub title: String,
    /// The caller, where the finding is about callers.
    pub client: Option<IpAddr>,
    /// What shows it.
    pub evidence: Vec<Evidence>,
    /// What it is compared with.
    pub baseline: Option<Compared>,
    /// What made the score.
    pub facts: [Fact; 3],
}

/// A rule that runs.
pub trait Detector {
    /// What it remembers for one key of its scope.
    type State: Default;
    /// Which rule it is.
    const RULE: Rule;
    /// By what its state is kept apart.
    const SCOPE: Scope;

    /// Whether it has anything to look at in the call. No state is made for a call that doesn't concern it.
    fn concerns(call: &Observation) -> bool;

    /// Looks at a call.
    fn observe(
        call: &Observation,
        labels: &Labels,
        baseline: &Baseline,
        state: &mut Self::State,
        report: &mut dyn FnMut(Report),
    );
}

/// `GET /users/{integer}`, for titles.
fn operation_text(call: &Observation, labels: &Labels) -> String {
    format!("{} {}", call.method.as_deref().unwrap_or("?"), labels.template.as_deref().unwrap_or("?"))
}

/// Whether any of the last `count` segments of the template has one of the words in it; segments are cut at `-`, `_`,
/// `.` and `:`.
fn has_word(labels: &Labels, count: usize, words: &[&str]) -> bool {
    let segments = labels.template.as_deref().unwrap_or_default().rsplit('/').take(count);
    let mut all = segments.flat_map(|segment| segment.split(['-', '_', '.', ':']));
    all.any(|word| words.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

/// What a class of secret is called in a sentence.
fn class_words(class: &str) -> &str {
    match class {
        "api-key" => "An API key",
        "access-token" => "An access token",
        "refresh-token" => "A refresh token",
        "client-secret" => "A client secret",
        "password" => "A password",
        "session-id" => "A session id",
        "token" => "A token",
        "jwt" => "A JSON Web Token",
        "private-key" => "A private key",
        "aws-access-key-id" => "An AWS access key id",
        "aws-secret-key" => "An AWS secret key",
        "github-token" | "github-fine-grained-token" => "A GitHub token",
        "gitlab-token" => "A GitLab token",
        "npm-token" => "An npm token",
        "stripe-key" => "A live Stripe key",
        "slack-token" => "A Slack token",
        "google-api-key" => "A Google API key",
        "sendgrid-key" => "A SendGrid key",
        "shopify-token" => "A Shopify token",
        "digitalocean-token" => "A DigitalOcean token",
        "pypi-token" => "A PyPI token",
        "openai-key" => "An OpenAI key",
        "anthropic-key" => "An Anthropic key",
        _ => "A secret",
    }
}
