//! As much of the server as the transitions use: filters, update operators, pipelines. What it
//! doesn't know it refuses, so that a transition that learns something new is noticed here.

use std::cmp::Ordering;

use bson::{Bson, DateTime, Document};

use crate::transition::{Change, Transition};

/// What a write leaves of a document; `None` where it doesn't match.
pub(super) fn write(
    write: &Transition,
    document: &Document,
    now: DateTime,
) -> Option<Option<Document>> {
    let matches = matches(&write.filter, document, now);
    matches.then(|| change(&write.change, document.clone(), now))
}

/// The document that an upsert makes where nothing matches: its filter's equalities, changed.
pub(super) fn insert(write: &Transition, now: DateTime) -> Option<Document> {
    let Change::Upsert(_) = &write.change else { return None };
    let equal = |(_, value): &(&String, &Bson)| !matches!(value, Bson::Document(_));
    let seed = write.filter.iter().filter(equal).map(|(k, v)| (k.clone(), v.clone()));
    change(&write.change, seed.collect(), now)
}

fn change(change: &Change, mut document: Document, now: DateTime) -> Option<Document> {
    match change {
        Change::Delete => return None,
        Change::Operators(operators) => {
            for (name, fields) in operators {
                operator(name, inner(fields), &mut document, now);
            }
        }
        Change::Update(pipeline) | Change::Upsert(pipeline) => {
            for stage in pipeline {
                run_stage(stage, &mut document, now);
            }
        }
    }
    Some(document)
}

fn operator(name: &str, fields: &Document, document: &mut Document, now: DateTime) {
    for (path, value) in fields {
        let value = match name {
            "$set" => value.clone(),
            "$currentDate" if *value == Bson::Boolean(true) => now.into(),
            "$inc" => add(get(document, path).as_ref().unwrap_or(&Bson::Int32(0)), value),
            _ => unknown(name, value),
        };
        set(document, path, value);
    }
}

fn run_stage(stage: &Document, document: &mut Document, now: DateTime) {
    let (name, value) = only(stage);
    match (name, value) {
        ("$set", Bson::Document(fields)) => {
            // All of them are worked out from the document before.
            let scope = Scope { document: &document.clone(), now };
            for (path, value) in fields {
                match (value, scope.evaluate(value)) {
                    // Fields written out one by one join those that are there.
                    (Bson::Document(by_field), Some(Bson::Document(new)))
                        if !by_field.keys().any(|key| key.starts_with('$')) =>
                    {
                        merge(document, path, new);
                    }
                    (_, Some(value)) => set(document, path, value),
                    // Out of the way, or missing already.
                    (_, None) => unset(document, path),
                }
            }
        }
        ("$unset", Bson::String(path)) => unset(document, path),
        ("$unset", Bson::Array(paths)) => {
            paths.iter().filter_map(Bson::as_str).for_each(|path| unset(document, path));
        }
        _ => unknown(name, value),
    }
}

/// Whether a filter matches.
pub(super) fn matches(filter: &Document, document: &Document, now: DateTime) -> bool {
    filter.iter().all(|(path, wanted)| match (path.as_str(), wanted) {
        ("$expr", expression) => {
            let scope = Scope { document, now };
            scope.evaluate(expression) == Some(Bson::Boolean(true))
        }
        ("$or", Bson::Array(either)) => either.iter().any(|it| matches(inner(it), document, now)),
        (path, _) if path.starts_with('$') => unknown(path, wanted),
        (path, Bson::Document(tests)) if tests.keys().any(|key| key.starts_with('$')) => {
            let found = get(document, path);
            tests.iter().all(|(test, operand)| passes(test, operand, found.as_ref()))
        }
        (path, wanted) => passes("$eq", wanted, get(document, path).as_ref()),
    })
}

fn passes(test: &str, operand: &Bson, found: Option<&Bson>) -> bool {
    // Comparisons are within a type; only a null stands for what is missing too.
    let order = || {
        let found = found.filter(|it| rank(Some(it)) == rank(Some(operand)))?;
        Some(compare(Some(found), Some(operand)))
    };
    match (test, operand) {
        ("$in", Bson::Array(any)) => any.iter().any(|one| passes("$eq", one, found)),
        ("$eq", Bson::Null) => matches!(found, None | Some(Bson::Null)),
        ("$eq", _) => match found {
            Some(Bson::Array(all)) if !matches!(operand, Bson::Array(_)) => all.contains(operand),
            _ => order() == Some(Ordering::Equal),
        },
        ("$lte", _) => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        ("$exists", Bson::Boolean(wanted)) => found.is_some() == *wanted,
        _ => unknown(test, operand),
    }
}

/// What an expression is worked out from.
struct Scope<'a> {
    document: &'a Document,
    now: DateTime,
}

impl Scope<'_> {
    /// `None` is a missing value.
    fn evaluate(&self, expression: &Bson) -> Option<Bson> {
        match expression {
            Bson::String(text) => match text.as_str() {
                "$$NOW" => Some(self.now.into()),
                "$$REMOVE" => None,
                text if text.starts_with("$$") => unknown(text, expression),
                text => match text.strip_prefix('$') {
                    Some(path) => get(self.document, path),
                    None => Some(expression.clone()),
                },
            },
            Bson::Document(document) => match document.keys().next() {
                Some(name) if name.starts_with('$') => {
                    let (name, operand) = only(document);
                    self.operate(name, operand)
                }
                _ => {
                    let field = |(k, v): (&String, &Bson)| Some((k.clone(), self.evaluate(v)?));
                    Some(Bson::Document(document.iter().filter_map(field).collect()))
                }
            },
            Bson::Array(all) => {
                let all = all.iter().map(|it| self.evaluate(it).unwrap_or(Bson::Null));
                Some(Bson::Array(all.collect()))
            }
            value => Some(value.clone()),
        }
    }

    fn operate(&self, name: &str, operand: &Bson) -> Option<Bson> {
        if name == "$literal" {
            return Some(operand.clone());
        }
        let Bson::Array(operands) = operand else { unknown(name, operand) };
        let values: Vec<Option<Bson>> = operands.iter().map(|it| self.evaluate(it)).collect();
        let order = || match &values[..] {
            [a, b] => compare(a.as_ref(), b.as_ref()),
            _ => unknown(name, operand),
        };
        let is_null = |value: &Option<Bson>| matches!(value, None | Some(Bson::Null));
        Some(match (name, &values[..]) {
            ("$cond", [test, then, otherwise]) => {
                let holds = match test {
                    Some(Bson::Boolean(holds)) => *holds,
                    _ => unknown(name, operand),
                };
                return if holds { then.clone() } else { otherwise.clone() };
            }
            ("$ifNull", [value, otherwise]) if is_null(value) => return otherwise.clone(),
            ("$ifNull", [value, _]) => return value.clone(),
            ("$max", all) => {
                let there = all.iter().filter(|it| !is_null(it)).flatten();
                there.max_by(|a, b| compare(Some(a), Some(b)))?.clone()
            }
            ("$eq", _) => (order() == Ordering::Equal).into(),
            ("$lt", _) => (order() == Ordering::Less).into(),
            ("$lte", _) => (order() != Ordering::Greater).into(),
            ("$gt", _) => (order() == Ordering::Greater).into(),
            ("$gte", _) => (order() != Ordering::Less).into(),
            ("$add" | "$subtract", [a, b]) if is_null(a) || is_null(b) => Bson::Null,
            ("$add", [Some(a), Some(b)]) => add(a, b),
            ("$subtract", [Some(a), Some(b)]) => add(a, &Bson::Int64(-whole(b))),
            ("$concatArrays", [Some(Bson::Array(a)), Some(Bson::Array(b))]) => {
                [a.clone(), b.clone()].concat().into()
            }
            ("$slice", [Some(Bson::Array(all)), Some(Bson::Int32(last))]) if *last < 0 => {
                let first = all.len().saturating_sub(last.unsigned_abs() as usize);
                all[first..].to_vec().into()
            }
            ("$setUnion", [Some(Bson::Array(a)), Some(Bson::Array(b))]) => {
                as_set([a.clone(), b.clone()].concat()).into()
            }
            ("$setDifference", [None | Some(Bson::Null), _]) => Bson::Null,
            ("$setDifference", [Some(Bson::Array(a)), Some(Bson::Array(b))]) => {
                a.iter().filter(|it| !b.contains(it)).cloned().collect::<Vec<_>>().into()
            }
            _ => unknown(name, operand),
        })
    }
}

fn as_set(mut all: Vec<Bson>) -> Vec<Bson> {
    all.sort_by(|a, b| compare(Some(a), Some(b)));
    all.dedup();
    all
}

fn add(a: &Bson, b: &Bson) -> Bson {
    match (a, b) {
        (Bson::DateTime(at), by) => DateTime::from_millis(at.timestamp_millis() + whole(by)).into(),
        (Bson::Int32(a), Bson::Int32(b)) => Bson::Int32(a + b),
        (a, b) => Bson::Int64(whole(a) + whole(b)),
    }
}

fn whole(value: &Bson) -> i64 {
    match value {
        Bson::Int32(n) => (*n).into(),
        Bson::Int64(n) => *n,
        other => unknown("a number", other),
    }
}

/// The order of types that the server sorts by.
fn rank(value: Option<&Bson>) -> u8 {
    match value {
        None => 0,
        Some(Bson::Null) => 1,
        Some(Bson::Int32(_) | Bson::Int64(_)) => 2,
        Some(Bson::String(_)) => 3,
        Some(Bson::Document(_)) => 4,
        Some(Bson::Array(_)) => 5,
        Some(Bson::Binary(_)) => 6,
        Some(Bson::ObjectId(_)) => 7,
        Some(Bson::Boolean(_)) => 8,
        Some(Bson::DateTime(_)) => 9,
        Some(other) => unknown("a value", other),
    }
}

fn compare(a: Option<&Bson>, b: Option<&Bson>) -> Ordering {
    let by_value = || match (a, b) {
        (Some(Bson::String(a)), Some(Bson::String(b))) => a.cmp(b),
        (Some(Bson::DateTime(a)), Some(Bson::DateTime(b))) => a.cmp(b),
        (Some(Bson::ObjectId(a)), Some(Bson::ObjectId(b))) => a.cmp(b),
        (Some(Bson::Boolean(a)), Some(Bson::Boolean(b))) => a.cmp(b),
        (Some(Bson::Binary(a)), Some(Bson::Binary(b))) => a.bytes.cmp(&b.bytes),
        (Some(a), Some(b)) if rank(Some(a)) == 2 => whole(a).cmp(&whole(b)),
        (a, b) if a == b => Ordering::Equal,
        (Some(Bson::Array(a)), Some(Bson::Array(b))) => {
            let pairs = a.iter().zip(b).map(|(a, b)| compare(Some(a), Some(b)));
            pairs.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        _ => unknown("an order of", b.unwrap_or(&Bson::Null)),
    };
    rank(a).cmp(&rank(b)).then_with(by_value)
}

fn get(document: &Document, path: &str) -> Option<Bson> {
    match path.split_once('.') {
        None => document.get(path).cloned(),
        Some((first, rest)) => get(document.get(first)?.as_document()?, rest),
    }
}

fn set(document: &mut Document, path: &str, value: Bson) {
    match path.split_once('.') {
        None => drop(document.insert(path, value)),
        Some((first, rest)) => {
            let under = document.entry(first.to_owned()).or_insert_with(|| Document::new().into());
            match under {
                Bson::Document(under) => set(under, rest, value),
                other => unknown("a document of fields", other),
            }
        }
    }
}

fn merge(document: &mut Document, path: &str, new: Document) {
    if new.is_empty() || !matches!(get(document, path), Some(Bson::Document(_))) {
        return set(document, path, new.into());
    }
    for (name, value) in new {
        set(document, &format!("{path}.{name}"), value);
    }
}

fn unset(document: &mut Document, path: &str) {
    assert!(!path.contains('.'), "the model can't take {path} out of a document");
    document.remove(path);
}

fn inner(value: &Bson) -> &Document {
    match value {
        Bson::Document(document) => document,
        other => unknown("a document", other),
    }
}

fn only(document: &Document) -> (&str, &Bson) {
    match document.iter().next() {
        Some((name, value)) if document.len() == 1 => (name, value),
        _ => panic!("the model wants one key in {document}"),
    }
}

fn unknown(what: &str, value: &Bson) -> ! {
    panic!("the model doesn't know {what} of {value}: see model/mongo.rs")
}
