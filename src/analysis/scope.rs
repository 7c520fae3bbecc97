//! A detector and its states, one for each key of its scope: the frame keeps them apart, so that no detector can reach
//! another key's state.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use super::{Labels, Observation};
use crate::call::Seen;
use crate::detect::{Baseline, Detector, Report, Scope};
use crate::inventory::operation_id;
use crate::limits::DETECTOR_KEYS_MAX;

/// One detector over all keys.
pub(super) struct Scoped<D: Detector> {
    states: BTreeMap<u128, D::State>,
    /// Calls that were not judged because there are too many keys.
    pub(super) refused: u64,
}

impl<D: Detector> Default for Scoped<D> {
    fn default() -> Self {
        Self { states: BTreeMap::new(), refused: 0 }
    }
}

impl<D: Detector> Scoped<D> {
    /// Shows the call to the detector, if it concerns it.
    pub(super) fn observe(
        &mut self,
        call: &Observation,
        labels: &Labels,
        baseline: impl FnOnce(u128) -> Baseline,
        mut report: impl FnMut(Report),
    ) {
        if !D::concerns(call) {
            return;
        }
        let operation = operation_of(call, labels);
        let Some(key) = key(D::SCOPE, call, labels, operation) else { return };
        if self.states.len() >= DETECTOR_KEYS_MAX && !self.states.contains_key(&key) {
            self.refused += 1;
            return;
        }
        let baseline = operation.map(baseline).unwrap_or_default();
        D::observe(call, labels, &baseline, self.states.entry(key).or_default(), &mut report);
    }
}

/// The operation, or what a call asked for where nothing answered as one.
fn operation_of(call: &Observation, labels: &Labels) -> Option<u128> {
    let (service, method, template) =
        (labels.service.as_deref()?, call.method.as_deref()?, labels.template.as_deref()?);
    Some(operation_id(service, method, template))
}

fn key(scope: Scope, call: &Observation, labels: &Labels, operation: Option<u128>) -> Option<u128> {
    match scope {
        Scope::Route => Some(xxh3_128(call.route.as_bytes())),
        Scope::Service => labels.service.as_deref().map(|service| xxh3_128(service.as_bytes())),
        Scope::Operation => operation,
        Scope::Value => match &call.credential {
            Seen::Known(credential) => Some(u128::from(credential.fingerprint)),
            Seen::None | Seen::Unknown => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::get;
    use super::*;
    use crate::detect::Rule;

    /// Counts the calls of each key and reports nothing.
    struct Counting;

    impl Detector for Counting {
        type State = u32;
        const RULE: Rule = Rule { id: "test.counting", owasp: "", cwe: 0, remediation: "" };
        const SCOPE: Scope = Scope::Operation;

        fn concerns(call: &Observation) -> bool {
            call.complete
        }

        fn observe(_: &Observation, _: &Labels, _: &Baseline, state: &mut u32, _: &mut dyn FnMut(Report)) {
            *state += 1;
        }
    }

    #[test]
    fn keys_are_kept_apart_and_bounded() {
        let mut counting = Scoped::<Counting>::default();
        let mut show = |template: &str, complete: bool| {
            let labels =
                Labels { service: Some("h".into()), template: Some(template.into()), operation: None };
            let call = Observation { complete, ..get(template) };
            counting.observe(&call, &labels, |_| Baseline::default(), |_| ());
        };
        (0..5).for_each(|_| show("/a", true));
        show("/b", false);
        (1..DETECTOR_KEYS_MAX + 3).for_each(|number| show(&format!("/{number}"), true));
        show("/a", true);
        let of_a = operation_id("h", "GET", "/a");
        assert_eq!(
            (counting.states.get(&of_a), counting.states.len(), counting.refused),
            (Some(&6), DETECTOR_KEYS_MAX, 3)
        );
    }

    #[test]
    fn each_scope_has_its_key() {
        let mut call = get("/a");
        let labels = Labels { service: Some("h".into()), template: Some("/a".into()), operation: None };
        let all = |call: &Observation, labels: &Labels| {
            [Scope::Route, Scope::Service, Scope::Operation, Scope::Value]
                .map(|scope| key(scope, call, labels, operation_of(call, labels)).is_some())
        };
        assert_eq!(all(&call, &labels), [true, true, true, false]);
        call.credential = Seen::Known(super::super::Credential { kind: "jwt".into(), fingerprint: 3 });
        assert_eq!(all(&call, &Labels::default()), [true, false, false, true]);
    }
}
