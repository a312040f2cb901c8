//! What attacks that complete have come to.

use anyhow::{Result, ensure};
use mongoqueue::{ListOptions, Queue};
use serde_json::{Value, json};

/// The output, and what is on the queue that the guest may put on.
pub(super) async fn check(attack: &str, output: &Value, next: &Queue) -> Result<()> {
    let expected = match attack {
        "surroundings" => Some(json!({ "args": 0, "env": {}, "stdin": 0 })),
        "clocks" => Some(json!({ "backwards": false, "before_2020": false, "chances": 100 })),
        _ => None,
    };
    if let Some(expected) = expected {
        ensure!(*output == expected, "{output}");
    }
    let put: Vec<Value> =
        next.list(&ListOptions::default()).await?.iter().map(|job| job.payload.to_json()).collect();
    let expected = match attack {
        "keys-like-operators" => json!({
            "$where": "return true", "$set": {"state": "dead"}, "a.b": {"$gt": ""}, "$": 1,
            ".": 2, "": 3, "$ref": "jobs", "$id": 4, "$db": "admin", "_id": {"$ne": null},
            "$expr": true,
        }),
        "keys-twice" => json!({ "a": 3, "b": 2 }),
        "numbers-odd" => json!({
            "nan": {"$numberDouble": "NaN"}, "inf": {"$numberDouble": "-Infinity"},
            "decimal": {"$numberDecimal": "1E+100"}, "nought": -0.0, "tiny": 5e-324,
            "min": i64::MIN, "end": {"$maxKey": 1},
        }),
        "unique-keys-like-operators" => {
            ensure!(put.len() == 6, "{put:?}");
            return Ok(());
        }
        _ => return Ok(()),
    };
    ensure!(put == [expected], "{put:?}");
    Ok(())
}
