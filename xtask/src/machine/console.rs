//! The console of a machine under test.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Shared {
    text: Mutex<String>,
    grown: Condvar,
}

impl Shared {
    fn text(&self) -> MutexGuard<'_, String> {
        self.text
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Everything that a machine has printed, and its keyboard.
pub struct Console {
    shared: Arc<Shared>,
    keyboard: Option<ChildStdin>,
    /// Up to where the text was waited for.
    seen: usize,
}

impl Console {
    /// Captures the outputs of a machine, and copies them to a file.
    pub fn capture(child: &mut Child, log: &Path) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let file = File::options().create(true).append(true).open(log)?;
        for source in [
            child
                .stdout
                .take()
                .map(|out| Box::new(out) as Box<dyn Read + Send>),
            child
                .stderr
                .take()
                .map(|err| Box::new(err) as Box<dyn Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let (shared, file) = (shared.clone(), file.try_clone()?);
            thread::spawn(move || copy(source, file, &shared));
        }
        Ok(Self {
            shared,
            keyboard: child.stdin.take(),
            seen: 0,
        })
    }

    /// All that was printed so far.
    pub fn text(&self) -> String {
        self.shared.text().clone()
    }

    /// The last lines, for messages.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(60)..];
        format!("--- the console's last lines ---\n{}\n---", last.join("\n"))
    }

    /// Waits until `text` is printed, after what was waited for before.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        self.wait_for_one_of(&[text], limit)
    }

    /// Waits until one of `texts` is printed, as [`Console::wait_for`].
    pub fn wait_for_one_of(&mut self, texts: &[&str], limit: Duration) -> Result<()> {
        let start = Instant::now();
        let mut printed = self.shared.text();
        loop {
            let end_of = |text: &&str| Some(printed[self.seen..].find(text)? + text.len());
            if let Some(end) = texts.iter().filter_map(end_of).min() {
                self.seen += end;
                return Ok(());
            }
            let Some(rest) = limit.checked_sub(start.elapsed()) else {
                break;
            };
            printed = match self.shared.grown.wait_timeout(printed, rest) {
                Ok((printed, _)) => printed,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        drop(printed);
        bail!(
            "the console does not show `{}` after {limit:?}\n{}",
            texts.join("` or `"),
            self.tail()
        )
    }

    /// From now on all that was printed since the start is waited for.
    pub fn again(&mut self) {
        self.seen = 0;
    }

    /// From now on only what is yet to be printed is waited for.
    pub fn skip(&mut self) {
        self.seen = self.shared.text().len();
    }

    /// Types.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        let keyboard = self
            .keyboard
            .as_mut()
            .context("the machine has no keyboard")?;
        keyboard.write_all(text.as_bytes())?;
        Ok(keyboard.flush()?)
    }
}

fn copy(mut source: Box<dyn Read + Send>, mut file: File, shared: &Shared) {
    let mut buffer = [0; 4096];
    loop {
        match source.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let _ = file.write_all(&buffer[..count]);
                shared
                    .text()
                    .push_str(&String::from_utf8_lossy(&buffer[..count]));
                shared.grown.notify_all();
            }
        }
    }
}
