//! From TOML to settings.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{MAX_PORTS, MAX_SESSIONS, MAX_UNAUTHENTICATED, Mistake, Settings};
use crate::near::DidYouMean;

/// The longest banner, in bytes.
const MAX_BANNER: usize = 4096;
/// The most items of a list.
const MAX_ITEMS: usize = 256;
/// The most mistakes that are told.
const MAX_MISTAKES: usize = 8;
/// How deep brackets may nest. The parser's recursion is bounded by it.
const MAX_DEPTH: usize = 4;

const KEYS: [&str; 9] = [
    "ports",
    "addresses",
    "banner",
    "motd",
    "allow_users",
    "deny_users",
    "permit_user_environment",
    "permit_forwarding",
    "limits",
];
const LIMITS: [&str; 6] = [
    "unauthenticated",
    "per_address",
    "grace_seconds",
    "tries",
    "sessions",
    "channels",
];

/// What is wrong, and where in the text.
type Wrong = (Range<usize>, String);
type Value<'a> = Spanned<DeValue<'a>>;

pub(super) fn read(bytes: &[u8]) -> Result<Settings, Vec<Mistake>> {
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let before = bytes.get(..at).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        Vec::from([Mistake {
            line: lines + 1,
            reason: "not UTF-8 text".into(),
        }])
    })?;
    let mut wrong = Vec::new();
    let settings = match too_deep(text) {
        Some(at) => {
            wrong.push((at..at, "brackets nest too deep".into()));
            Settings::default()
        }
        None => parse(text, &mut wrong),
    };
    if wrong.is_empty() {
        return Ok(settings);
    }
    wrong.sort_by_key(|(span, _)| span.start);
    wrong.truncate(MAX_MISTAKES);
    let mistakes = wrong.into_iter().map(|(span, reason)| Mistake {
        line: line_of(text, span.start),
        reason: printable(&reason),
    });
    Err(mistakes.collect())
}

/// Where brackets nest too deep, those in texts counted too.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn printable(reason: &str) -> String {
    let fine = reason.chars().map(|character| match character {
        ' '..='~' => character,
        _ => ' ',
    });
    fine.take(200).collect()
}

fn parse(text: &str, wrong: &mut Vec<Wrong>) -> Settings {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        wrong.push((span, error.message().into()));
    }
    let mut settings = Settings::default();
    for (key, value) in document.get_ref() {
        let name: &str = key.get_ref();
        if let Err(reason) = set(&mut settings, name, value, wrong) {
            // A key that is unknown is wrong itself, else its value is.
            let span = if KEYS.contains(&name) {
                value.span()
            } else {
                key.span()
            };
            wrong.push((span, reason));
        }
    }
    check(&settings, document.get_ref(), wrong);
    settings
}

/// What has to do with several keys.
fn check(settings: &Settings, document: &DeTable<'_>, wrong: &mut Vec<Wrong>) {
    if settings.limits.per_address > settings.limits.unauthenticated {
        let at = document.get("limits").map_or(0..0, Spanned::span);
        wrong.push((at, "per_address is more than unauthenticated".into()));
    }
}

fn set(
    settings: &mut Settings,
    name: &str,
    value: &Value<'_>,
    wrong: &mut Vec<Wrong>,
) -> Result<(), String> {
    match name {
        "ports" => settings.ports = ports(value)?,
        "addresses" => settings.addresses = items(value, "an address", |text| text.parse().ok())?,
        "banner" => settings.banner = Some(banner(value)?),
        "motd" => settings.motd = truth(value)?,
        "allow_users" => settings.allow_users = users(value)?,
        "deny_users" => settings.deny_users = users(value)?,
        "permit_user_environment" => settings.permit_user_environment = truth(value)?,
        "permit_forwarding" => settings.permit_forwarding = truth(value)?,
        "limits" => {
            let limits = value
                .get_ref()
                .as_table()
                .ok_or("a section [limits] is needed")?;
            for (key, value) in limits {
                let name: &str = key.get_ref();
                if let Err(reason) = limit(settings, name, value) {
                    let known = LIMITS.contains(&name);
                    wrong.push((if known { value.span() } else { key.span() }, reason));
                }
            }
        }
        other => return Err(unknown("setting", &KEYS, other)),
    }
    Ok(())
}

fn limit(settings: &mut Settings, name: &str, value: &Value<'_>) -> Result<(), String> {
    let limits = &mut settings.limits;
    match name {
        "unauthenticated" => {
            limits.unauthenticated = number(value, 2..=MAX_UNAUTHENTICATED as u64)? as usize
        }
        "per_address" => {
            limits.per_address = number(value, 1..=MAX_UNAUTHENTICATED as u64)? as usize
        }
        "grace_seconds" => limits.grace_seconds = number(value, 5..=600)?,
        "tries" => limits.tries = number(value, 1..=20)? as u32,
        "sessions" => limits.sessions = number(value, 4..=MAX_SESSIONS as u64)? as usize,
        "channels" => limits.channels = number(value, 1..=128)? as usize,
        other => return Err(unknown("limit", &LIMITS, other)),
    }
    Ok(())
}

fn unknown(what: &str, known: &[&str], name: &str) -> String {
    let near = DidYouMean::among(known.iter().copied(), name);
    format!("no {what} is called {name}{near}")
}

fn needed(what: &str, value: &Value<'_>) -> String {
    format!("{what} is needed, not {}", value.get_ref().type_str())
}

fn truth(value: &Value<'_>) -> Result<bool, String> {
    let truth = value.get_ref().as_bool();
    truth.ok_or_else(|| needed("true or false", value))
}

fn number(value: &Value<'_>, range: RangeInclusive<u64>) -> Result<u64, String> {
    let number = value.get_ref().as_integer();
    let number = number.ok_or_else(|| needed("a number", value))?;
    let text = number.as_str();
    let parsed = u64::from_str_radix(text, number.radix()).ok();
    parsed
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            format!(
                "{text} is not between {} and {}",
                range.start(),
                range.end()
            )
        })
}

fn list<'a, 'b>(value: &'a Value<'b>) -> Result<impl Iterator<Item = &'a Value<'b>>, String> {
    let items = value.get_ref().as_array();
    let items = items.ok_or_else(|| needed("a list in brackets", value))?;
    match items.len() > MAX_ITEMS {
        true => Err(format!("at most {MAX_ITEMS} items")),
        false => Ok(items.iter()),
    }
}

fn ports(value: &Value<'_>) -> Result<Vec<u16>, String> {
    let mut ports = Vec::new();
    for item in list(value)? {
        let port = number(item, 1..=65535)? as u16;
        if ports.contains(&port) {
            return Err(format!("port {port} is given twice"));
        }
        ports.push(port);
    }
    match ports.len() {
        0 => Err("a port is needed: nobody could log in".into()),
        1..=MAX_PORTS => Ok(ports),
        count => Err(format!("{count} ports are too many: at most {MAX_PORTS}")),
    }
}

fn items<T: PartialEq>(
    value: &Value<'_>,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    for item in list(value)? {
        let text = item.get_ref().as_str();
        let text = text.ok_or_else(|| needed(&format!("{what} in quotes"), item))?;
        let item = read(text).ok_or_else(|| format!("not {what}: {text}"))?;
        if all.contains(&item) {
            return Err(format!("{text} is given twice"));
        }
        all.push(item);
    }
    Ok(all)
}

fn users(value: &Value<'_>) -> Result<Vec<String>, String> {
    items(value, "a user's name or a pattern", |text| {
        let fine = !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b",!@:/".contains(&byte));
        fine.then(|| text.to_string())
    })
}

/// A banner as the protocol wants it: lines end with CR LF, and nothing in it
/// can act on a terminal.
fn banner(value: &Value<'_>) -> Result<String, String> {
    let text = value.get_ref().as_str();
    let text = text.ok_or_else(|| needed("text in quotes", value))?;
    if text.len() > MAX_BANNER {
        return Err(format!("a banner has at most {MAX_BANNER} bytes"));
    }
    let is_bad = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.replace("\r\n", "\n").contains(is_bad) {
        return Err("a banner has no control characters".into());
    }
    let lines = text.lines().map(|line| Cow::from(line) + "\r\n");
    Ok(lines.collect())
}
