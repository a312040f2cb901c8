//! Secrets, which the host writes into headers as they leave.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

/// A value that is never shown.
#[derive(Clone)]
pub(super) struct Secret(Arc<str>);

impl Secret {
    pub(super) fn new(value: String) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

const OPEN: &str = "{{secret:";
const CLOSE: &str = "}}";

/// Writes secrets where headers have `{{secret:NAME}}`. The name of one that is not known, or that
/// can't stand in a header, is the error; the request must not go out then.
pub(super) fn fill<'a>(
    headers: &mut HeaderMap,
    known: impl Fn(&str) -> Option<&'a Secret>,
) -> Result<(), String> {
    for value in headers.values_mut() {
        // What is no text has no placeholder.
        let Ok(text) = value.to_str() else { continue };
        if let Some(filled) = filled(text, &known)? {
            let mut filled = HeaderValue::from_str(&filled.text).map_err(|_| {
                format!("{}, which has a character that no header may have", filled.name)
            })?;
            filled.set_sensitive(true);
            *value = filled;
        }
    }
    Ok(())
}

struct Filled {
    text: String,
    /// The last one that was filled in.
    name: String,
}

/// `None` where there is nothing to fill in.
fn filled<'a>(
    text: &str,
    known: impl Fn(&str) -> Option<&'a Secret>,
) -> Result<Option<Filled>, String> {
    let mut filled = None;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((name, after)) = after.split_once(CLOSE) else { break };
        let secret = known(name).ok_or_else(|| name.to_owned())?;
        let so_far: &mut Filled =
            filled.get_or_insert_with(|| Filled { text: String::new(), name: String::new() });
        so_far.text.push_str(before);
        so_far.text.push_str(&secret.0);
        name.clone_into(&mut so_far.name);
        rest = after;
    }
    if let Some(so_far) = &mut filled {
        so_far.text.push_str(rest);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill_in(value: &'static str) -> Result<String, String> {
        let (key, line) = (Secret::new("s3cret".into()), Secret::new("a\nb".into()));
        let known = |name: &str| match name {
            "key" => Some(&key),
            "line" => Some(&line),
            _ => None,
        };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static(value));
        fill(&mut headers, known)?;
        Ok(headers["authorization"].to_str().unwrap().to_owned())
    }

    #[test]
    fn placeholders_become_secrets() {
        assert_eq!(fill_in("Bearer {{secret:key}}").unwrap(), "Bearer s3cret");
        assert_eq!(fill_in("{{secret:key}}:{{secret:key}}!").unwrap(), "s3cret:s3cret!");
        for as_it_is in ["Bearer x", "{{secret:key", "{{ secret:key }}", "{secret:key}", "}}{{"] {
            assert_eq!(fill_in(as_it_is).unwrap(), as_it_is);
        }
    }

    #[test]
    fn one_that_is_not_known_stops_the_request() {
        assert_eq!(fill_in("{{secret:key}} {{secret:other}}").unwrap_err(), "other");
        assert_eq!(fill_in("{{secret:}}").unwrap_err(), "");
        let why = fill_in("{{secret:line}}").unwrap_err();
        assert!(why.starts_with("line, ") && !why.contains("a\nb"));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("s3cret".into())), "Secret(…)");
    }
}
