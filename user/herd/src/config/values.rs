//! The values of a definition that have rules of their own. Each checks
//! itself while it is read, so that a mistake is reported with its line.

use serde::{Deserialize, Serialize};

use super::valid_name;

/// A program and its arguments: never empty, no NUL inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawCommand", into = "Vec<String>")]
pub struct Command(pub Vec<String>);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "command is a list of strings, or one string split as a shell would"
)]
enum RawCommand {
    Text(String),
    List(Vec<String>),
}

impl TryFrom<RawCommand> for Command {
    type Error = String;

    fn try_from(raw: RawCommand) -> Result<Self, String> {
        let words = match raw {
            RawCommand::List(words) => words,
            RawCommand::Text(text) => return Command::split(&text),
        };
        Command::checked(words)
    }
}

impl Command {
    /// Splits `text` as a shell would.
    pub(super) fn split(text: &str) -> Result<Command, String> {
        let words = shlex::split(text).ok_or("command has a quote that is not closed")?;
        Command::checked(words)
    }

    fn checked(mut words: Vec<String>) -> Result<Command, String> {
        match words.first() {
            None => return Err("command is empty".to_owned()),
            Some(program) if program.is_empty() => {
                return Err("command names an empty program".to_owned());
            }
            Some(_) => {}
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err("command contains a NUL byte".to_owned());
        }
        // It is kept for as long as the service is known.
        words.iter_mut().for_each(String::shrink_to_fit);
        words.shrink_to_fit();
        Ok(Command(words))
    }
}

impl From<Command> for Vec<String> {
    fn from(command: Command) -> Self {
        command.0
    }
}

/// A list of service names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Names(pub Vec<String>);

impl TryFrom<Vec<String>> for Names {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        match names.iter().find(|name| !valid_name(name)) {
            Some(name) => Err(format!("{name:?} is not a service name")),
            None => Ok(Names(names)),
        }
    }
}

/// Permissions that new files do not get, as `umask(2)` has them. Written as
/// text in octal: `"027"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mask(pub u32);

impl TryFrom<String> for Mask {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(mask) if mask <= 0o777 => Ok(Mask(mask)),
            _ => Err(format!("{text:?} is not a mask from \"000\" to \"777\"")),
        }
    }
}

impl From<Mask> for String {
    fn from(mask: Mask) -> Self {
        format!("{:03o}", mask.0)
    }
}
