//! Every record is held against the published schema.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Outcome, eaves};

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let printed = eaves().arg("schema").output().expect("the binary runs");
    assert!(printed.status.success());
    let schema: Value = serde_json::from_slice(&printed.stdout).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
});

/// Each of these is a record as the schema has it.
pub(crate) fn assert_valid<'a>(records: impl IntoIterator<Item = &'a Value>, what: &str) {
    for record in records {
        if let Err(error) = VALIDATOR.validate(record) {
            panic!("{what}: {error}\n{record}");
        }
    }
}

/// The same for all records of a run.
pub(crate) fn assert_all_valid(outcome: &Outcome, what: &str) {
    for kind in outcome.files.keys() {
        assert_valid(&outcome.records(kind), what);
    }
}
