//! What a service's definition says that its deployment needs.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// A definition, as it is to be on the machine.
#[derive(Debug)]
pub struct Definition {
    /// The service's name.
    pub name: String,
    /// The file's text.
    pub text: String,
    /// Where its program belongs.
    pub program: String,
}

impl Definition {
    /// Reads `NAME.conf`. Whatever else is wrong in it is herd's to find.
    ///
    /// # Errors
    /// What keeps it from being deployed.
    pub fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.and_then(|name| name.strip_suffix(".conf"));
        let name = name.with_context(|| format!("{shown} is not called NAME.conf"))?;
        ensure!(
            is_plain(name),
            "{shown}: a service's name has letters, digits, - and _"
        );
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        let program = program(&text).with_context(|| format!("in {shown}"))?;
        Ok(Self {
            name: name.into(),
            text,
            program,
        })
    }

    /// The text with another program, for a check before that is in its place.
    pub fn with_program(&self, program: &str) -> String {
        self.text.replacen(&self.program, program, 1)
    }
}

fn is_plain(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(fine)
}

fn program(text: &str) -> Result<String> {
    let table: toml::Table = text.parse()?;
    let command = table.get("command").context("there is no `command`")?;
    let first = match command {
        toml::Value::String(word) => Some(word),
        toml::Value::Array(words) => match words.first() {
            Some(toml::Value::String(word)) => Some(word),
            _ => None,
        },
        _ => None,
    };
    let first = first.context("`command` does not begin with a program")?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte);
    if !first.starts_with('/') || first.ends_with('/') || !first.bytes().all(fine) {
        bail!("`command` begins with `{first}`; the program's absolute path is needed");
    }
    Ok(first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_command_s_first_word() {
        for (text, path) in [
            ("command = '/usr/local/bin/web'\n", "/usr/local/bin/web"),
            ("# /x\ncommand = [\"/srv/a+b\", \"-p\"]\n", "/srv/a+b"),
        ] {
            assert_eq!(program(text).unwrap(), path);
        }
        for text in [
            "",
            "command = 3",
            "command = []",
            "command = 'web'",
            "command = '/a b'",
            "command = '/srv/'",
            "command = ",
        ] {
            assert!(program(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_plain() {
        for name in ["web", "a-b_2"] {
            assert!(is_plain(name));
        }
        for name in ["", "-x", "a b", "a/b", "..", "a'b"] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
