//! Whether a document follows a schema: yes, no, or not known here.
//!
//! Nearly every config is right, and to say so takes a few lines; only what is wrong needs the validator of a crate and
//! its words. That one compiles a schema into structures and brings in more code than the rest of a start, which would
//! stay in memory for as long as the store runs. Invariant: an answer is that of the validator; what is not plain
//! (other keywords, whole numbers with a point, numbers beyond 2⁵³) has none.

use serde_json::{Map, Value};

/// Whether a document follows a schema of draft 2020-12; `None` when the answer takes more than is known here.
pub(super) fn follows(document: &Value, schema: &Value) -> Option<bool> {
    match schema {
        Value::Bool(answer) => Some(*answer),
        Value::Object(keywords) => all(keywords.iter().map(|(name, rule)| keyword(document, name, rule, keywords))),
        _ => None,
    }
}

/// Whether a document follows one keyword of a schema.
fn keyword(document: &Value, name: &str, rule: &Value, schema: &Map<String, Value>) -> Option<bool> {
    match name {
        // What they say is for people; `then` belongs to `if`.
        "$schema" | "title" | "description" | "default" | "format" | "then" => Some(true),
        "type" => match rule {
            Value::Array(types) => any(types.iter().map(|one| is_of_type(document, one))),
            one => is_of_type(document, one),
        },
        // Numbers may be equal and written in two ways.
        "enum" if document.is_number() => None,
        "enum" => Some(rule.as_array()?.contains(document)),
        "minimum" | "maximum" if !document.is_number() => Some(true),
        // A bound beyond 2⁵³ is rounded, but not to below that.
        "minimum" => Some(exact(document)? >= rule.as_f64()?),
        "maximum" => Some(exact(document)? <= rule.as_f64()?),
        "properties" => {
            let rules = rule.as_object()?;
            let Value::Object(members) = document else { return Some(true) };
            all(members.iter().filter_map(|(key, value)| Some(follows(value, rules.get(key)?))))
        }
        "additionalProperties" => {
            let Value::Object(members) = document else { return Some(true) };
            let known = schema.get("properties").map_or(Some(None), |known| known.as_object().map(Some))?;
            let others = members.iter().filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)));
            all(others.map(|(_, value)| follows(value, rule)))
        }
        "items" => {
            let Value::Array(items) = document else { return Some(true) };
            all(items.iter().map(|item| follows(item, rule)))
        }
        "required" => {
            let keys = rule.as_array()?;
            let Value::Object(members) = document else { return Some(true) };
            all(keys.iter().map(|key| Some(members.contains_key(key.as_str()?))))
        }
        "not" => follows(document, rule).map(|answer| !answer),
        "anyOf" => any(rule.as_array()?.iter().map(|one| follows(document, one))),
        "if" => match (follows(document, rule)?, schema.get("then")) {
            (true, Some(then)) => follows(document, then),
            _ => Some(true),
        },
        _ => None,
    }
}

fn is_of_type(document: &Value, name: &Value) -> Option<bool> {
    let is = match name.as_str()? {
        "null" => document.is_null(),
        "boolean" => document.is_boolean(),
        "string" => document.is_string(),
        "array" => document.is_array(),
        "object" => document.is_object(),
        "number" => document.is_number(),
        // Of 1.0 the validator knows.
        "integer" if document.is_f64() => return None,
        "integer" => document.is_number(),
        _ => return None,
    };
    Some(is)
}

/// A number that a double holds exactly.
fn exact(number: &Value) -> Option<f64> {
    /// All whole numbers up to here are doubles.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    number.as_f64().filter(|number| number.abs() < EXACT_MAX)
}

/// Whether all are true: one that is not settles it, whatever is not known.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for answer in answers {
        match answer {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// Whether any is true: one that is settles it.
fn any(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(answers.map(|answer| answer.map(|answer| !answer))).map(|none| !none)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schema::SCHEMA;
    use super::*;

    /// Values that stand in the place of others.
    fn values() -> Vec<Value> {
        let numbers = [json!(0), json!(-1), json!(1.0), json!(0.5), json!(u64::MAX), json!(i64::MIN), json!(1e300)];
        let others =
            [json!(null), json!(true), json!(""), json!("0"), json!([]), json!([1]), json!({}), json!({"x": 1})];
        numbers.into_iter().chain(others).collect()
    }

    /// All documents that differ from one in one value, or lack one, or have one more.
    fn mutants(document: &Value) -> Vec<Value> {
        let mut all = values();
        match document {
            Value::Object(members) => {
                for (key, value) in members {
                    let with = |value: Option<Value>| {
                        let mut members = members.clone();
                        members.remove(key);
                        members.extend(value.map(|value| (key.clone(), value)));
                        Value::Object(members)
                    };
                    all.push(with(None));
                    all.extend(mutants(value).into_iter().map(|value| with(Some(value))));
                }
                let mut more = members.clone();
                more.insert("unheard-of".to_owned(), json!(1));
                all.push(Value::Object(more));
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let with = |item: Value| {
                        let mut items = items.clone();
                        items[at] = item;
                        Value::Array(items)
                    };
                    all.extend(mutants(item).into_iter().map(with));
                }
            }
            _ => {}
        }
        all
    }

    /// A document in which every property that the schema knows has its default, or some value of its type.
    fn example(schema: &Value) -> Value {
        if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
            return default.clone();
        }
        if let Some(Value::Object(properties)) = schema.get("properties") {
            return properties.iter().map(|(key, schema)| (key.clone(), example(schema))).collect();
        }
        let first = |value: &Value| value.as_array().map_or_else(|| value.clone(), |all| all[0].clone());
        match schema.get("enum").map(first).or_else(|| schema.get("type").map(first)) {
            Some(Value::String(name)) => match name.as_str() {
                "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(7)),
                "boolean" => json!(true),
                "array" => json!([example(schema.get("items").unwrap_or(&json!({})))]),
                "object" => json!({ "any": example(schema.get("additionalProperties").unwrap_or(&json!({}))) }),
                "string" => json!("text"),
                choice => json!(choice),
            },
            _ => json!("text"),
        }
    }

    #[test]
    fn the_answer_is_that_of_the_validator() {
        let validator = jsonschema::validator_for(&SCHEMA).unwrap();
        let full = example(&SCHEMA);
        let small = json!({"main": {"addr": ":0", "jwt-public-key": ""}, "metrics": {"x": {"frequency": 60}},
            "metric-store": {"checkpoints": {"directory": "."}, "memory-cap": 16, "retention-in-memory": "48h"}});
        let (mut known, mut right, mut count) = (0, 0, 0);
        for document in [&full, &small].into_iter().flat_map(|one| mutants(one).into_iter().chain([one.clone()])) {
            let answer = follows(&document, &SCHEMA);
            if let Some(answer) = answer {
                assert_eq!(answer, validator.is_valid(&document), "{document}");
                known += 1;
                right += usize::from(answer);
            }
            count += 1;
        }
        assert!(count > 1000 && known * 10 > count * 7 && right * 20 > known, "{count}, {known}, {right}");
        assert_eq!(follows(&small, &SCHEMA), Some(true), "a plain config needs no validator");
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_validator() {
        for (document, schema) in [
            (json!(1.0), json!({"type": "integer"})),
            (json!(u64::MAX), json!({"minimum": 1})),
            (json!(-1e300), json!({"maximum": u64::MAX})),
            (json!("a"), json!({"pattern": "a"})),
            (json!(1.0), json!({"enum": [1]})),
            (json!({}), json!({"$ref": "#"})),
            (json!({}), json!(7)),
        ] {
            assert_eq!(follows(&document, &schema), None, "{document} by {schema}");
        }
        assert_eq!(follows(&json!("a"), &json!({"pattern": "a", "type": "null"})), Some(false), "settled all the same");
    }
}
