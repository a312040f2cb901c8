//! A table of a TOML file, read field by field. What can't be meant becomes a finding where it
//! stands; what nobody asked for was misspelt.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Finding, Findings, Place};
use crate::args::{parse_duration, parse_size};

/// The file's text, and what was found in it.
pub(super) struct Source<'a> {
    text: &'a str,
    parsed: Spanned<DeTable<'a>>,
    findings: RefCell<Vec<Finding>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (parsed, errors) = DeTable::parse_recoverable(text);
        let findings = errors.iter().map(|error| syntax(text, error)).collect();
        Self { text, parsed, findings: RefCell::new(findings) }
    }

    /// The whole file; `None` where it is no TOML, as what was read of it may mean something else.
    pub(super) fn table(&self) -> Option<Table<'_>> {
        let sound = self.findings.borrow().is_empty();
        let name = "the file".to_owned();
        let table = self.parsed.get_ref();
        sound.then(|| Table { source: self, name, table, span: 0..0, known: Vec::new() })
    }

    pub(super) fn findings(self, path: &Path) -> Findings {
        Findings::new(path, self.findings.into_inner())
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> Finding {
    let place = error.span().map_or(Place::none(), |span| Place::of(text, span.start));
    Finding::error(place, format!("this is no TOML: {}", error.message()), "")
}

/// One table, and which of its fields were asked for.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    /// As it is called in messages.
    name: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    known: Vec<&'static str>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    pub(super) fn place(&self) -> Place {
        self.at(self.span.clone())
    }

    /// Of one of its fields, or of the table where it has none of that name.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.table.get(key).map_or(self.place(), |value| self.at(value.span()))
    }

    pub(super) fn error(&self, place: Place, what: impl Into<String>, help: impl Into<String>) {
        self.source.findings.borrow_mut().push(Finding::error(place, what, help));
    }

    pub(super) fn warning(&self, place: Place, what: impl Into<String>, help: impl Into<String>) {
        self.source.findings.borrow_mut().push(Finding::warning(place, what, help));
    }

    /// What nobody asked for is an error, with the name that it may stand for.
    pub(super) fn end(self) {
        for key in self.table.keys() {
            let (name, place) = (key.get_ref().as_ref(), self.at(key.span()));
            if self.known.contains(&name) {
                continue;
            }
            let near = self.known.iter().map(|known| (strsim::jaro_winkler(known, name), known));
            let nearest = near.max_by(|one, other| one.0.total_cmp(&other.0));
            let help = match nearest {
                Some((likeness, known)) if likeness > 0.8 => format!("Did you mean `{known}`?"),
                _ => format!("It may have: {}.", self.known.join(", ")),
            };
            self.error(place, format!("{} has no field `{name}`", self.name), help);
        }
    }

    /// A text, with its place.
    pub(super) fn text(&mut self, key: &'static str, example: &str) -> Option<(String, Place)> {
        let value = self.get(key)?;
        let place = self.at(value.span());
        match value.get_ref().as_str() {
            Some(text) => Some((text.to_owned(), place)),
            None => self.other_type(key, value, "a text", example),
        }
    }

    pub(super) fn required_text(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Option<(String, Place)> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            let what = format!("{} has no `{key}`", self.name);
            self.error(self.place(), what, format!("Add: {key} = {example}"));
            return None;
        }
        self.text(key, example)
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref().as_bool() {
            Some(flag) => Some(flag),
            None => self.other_type(key, value, "true or false", "true"),
        }
    }

    /// A whole number, and no other.
    pub(super) fn count(&mut self, key: &'static str, may: RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            return self.other_type(key, value, "a whole number", &may.start().to_string());
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| may.contains(number));
        if number.is_none() {
            let (least, most) = (may.start(), may.end());
            let what = format!("`{key}` can't be {}", integer.as_str());
            self.error(self.at(value.span()), what, format!("It is from {least} to {most}."));
        }
        number
    }

    /// A duration as people write it.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration", "\"30s\"", parse_duration)
    }

    /// A size in bytes, as people write it.
    pub(super) fn size(&mut self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a size", "\"64MiB\"", parse_size)
    }

    /// What a text says in a form of its own.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        sort: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let Some(text) = value.get_ref().as_str() else {
            return self.other_type(key, value, &format!("{sort}, as a text"), example);
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                let what = format!("`{key}` can't be {text:?}: {why}");
                self.error(self.at(value.span()), what, format!("Such as: {key} = {example}"));
                None
            }
        }
    }

    /// A table of texts by names of the operator's.
    pub(super) fn texts(&mut self, key: &'static str, example: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.entries(key, example) {
            match value.get_ref().as_str() {
                Some(text) => {
                    texts.insert(name, text.to_owned());
                }
                None => {
                    self.other_type::<()>(key, value, "a text", example);
                }
            }
        }
        texts
    }

    /// A list of texts.
    pub(super) fn list(&mut self, key: &'static str, example: &str) -> Vec<(String, Place)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            return self.other_type(key, value, "a list", example).unwrap_or_default();
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), self.at(item.span()))),
                None => {
                    self.other_type::<()>(key, item, "a text", example);
                }
            }
        }
        texts
    }

    /// A list of texts, or one alone; `None` where there is nothing.
    pub(super) fn text_or_list(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Option<Vec<(String, Place)>> {
        match self.get(key)?.get_ref() {
            DeValue::Array(_) => Some(self.list(key, &format!("[{example}]"))),
            _ => Some(vec![self.text(key, example)?]),
        }
    }

    /// A table that has its name from us.
    pub(super) fn inner_table(&mut self, key: &'static str, example: &str) -> Option<Table<'a>> {
        let value = self.get(key)?;
        self.inner(key, value, key.into(), example)
    }

    /// Tables by names of the operator's.
    pub(super) fn tables(&mut self, key: &'static str, example: &str) -> Vec<(String, Table<'a>)> {
        let mut tables = Vec::new();
        for (name, value) in self.entries(key, example) {
            let called = format!("{key}.{name}");
            tables.extend(self.inner(key, value, called, example).map(|table| (name, table)));
        }
        tables
    }

    /// A list of tables.
    pub(super) fn table_list(&mut self, key: &'static str, example: &str) -> Vec<Table<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            return self.other_type(key, value, "a list", example).unwrap_or_default();
        };
        let each = array.iter().filter_map(|item| self.inner(key, item, key.into(), example));
        each.collect()
    }

    fn inner(&self, key: &str, value: Value<'a>, name: String, example: &str) -> Option<Table<'a>> {
        let Some(table) = value.get_ref().as_table() else {
            return self.other_type(key, value, "a table", example);
        };
        Some(Table { source: self.source, name, table, span: value.span(), known: Vec::new() })
    }

    /// What a table has, in the order of the file.
    fn entries(&mut self, key: &'static str, example: &str) -> Vec<(String, Value<'a>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            return self.other_type(key, value, "a table", example).unwrap_or_default();
        };
        table.iter().map(|(name, value)| (name.get_ref().clone().into_owned(), value)).collect()
    }

    fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn other_type<T>(&self, key: &str, value: Value<'_>, wanted: &str, example: &str) -> Option<T> {
        let got = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let help = match matches!(key, "queue" | "host") && example.starts_with('[') {
            true => format!("Begin its table with {example}"),
            false => format!("Such as: {key} = {example}"),
        };
        self.error(self.at(value.span()), format!("`{key}` is {wanted}, not {got}"), help);
        None
    }

    fn at(&self, span: Range<usize>) -> Place {
        Place::of(self.source.text, span.start)
    }
}
