//! The operations that really exist, with what was seen of each.
//!
//! An operation is a service (the host that was asked for), a method and the template of a path. Only an answer
//! that shows that something is there makes one; afterwards every call to it counts, whatever its answer.

mod distinct;
mod operation;
mod proven;
mod template;
pub mod token;

use std::collections::BTreeMap;
use std::net::IpAddr;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64_with_seed};

use crate::analysis::{Labels, Observation};
use crate::call::{Leaf, Seen};
use crate::limits::{HOST_BYTES_MAX, METHOD_BYTES_MAX, OPERATIONS_MAX};
use crate::record::endpoint::Endpoint;
use crate::sensitive::secret::{Certainty, Class};
use crate::time::Timestamp;

use operation::Operation;
use proven::Proven;

crate::counters! {
    /// What the inventory did not take in, and why.
    pub struct Counters {
        /// Calls whose service, method or path is not known: they belong to no operation.
        calls_without_operation,
        /// Calls whose answer does not show that anything is there (404 and the like), to no known operation.
        calls_to_nothing,
        /// Calls to operations that found no place because there were too many.
        calls_beyond_operations_max,
        /// Words of paths that `strict` could not learn because there were too many.
        words_beyond_places_max,
    }
}

/// The inventory of one analysis.
pub struct Inventory {
    strict: bool,
    seed: u64,
    operations: BTreeMap<u128, Operation>,
    proven: Proven,
    counters: Counters,
    /// Written anew for each call, so that a call of a known operation allocates nothing.
    service: String,
    template: String,
}

impl Inventory {
    /// An empty one. The seed is for hashes that stay inside; under `strict` templates hide words that are not proven.
    #[must_use]
    pub fn new(strict: bool, seed: u64) -> Self {
        Self {
            strict,
            seed,
            operations: BTreeMap::new(),
            proven: Proven::default(),
            counters: Counters::default(),
            service: String::new(),
            template: String::new(),
        }
    }

    /// Takes a call in; says what it is a call of. What continues a call is not counted again.
    pub fn observe(&mut self, call: &Observation) -> Labels {
        if !write_service(call, &mut self.service) {
            self.counters.calls_without_operation += u64::from(!call.continues);
            return Labels::default();
        }
        let method =
            call.method.as_deref().filter(|method| !method.is_empty() && method.len() <= METHOD_BYTES_MAX);
        let has_template = self.write_template(call);
        let Some(method) = method.filter(|_| has_template) else {
            self.counters.calls_without_operation += u64::from(!call.continues);
            return self.labels_written(has_template);
        };
        let id = operation_id(&self.service, method, &self.template);
        // of a call that lasts, a later part may be the first that shows that something is there
        let is_first = !self.operations.contains_key(&id);
        if is_first && (!call.continues || shows_existence(call.status)) {
            self.create(id, method, call);
        }
        let client = hash_of_ip(call.client.ip(), self.seed);
        let Some(operation) = self.operations.get_mut(&id) else { return self.labels_written(true) };
        if is_first || !call.continues {
            operation.add(call, client);
        }
        let (service, _, template) = operation.names();
        Labels {
            service: Some(service.clone()),
            template: Some(template.clone()),
            operation: Some(operation.label.clone()),
        }
    }

    /// Of what is part of no operation.
    fn labels_written(&self, has_template: bool) -> Labels {
        Labels {
            service: Some(self.service.as_str().into()),
            template: has_template.then(|| self.template.as_str().into()),
            operation: None,
        }
    }

    /// How many calls an operation had at the end of the epoch before the last, and since when it is known.
    #[must_use]
    pub fn closed(&self, operation: u128) -> Option<(u64, Timestamp)> {
        self.operations.get(&operation).map(Operation::closed)
    }

    /// Sends the state of each operation that changed since it was last sent, ordered by service, template, method.
    pub fn send_changed(&mut self, time: Timestamp, mut send: impl FnMut(Endpoint)) {
        let mut changed: Vec<_> =
            self.operations.values_mut().filter(|operation| operation.changed()).collect();
        changed.sort_by(|a, b| {
            let ((service, method, template), (other, other_method, other_template)) = (a.names(), b.names());
            (service, template, method).cmp(&(other, other_template, other_method))
        });
        changed.into_iter().for_each(|operation| send(operation.send(time)));
    }

    /// What was not taken in.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        Counters { words_beyond_places_max: self.proven.refused, ..self.counters }
    }

    fn write_template(&mut self, call: &Observation) -> bool {
        let Some(path) = &call.path else { return false };
        let leaves = call.request.facts.as_ref().map(|facts| facts.leaves.as_slice()).unwrap_or_default();
        let is_secret = |segment: usize| leaves.iter().any(|leaf| is_secret_segment(leaf, segment));
        let (strict, proven) = (self.strict, &mut self.proven);
        let learn = shows_existence(call.status);
        let route = xxh3_64_with_seed(call.route.as_bytes(), self.seed);
        let service = xxh3_64_with_seed(self.service.as_bytes(), self.seed);
        template::write(path, &mut self.template, is_secret, |place| {
            !strict || proven.is_proven(place ^ service, route, learn)
        })
    }

    /// Makes the operation if the answer shows that it exists and there is room.
    fn create(&mut self, id: u128, method: &str, call: &Observation) {
        if !shows_existence(call.status) {
            self.counters.calls_to_nothing += 1;
            return;
        }
        let names = [self.service.as_str().into(), method.into(), self.template.as_str().into()];
        let operation =
            Operation::new(id, names, call.time).filter(|_| self.operations.len() < OPERATIONS_MAX);
        match operation {
            Some(operation) => {
                self.operations.insert(id, operation);
            }
            None => self.counters.calls_beyond_operations_max += 1,
        }
    }
}

/// The id of an operation: the same in every reading and on every sensor.
#[must_use]
pub fn operation_id(service: &str, method: &str, template: &str) -> u128 {
    let mut hash = Xxh3Default::new();
    // No name holds the byte 0, so that no two triples run together.
    for part in [service, method, template] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest128()
}

/// Whether an answer shows that something is at the path. What a server, a proxy or a wall says about any path does not:
/// "not found", "not here, but there" for good, "who are you", "you may not", "not this method", "slow down", "nobody
/// answers behind me"; a request that was not understood says nothing about the path either.
const fn shows_existence(status: Option<u16>) -> bool {
    matches!(
        status,
        Some(101 | 200..=300 | 302..=307 | 402 | 406 | 409 | 411..=413 | 415..=417 | 422..=428 | 500)
    )
}

fn is_secret_segment(leaf: &Leaf, segment: usize) -> bool {
    let here = leaf.at.strip_prefix("path ").and_then(|number| number.parse().ok()) == Some(segment);
    let by_format =
        |class: &String| Class::named(class).is_some_and(|class| class.certainty() > Certainty::Refuted);
    here && leaf.classes.iter().all(by_format)
}

/// Host or authority without port, in lower case; where a call has none, or one that no host can have, the server's
/// address. `false` where it is not known what was asked for.
fn write_service(call: &Observation, out: &mut String) -> bool {
    out.clear();
    match &call.authority {
        Seen::Unknown => return false,
        Seen::Known(authority) => {
            let host = without_port(authority);
            if is_host(host) {
                out.push_str(host);
                out.make_ascii_lowercase();
                return true;
            }
        }
        Seen::None => (),
    }
    let _ = std::fmt::Write::write_fmt(out, format_args!("{}", call.server.ip()));
    true
}

fn without_port(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).trim();
    if let Some(address) = host.strip_prefix('[') {
        return address.split(']').next().unwrap_or_default();
    }
    let host = match host.rsplit_once(':') {
        Some((before, port)) if !before.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => before,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

fn is_host(host: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_') || b >= 0x80;
    !host.is_empty()
        && host.len() <= HOST_BYTES_MAX
        && (host.bytes().all(is_name) || host.parse::<IpAddr>().is_ok())
}

fn hash_of_ip(ip: IpAddr, seed: u64) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => xxh3_64_with_seed(&ip.octets(), seed),
        IpAddr::V6(ip) => xxh3_64_with_seed(&ip.octets(), seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::{call, get};
    use crate::limits::PROVEN_ROUTES_MIN;

    fn all(inventory: &mut Inventory) -> Vec<Endpoint> {
        let mut all = Vec::new();
        inventory.send_changed(Timestamp::from_nanos(99), |endpoint| all.push(endpoint));
        all
    }

    #[test]
    fn services() {
        for (authority, expected) in [
            (Seen::Known("API.Nordwind.test:8443"), Some("api.nordwind.test")),
            (Seen::Known("api.nordwind.test."), Some("api.nordwind.test")),
            (Seen::Known("[2001:DB8::1]:80"), Some("2001:db8::1")),
            (Seen::Known("user@h.test:1"), Some("h.test")),
            (Seen::Known("10.0.0.1:80"), Some("10.0.0.1")),
            (Seen::Known("<script>"), Some("192.0.2.80")),
            (Seen::Known(""), Some("192.0.2.80")),
            (Seen::None, Some("192.0.2.80")),
            (Seen::Unknown, None),
        ] {
            let observation = Observation { authority: authority.map(str::to_owned), ..call() };
            let labels = Inventory::new(false, 1).observe(&observation);
            assert_eq!(labels.service.as_deref(), expected, "{authority:?}");
        }
    }

    #[test]
    fn only_answers_that_show_something_make_an_operation() {
        for (status, makes) in [
            (Some(200), true),
            (Some(204), true),
            (Some(304), true),
            (Some(302), true),
            (Some(422), true),
            (Some(500), true),
            (Some(404), false),
            (Some(401), false),
            (Some(403), false),
            (Some(405), false),
            (Some(301), false),
            (Some(400), false),
            (Some(429), false),
            (Some(502), false),
            (None, false),
        ] {
            let mut inventory = Inventory::new(false, 1);
            let labels = inventory.observe(&Observation { status, ..get("/users/7") });
            assert_eq!(
                (labels.operation.is_some(), all(&mut inventory).len()),
                (makes, usize::from(makes)),
                "{status:?}"
            );
            assert_eq!(labels.template.as_deref(), Some("/users/{integer}"));
        }
        let mut inventory = Inventory::new(false, 1);
        for status in [Some(404), Some(200), Some(404), None] {
            inventory.observe(&Observation { status, ..get("/users/7") });
        }
        let endpoint = all(&mut inventory).remove(0);
        assert_eq!((endpoint.calls, endpoint.status), (3, [0, 1, 0, 1, 0]));
        assert_eq!(inventory.counters().calls_to_nothing, 1);
    }

    #[test]
    fn calls_without_path_method_or_host_make_none() {
        let mut inventory = Inventory::new(false, 1);
        for observation in [
            Observation { path: None, ..call() },
            Observation { method: None, ..call() },
            Observation { authority: Seen::Unknown, ..call() },
            get("*"),
        ] {
            assert_eq!(inventory.observe(&observation).operation, None);
        }
        assert_eq!((all(&mut inventory).len(), inventory.counters().calls_without_operation), (0, 4));
    }

    #[test]
    fn what_goes_on_with_a_call_is_told_where_it_belongs() {
        let mut inventory = Inventory::new(false, 1);
        let part = Observation { continues: true, ..get("/users/7") };
        let messages = Observation { method: None, status: None, ..part.clone() };
        let waiting = Observation { status: None, ..part.clone() };
        assert_eq!(inventory.observe(&waiting).operation, None, "nothing shows that it is there");
        let call = inventory.observe(&get("/users/7"));
        assert_eq!(inventory.observe(&part), call);
        let labels = inventory.observe(&messages);
        assert_eq!((labels.template.as_deref(), labels.operation), (Some("/users/{integer}"), None));
        assert_eq!(all(&mut inventory).remove(0).calls, 1);
        // the first part came before the answer
        let mut inventory = Inventory::new(false, 1);
        inventory.observe(&Observation { status: None, ..get("/users/7") });
        assert!((0..2).all(|_| inventory.observe(&part).operation.is_some()));
        assert_eq!(all(&mut inventory).remove(0).calls, 1);
    }

    #[test]
    fn numbers_of_an_operation() {
        let mut inventory = Inventory::new(false, 1);
        for number in 1..=100u64 {
            let mut one = get(&format!("/users/{number}"));
            one.duration_us = (number != 7).then_some(number * 1000);
            one.time = Timestamp::from_nanos(1000 - number);
            one.client = std::net::SocketAddr::from(([10, 0, 0, (number % 4) as u8], 999));
            one.response.body_bytes = Some(number);
            one.credential = match number % 3 {
                0 => Seen::None,
                1 => Seen::Unknown,
                _ => Seen::Known(crate::analysis::Credential { kind: "jwt".into(), fingerprint: number }),
            };
            inventory.observe(&one);
        }
        let endpoint = all(&mut inventory).remove(0);
        assert_eq!((endpoint.calls, endpoint.clients, endpoint.clients_estimated), (100, 4, false));
        assert_eq!((endpoint.response.sum, endpoint.response.max, endpoint.request.sum), (5050, 100, 0));
        assert_eq!(
            (endpoint.without_credential, endpoint.credential_kinds),
            (33, vec![("jwt".to_owned(), 33)])
        );
        assert_eq!((endpoint.first_seen.as_nanos(), endpoint.last_seen.as_nanos()), (900, 999));
        assert_eq!((endpoint.latency.n, endpoint.latency.max / 1000), (99, 100));
        assert!(
            (49_000..=52_000).contains(&endpoint.latency.p50) && endpoint.latency.p99 <= endpoint.latency.max
        );
    }

    #[test]
    fn order_of_calls_does_not_matter() {
        let calls: Vec<_> = (0..300u64)
            .map(|number| {
                let mut one =
                    get(&format!("/{}/{number}", ["users", "orders", "carts"][number as usize % 3]));
                one.duration_us = Some(number * 777 % 5000);
                one.time = Timestamp::from_nanos(number);
                one.client = std::net::SocketAddr::from(([10, 0, (number % 7) as u8, number as u8], 1));
                one
            })
            .collect();
        let play = |calls: &mut dyn Iterator<Item = &Observation>| {
            let mut inventory = Inventory::new(false, 9);
            calls.for_each(|one| drop(inventory.observe(one)));
            all(&mut inventory)
        };
        let forward = play(&mut calls.iter());
        assert_eq!(forward, play(&mut calls.iter().rev()));
        let templates: Vec<_> = forward.iter().map(|endpoint| &*endpoint.template).collect();
        assert_eq!(templates, ["/carts/{integer}", "/orders/{integer}", "/users/{integer}"]);
    }

    #[test]
    fn only_what_changed_is_sent_again() {
        let mut inventory = Inventory::new(false, 1);
        inventory.observe(&get("/a"));
        inventory.observe(&get("/b"));
        assert_eq!(all(&mut inventory).len(), 2);
        inventory.observe(&get("/b"));
        let again = all(&mut inventory);
        assert_eq!((again.len(), again[0].rev, again[0].calls), (1, 1, 2));
        assert_eq!(all(&mut inventory), []);
    }

    #[test]
    fn operations_are_bounded() {
        let mut inventory = Inventory::new(false, 1);
        let word = |number: usize| -> String {
            (0..4).map(|place| (b'a' + (number >> (4 * place) & 15) as u8) as char).collect()
        };
        for number in 0..OPERATIONS_MAX + 3 {
            inventory.observe(&get(&format!("/x/{}", word(number))));
        }
        assert_eq!(
            (inventory.operations.len(), inventory.counters().calls_beyond_operations_max),
            (OPERATIONS_MAX, 3)
        );
        assert!(inventory.observe(&get(&format!("/x/{}", word(5)))).operation.is_some());
    }

    #[test]
    fn strict_hides_words_until_many_routes_asked_for_them() {
        let mut inventory = Inventory::new(true, 1);
        let mut last = None;
        for route in 0..PROVEN_ROUTES_MIN {
            let person = char::from(b'a' + route as u8).to_string().repeat(4);
            let one = Observation { route: route.to_string(), ..get(&format!("/people/{person}/9")) };
            last = inventory.observe(&one).template;
            assert_eq!(last.as_deref() == Some("/people/{…}/{integer}"), route + 1 == PROVEN_ROUTES_MIN);
        }
        assert_eq!(last.as_deref(), Some("/people/{…}/{integer}"));
        let noise = Observation { status: Some(404), route: "new".into(), ..get("/people/secret-word") };
        assert_eq!(inventory.observe(&noise).template.as_deref(), Some("/people/{…}"));
    }
}
