//! From the text of a definition to the definition, or to all that is wrong
//! with it.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::{ConfigError, Mistake, Service};
use crate::near::did_you_mean;

impl Service {
    /// Reads a definition from the text of `file`.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake and its line.
    pub fn parse(file: &Path, text: &str) -> Result<Service, ConfigError> {
        let wrong = |mistakes| ConfigError {
            file: file.to_owned(),
            mistakes,
        };
        let service: Service = match toml::from_str(text) {
            Ok(service) => service,
            Err(_) => return Err(wrong(mistakes(text))),
        };
        let rules = service.mistakes();
        if rules.is_empty() {
            return Ok(service);
        }
        let (table, _) = DeTable::parse_recoverable(text);
        let at = |(key, message): (&str, String)| Mistake {
            line: span_of(table.get_ref(), key).map(|span| line_of(text, span.start)),
            message,
        };
        Err(wrong(rules.into_iter().map(at).collect()))
    }
}

/// All that is wrong with `text`, of which something is.
fn mistakes(text: &str) -> Vec<Mistake> {
    let told = |error: &Error| Mistake {
        line: error.span().map(|span| line_of(text, span.start)),
        message: explain(error.message()),
    };
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return errors.iter().map(told).collect();
    }
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut removed = Vec::new();
    // What is wrong is taken out, and the rest read again.
    while let Err(error) = Service::deserialize(Deserializer::from(table.clone())) {
        let key = error.span().and_then(|span| remove(table.get_mut(), &span));
        // What was taken out is missing now, which is no mistake of its own.
        let is_missing = error.message().starts_with("missing field");
        if !(key.is_none() && is_missing && removed.iter().any(|key| key == "command")) {
            mistakes.push(told(&error));
        }
        match key {
            Some(key) => removed.push(key),
            None => break,
        }
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    mistakes
}

/// Takes out the entry around `span`, one of an inner table if it is there.
/// Which it was.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let around = |outer: Range<usize>| outer.start <= span.start && span.start < outer.end;
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let is_key = around(key.span());
        if is_key || around(value.span()) {
            let inner = match value.get_mut() {
                DeValue::Table(inner) if !is_key => remove(inner, span),
                _ => None,
            };
            if inner.is_some() {
                return inner;
            }
            found = Some(key.get_ref().to_string());
            break;
        }
    }
    // A table that was written as `[NAME]` may have its entries elsewhere.
    if found.is_none() {
        for (_, value) in table.iter_mut() {
            if let DeValue::Table(inner) = value.get_mut()
                && let Some(inner) = remove(inner, span)
            {
                return Some(inner);
            }
        }
    }
    let key = found?;
    table.remove(key.as_str());
    Some(key)
}

fn span_of(table: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let span = |(_, value): (_, &Spanned<DeValue<'_>>)| value.span();
    let mut entries = table.iter();
    entries.find(|(other, _)| other.get_ref() == key).map(span)
}

/// Keys that there were once, and what stands in their place.
const OLD: [(&str, &str); 2] = [
    (
        "restart_delay",
        "the first time of backoff = \"100ms..60s\"",
    ),
    (
        "restart_delay_max",
        "the second time of backoff = \"100ms..60s\"",
    ),
];

/// The message in one line. Where it lists what may stand there, the near one
/// is named.
fn explain(message: &str) -> String {
    let line = message.trim().replace('\n', "; ");
    // "unknown field `X`, expected one of `A`, `B`": the wrong word, then all
    // that are right.
    let mut words = line.split('`').skip(1).step_by(2);
    let Some(word) = words.next().filter(|_| line.starts_with("unknown ")) else {
        return line;
    };
    if let Some((_, new)) = OLD.iter().find(|(old, _)| *old == word) {
        return format!("unknown key {word}: it is {new} now");
    }
    let near = did_you_mean(word, words);
    match (line.starts_with("unknown field"), near.is_empty()) {
        (true, false) => format!("unknown key {word}{near}"),
        (true, true) => format!("unknown key {word}; the keys are in docs/HERD.md"),
        _ => line + &near,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
