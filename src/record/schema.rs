//! The published schema of every record type: JSON Schema, draft 2020-12.
//!
//! The file beside this one is the contract with whoever reads the records. It is strict (no field that it does not
//! name), and the tests of every stage that writes records check their lines against it.

/// The schema's text.
#[must_use]
pub const fn schema() -> &'static str {
    include_str!("schema.json")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use serde_json::Value;

    use super::*;
    use crate::call::{Anomalies, Causes};

    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema: Value = serde_json::from_str(schema()).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    });

    /// Panics unless `line` is one record as the schema describes it; gives it back parsed.
    pub(crate) fn checked(line: &[u8]) -> Value {
        assert!(!line.contains(&b'\n'), "a line break in a record");
        let record: Value = serde_json::from_slice(line)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
        // The parts of `oneOf` say only that none matched: ask the type's own part for the reason.
        let kind = record["type"].as_str().unwrap_or_default();
        let mut part: Value = serde_json::from_str(schema()).unwrap();
        if !VALIDATOR.is_valid(&record) {
            part["oneOf"] = serde_json::json!([{ "$ref": format!("#/$defs/{kind}") }]);
            let errors: Vec<_> = jsonschema::draft202012::new(&part)
                .unwrap()
                .iter_errors(&record)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            panic!("{}\n{errors:#?}", String::from_utf8_lossy(line));
        }
        record
    }

    #[test]
    fn the_schema_is_a_schema() {
        let schema: Value = serde_json::from_str(schema()).unwrap();
        assert!(jsonschema::meta::is_valid(&schema));
    }

    #[test]
    fn it_lists_every_cause_and_anomaly_there_is() {
        let schema: Value = serde_json::from_str(schema()).unwrap();
        let causes: Vec<_> = Causes::all_names().collect();
        let anomalies: Vec<_> = Anomalies::all_names().collect();
        assert_eq!(
            schema["$defs"]["call"]["properties"]["causes"]["items"]["enum"],
            serde_json::json!(causes)
        );
        assert_eq!(schema["$defs"]["anomalies"]["items"]["enum"], serde_json::json!(anomalies));
    }

    #[test]
    fn an_unknown_field_and_a_wrong_type_are_refused() {
        let finding = serde_json::json!({"type": "finding", "v": 1, "rev": 0, "sensor": "s", "id": "i",
            "rule": "data.secret-leak", "time": "2025-03-07T09:41:07.120000000Z", "first_seen": "2025-03-07T09:41:07Z",
            "last_seen": "2025-03-07T09:41:07Z", "count": 1, "severity": "high", "confidence": 90, "title": "t",
            "evidence": [{"what": "w", "where": "response body"}], "incident": "c"});
        checked(finding.to_string().as_bytes());
        for (field, value) in [
            ("extra", serde_json::json!(1)),
            ("severity", serde_json::json!("urgent")),
            ("count", serde_json::json!(0)),
            ("rule", serde_json::json!("Data.Leak")),
            ("type", serde_json::json!("x")),
        ] {
            let mut wrong = finding.clone();
            wrong[field] = value;
            assert!(!VALIDATOR.is_valid(&wrong), "{field}");
        }
    }
}
