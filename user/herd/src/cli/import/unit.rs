//! The syntax of units (systemd.syntax(7)).

use std::fmt;

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}={}", self.section, self.key, self.value)
    }
}

/// All settings, in their order. An empty value takes back those of its key before
/// it. What is no setting is left out, as systemd does.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut section = String::new();
    for line in logical_lines(text) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            match value {
                "" => found.retain(|entry| entry.section != section || entry.key != key),
                value => found.push(Entry {
                    section: section.clone(),
                    key: key.to_owned(),
                    value: value.to_owned(),
                }),
            }
        }
    }
    found
}

/// Lines without comments; one that ends with a backslash goes on in the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        let mut whole = open.take().unwrap_or_default();
        whole.push_str(part);
        match goes_on {
            true => {
                whole.push(' ');
                open = Some(whole);
            }
            false if !whole.is_empty() => lines.push(whole),
            false => {}
        }
    }
    lines.extend(open);
    lines
}
