//! `herd run`: a command, once, with all that a service has.

use std::fs;

use super::{Outcome, client, logs, new};
use crate::paths::Paths;
use crate::proto::Request;

/// Runs `command` as a service that ends, shows what it wrote, and takes it away again.
pub(super) fn run(paths: &Paths, command: &[String]) -> Outcome {
    // Without a daemon there is nothing to run it.
    client::services(paths, None)?;
    let name = format!("run-{}", std::process::id());
    let text = format!(
        "type = \"oneshot\"\nrestart = \"never\"\n{}",
        new::definition(command)
    );
    new::write_quietly(paths, &name, &text)?;
    let request = Request::Start { name: name.clone() };
    let outcome = client::done(paths, &Request::Reload)
        .and_then(|_| client::done(paths, &request))
        .map(drop);
    let written = logs::settled(paths, &name);
    let _ = fs::remove_file(paths.available_file(&name));
    let _ = client::done(paths, &Request::Reload);
    for line in written {
        match line.origin.as_str() {
            "out" => println!("{}", line.text),
            _ => eprintln!("{}", line.text),
        }
    }
    let _ = fs::remove_file(paths.log_file(&name));
    outcome
}
