//! The driver's errors name everything that it knows; a person needs to know which servers were
//! asked, and what the trouble was.

use mongodb::error::{Error, ErrorKind, WriteFailure};

/// What went wrong.
pub(super) fn words(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { message, .. } => selection(message),
        ErrorKind::Command(error) => error.message.clone(),
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.message.clone(),
        kind => kind.to_string(),
    }
}

/// The message has `Address: 127.0.0.1:1, Type: …, Error: Kind: …, labels: …` for every server; one
/// that is worded in another way is shown as it is.
fn selection(message: &str) -> String {
    let mut servers = Vec::new();
    for part in message.split("Address: ").skip(1) {
        let address = part.split(", Type:").next().unwrap_or(part);
        let kind = part.split("Type: ").nth(1).and_then(|rest| rest.split([',', ' ']).next());
        let why =
            part.split("Error: Kind: ").nth(1).and_then(|rest| rest.split(", labels:").next());
        servers.push(match (why, kind) {
            (Some(why), _) => format!("{address}: {why}"),
            (None, Some(kind)) => format!("{address} is of type {kind}"),
            (None, None) => address.to_owned(),
        });
    }
    if !servers.is_empty() {
        return format!("no server is fit for it, {}", servers.join("; "));
    }
    match message.split_once("Set Name: ") {
        Some((_, rest)) => {
            let name = rest.split([',', ' ', '}']).next().unwrap_or(rest);
            format!("no server there belongs to the replica set {name:?}")
        }
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_named_with_its_trouble() {
        let message = "Server selection timeout: No available servers. Topology: { Type: Unknown, \
                       Servers: [ { Address: h:1, Type: Unknown, Error: Kind: I/O error: \
                       Connection refused (os error 111), labels: {\"A\"}, source: None }, \
                       { Address: i:2, Type: RsSecondary, Average RTT: 1ms } ] }, labels: {}";
        assert_eq!(
            selection(message),
            "no server is fit for it, h:1: I/O error: Connection refused (os error 111); \
             i:2 is of type RsSecondary"
        );
    }

    #[test]
    fn a_set_of_another_name_is_named() {
        let message = "Server selection timeout: No available servers. Topology: { Type: \
                       ReplicaSetNoPrimary, Set Name: other }";
        assert_eq!(selection(message), "no server there belongs to the replica set \"other\"");
        assert_eq!(selection("in other words"), "in other words");
    }
}
