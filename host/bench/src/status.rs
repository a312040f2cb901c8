//! The server's own counters, as `serverStatus` and `collStats` tell them.

use bson::{Bson, Document};

/// An answer to `serverStatus`. What it doesn't have is `NaN`.
#[derive(Clone)]
pub(crate) struct Status(pub(crate) Document);

impl Status {
    fn number(&self, path: &[&str]) -> f64 {
        number(&self.0, path)
    }

    /// Commands that the server was sent, of every kind.
    pub(crate) fn commands(&self) -> f64 {
        let kinds = ["insert", "query", "update", "delete", "getmore", "command"];
        kinds.iter().map(|kind| self.number(&["opcounters", kind])).sum()
    }

    /// Writes that met another one.
    pub(crate) fn conflicts(&self) -> f64 {
        self.number(&["metrics", "operation", "writeConflicts"])
    }

    /// Documents that are gone.
    pub(crate) fn deleted(&self) -> f64 {
        self.number(&["metrics", "document", "deleted"])
    }

    /// Microseconds that the server has computed, on all cores; told on Linux alone.
    pub(crate) fn computed(&self) -> f64 {
        let time = |of: &str| self.number(&["extra_info", of]);
        time("user_time_us") + time("system_time_us")
    }

    /// Bytes that went to the disk: data, and the journal.
    pub(crate) fn written(&self) -> f64 {
        let data = self.number(&["wiredTiger", "block-manager", "bytes written"]);
        data + self.number(&["wiredTiger", "log", "log bytes written"])
    }
}

/// The number at a path.
pub(crate) fn number(document: &Document, path: &[&str]) -> f64 {
    let Some((last, folders)) = path.split_last() else { return f64::NAN };
    let folder = folders.iter().try_fold(document, |it, name| it.get_document(name).ok());
    match folder.and_then(|folder| folder.get(last)) {
        Some(Bson::Int32(n)) => f64::from(*n),
        Some(Bson::Int64(n)) => *n as f64,
        Some(Bson::Double(n)) => *n,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn a_number_at_a_path_or_none() {
        let document = doc! { "a": { "b c": 7_i64 }, "d": 1.5, "e": "x" };
        assert_eq!(number(&document, &["a", "b c"]), 7.0);
        assert_eq!(number(&document, &["d"]), 1.5);
        for path in [&["e"][..], &["a", "z"], &["z", "b"], &[]] {
            assert!(number(&document, path).is_nan(), "{path:?}");
        }
    }
}
