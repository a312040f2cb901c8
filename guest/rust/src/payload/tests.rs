use std::collections::HashMap;

use serde::Deserialize;

use super::*;
use crate::error::Disposition;

#[derive(Debug, Deserialize)]
struct Order {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "price")]
    _price: u32,
}

fn read(content_type: &str, data: &str) -> Result<Order> {
    input(Payload::new(content_type, data))
}

fn refused(content_type: &str, data: &str) -> String {
    let error = read(content_type, data).unwrap_err();
    assert_eq!(error.get_code(), Some("bad-payload"));
    assert_eq!(error.disposition(), Disposition::Reject);
    error.message().to_owned()
}

#[test]
fn json_under_any_of_its_names_is_read() {
    for content_type in
        ["application/json", "Application/JSON; charset=utf-8", "application/vnd.order+json"]
    {
        let order = read(content_type, r#"{"items": [{"price": 3}]}"#).unwrap();
        assert_eq!(order.items.len(), 1);
    }
}

#[test]
fn a_payload_that_does_not_fit_says_where() {
    assert_eq!(
        refused("application/json", r#"{"items": [{"price": 3}, {"price": -1}]}"#),
        "the payload: at `items[1].price`: invalid value: integer `-1`, expected u32 \
         at line 1 column 37"
    );
    assert_eq!(
        refused("application/json", "{}"),
        "the payload: missing field `items` at line 1 column 2"
    );
    assert_eq!(
        refused("application/json", "{\n\"items\": ]"),
        "the payload: at `items`: expected value at line 2 column 10"
    );
    assert_eq!(
        refused("application/json", r#"{"items": []} x"#),
        "the payload: trailing characters at line 1 column 15"
    );
    assert_eq!(
        refused("text/plain", "{}"),
        "the payload: expected application/json, found text/plain"
    );
}

#[test]
fn a_raw_payload_is_left_alone() {
    let payload = Payload::new("image/png", [0x89, 0x50]);
    assert_eq!(input::<Payload>(payload.clone()).unwrap(), payload);
    assert_eq!((&payload).into_payload().unwrap(), payload);
    assert_eq!(output(payload.clone()).unwrap(), Some(payload));
}

#[test]
fn what_serde_writes_is_the_output_and_null_is_none() {
    let written = output([1, 2]).unwrap();
    assert_eq!(written, Some(Payload::new("application/json", "[1,2]")));
    assert_eq!(output(()).unwrap(), None);
    assert_eq!(output(None::<u8>).unwrap(), None);
    let text = Payload::new("text/plain", "null");
    assert_eq!(output(text.clone()).unwrap(), Some(text));
}

#[test]
fn an_output_that_is_not_json_is_rejected() {
    let error = output(HashMap::from([([1, 2], 3)])).unwrap_err();
    assert_eq!(error.get_code(), Some("bad-output"));
    assert_eq!(error.disposition(), Disposition::Reject);
    assert_eq!(error.message(), "the output: cannot be written as JSON: key must be a string");
}
