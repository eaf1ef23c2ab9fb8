//! A person at a terminal: a pseudo-terminal of this host with a program on
//! it, what it shows, and the keys that are pressed.

use anyhow::{Context, Result, bail};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use xtask::machine::LIMIT;

/// A program on a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    seen: usize,
}

impl Terminal {
    /// Starts a program on a terminal of this size.
    pub fn start(command: &Command, rows: u16, columns: u16) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        set_size(&master, rows, columns)?;
        let slave = File::options()
            .read(true)
            .write(true)
            .open(name.to_str()?)?;
        // setsid(1) makes the terminal the controlling one, so that the
        // program hears of a new size.
        let mut leader = Command::new("setsid");
        leader
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args());
        leader.env("TERM", "vt100");
        let child = leader
            .stdin(slave.try_clone()?)
            .stdout(slave.try_clone()?)
            .stderr(slave)
            .spawn()
            .context("cannot start setsid")?;
        drop(leader);
        let screen = Arc::new(Mutex::new(String::new()));
        let keyboard = File::from(master);
        show(keyboard.try_clone()?, screen.clone());
        Ok(Self {
            child,
            keyboard,
            screen,
            seen: 0,
        })
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.keyboard.write_all(keys.as_bytes())?)
    }

    /// Changes the terminal's size.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        set_size(&OwnedFd::from(self.keyboard.try_clone()?), rows, columns)
    }

    /// Waits until `text` is shown, after what was waited for before.
    pub fn expect(&mut self, text: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let shown = self.text();
            if let Some(at) = shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return Ok(());
            }
            if start.elapsed() > LIMIT {
                bail!(
                    "the terminal does not show {text:?} after {:?}",
                    &shown[self.seen..]
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything shown so far.
    pub fn text(&self) -> String {
        self.screen
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// Waits for the program's end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!(
            "the program on the terminal does not end; it shows {:?}",
            self.text()
        )
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &OwnedFd, rows: u16, columns: u16) -> Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}

/// Copies what the program writes to the screen, in a thread that ends with
/// the terminal.
fn show(mut master: File, screen: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]);
            screen
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push_str(&text);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_of_this_host_hears_keys_and_sizes() -> Result<()> {
        let mut shell = Command::new("sh");
        shell.arg("-i");
        let mut terminal = Terminal::start(&shell, 24, 80)?;
        terminal.press("stty size\r")?;
        terminal.expect("24 80")?;
        terminal.resize(50, 132)?;
        terminal.press("stty size\r")?;
        terminal.expect("50 132")?;
        terminal.press("exit 3\r")?;
        assert_eq!(terminal.wait()?.code(), Some(3));
        Ok(())
    }
}
