//! Running a program with input, keeping its outputs, within a time limit.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Reply {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Reply {
    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}{}", self.status, self.text(), self.errors())
    }
}

/// Runs to the end. A program that takes longer than `limit` is killed, and
/// the error tells what it had written.
pub fn run_limited(command: &mut Command, input: Vec<u8>, limit: Duration) -> Result<Reply> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", crate::process::shown(command)))?;
    let mut stdin = child.stdin.take();
    // A program may end without reading all of its input.
    thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&input)));
    let stdout = child.stdout.take().map(drain);
    let stderr = child.stderr.take().map(drain);
    let status = wait(&mut child, limit)?;
    let reply = |status| Reply {
        status,
        stdout: joined(stdout),
        stderr: joined(stderr),
    };
    match status {
        Some(status) => Ok(reply(status)),
        None => {
            child.kill()?;
            let reply = reply(child.wait()?);
            bail!(
                "not done after {limit:?}; until then it wrote:\n{}{}",
                reply.text(),
                reply.errors()
            )
        }
    }
}

fn drain(mut source: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        bytes
    })
}

fn joined(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default()
}

fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_goes_in_and_output_comes_out() {
        let input = vec![7; 1 << 20];
        let reply = run_limited(
            &mut Command::new("cat"),
            input.clone(),
            Duration::from_secs(30),
        )
        .unwrap();
        assert!(reply.status.success());
        assert_eq!(reply.stdout, input);
    }

    #[test]
    fn time_is_limited() {
        let mut sleep = Command::new("sleep");
        let error =
            run_limited(sleep.arg("60"), Vec::new(), Duration::from_millis(100)).unwrap_err();
        assert!(error.to_string().contains("not done"));
    }
}
