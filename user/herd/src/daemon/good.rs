//! The last definition of each service that had no mistake, kept on the disk: a torn
//! edit takes nothing down, not by a reboot either.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Daemon;
use crate::config::{Loaded, Service};
use crate::files;
use crate::machine::Machine;

/// More than this is no such file, in bytes.
const LIMIT: u64 = 64 << 20;

/// Definitions by the names of their services.
pub(super) type Good = HashMap<String, Arc<Service>>;

/// One line of the file.
#[derive(Serialize, Deserialize)]
struct Line<T> {
    name: String,
    definition: T,
}

/// Those of the services in `loaded` whose files have a mistake, as far as `path` has
/// them. A line that is none is passed over: there may be another herd's.
pub(super) fn read(path: &Path, loaded: &[Loaded]) -> Good {
    let mut good = Good::new();
    let wanted: Vec<&str> = loaded
        .iter()
        .filter(|found| found.definition.is_err())
        .map(|found| found.name.as_str())
        .collect();
    if wanted.is_empty() {
        return good;
    }
    let text = files::read_text(path, LIMIT).unwrap_or_default();
    for line in text.lines() {
        let found = serde_json::from_str::<Line<Service>>(line);
        if let Ok(Line { name, definition }) = found
            && wanted.binary_search(&name.as_str()).is_ok()
        {
            good.insert(name, Arc::new(definition));
        }
    }
    good
}

/// The text of the file.
fn text(machine: &Machine) -> String {
    let mut text = String::new();
    for view in machine.views() {
        let Some(definition) = machine.service(&view.name) else {
            continue;
        };
        let line = Line {
            name: view.name,
            definition: &**definition,
        };
        // Nothing in it that JSON cannot say.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    text
}

impl Daemon {
    /// Has them written, if they are others than before.
    pub(super) fn keep_good(&mut self) {
        let text = text(&self.machine);
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        let hash = Some(hasher.finish());
        if self.good != hash {
            self.good = hash;
            self.writer.replace(self.paths.good(), text.into_bytes());
        }
    }
}
