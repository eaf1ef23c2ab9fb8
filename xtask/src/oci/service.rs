//! The service that runs an image's program, and the users that the machine then has.

use super::layers::Tree;
use crate::overlay::Overlay;
use crate::{accounts, paths};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The service that has ports below 1024 free for all, as they are in a container.
const PORTS: &str = "unprivileged-ports";
const PORTS_DEFINITION: &str = "\
# Lets users other than root listen at ports below 1024, as they can in a container.
type = \"oneshot\"
command = [\"/bin/busybox\", \"sh\", \"-c\", \"echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start\"]
restart = \"never\"
";

/// What an image's configuration (image-spec, `config`) says of its program.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The program and its arguments; empty if there is none.
    pub command: Vec<String>,
    /// Ports at which it says that it listens, with `/udp` behind those of UDP.
    pub ports: Vec<String>,
    /// What could not be carried over, in words.
    pub left_out: Vec<String>,
    cwd: Option<String>,
    user: Option<String>,
    group: Option<String>,
    env: Vec<(String, String)>,
    stop_signal: Option<String>,
}

impl Service {
    /// The service `name` of a configuration.
    pub fn of(name: &str, config: &Value) -> Service {
        let mut command = texts(&config["Entrypoint"]);
        command.extend(texts(&config["Cmd"]));
        let mut service = Service {
            name: name.to_owned(),
            command,
            cwd: text(&config["WorkingDir"]),
            stop_signal: text(&config["StopSignal"])
                .map(|signal| signal.trim_start_matches("SIG").to_owned()),
            ..Service::default()
        };
        service.take_ports(&config["ExposedPorts"]);
        if let Some(user) = text(&config["User"]) {
            let (user, group) = match user.split_once(':') {
                Some((user, group)) => (user, Some(group.to_owned())),
                None => (user.as_str(), None),
            };
            (service.user, service.group) = (Some(user.to_owned()), group);
        }
        for variable in texts(&config["Env"]) {
            match variable.split_once('=') {
                Some((name, value)) => service.env.push((name.to_owned(), value.to_owned())),
                None => service
                    .left_out
                    .push(format!("the variable `{variable}` has no value")),
            }
        }
        if config["Healthcheck"]["Test"].is_array() {
            let what =
                "the image's health check is not carried over: see `[health]` in docs/HERD.md";
            service.left_out.push(what.to_owned());
        }
        service
    }

    fn take_ports(&mut self, exposed: &Value) {
        let exposed = exposed.as_object().into_iter().flatten();
        for (port, _) in exposed {
            let port = port.strip_suffix("/tcp").unwrap_or(port);
            self.ports.push(port.to_owned());
        }
    }

    /// The definition of herd's.
    fn definition(&self) -> String {
        let mut text = String::from("# Made from the image of a container.\n");
        let command: Vec<_> = self.command.iter().map(|word| quoted(word)).collect();
        let _ = writeln!(text, "command = [{}]", command.join(", "));
        let keys = [
            ("cwd", &self.cwd),
            ("user", &self.user),
            ("group", &self.group),
            ("stop_signal", &self.stop_signal),
        ];
        for (key, value) in keys {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        if self.is_ordinary() {
            let _ = writeln!(text, "needs = [{}]", quoted(PORTS));
        }
        if !self.env.is_empty() {
            text.push_str("[env]\n");
        }
        for (name, value) in &self.env {
            let _ = writeln!(text, "{} = {}", quoted(name), quoted(value));
        }
        text
    }

    /// Whether it runs as somebody who has no privileges.
    fn is_ordinary(&self) -> bool {
        let user = self.user.as_deref().unwrap_or("root");
        !["root", "0"].contains(&user)
    }

    /// Writes what comes on top of the image and the default tree: the definition, and
    /// the users of both.
    ///
    /// # Errors
    /// The image's user is not among its users.
    pub fn lay_over(mut self: Service, tree: &Tree, over: &Path) -> Result<Service> {
        let ours = |path: &str| {
            let path = paths::workspace().join("rootfs").join(path);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let over = Overlay(over);
        let users = tree.text("etc/passwd")?.unwrap_or_default();
        self.settle_group(&users)?;
        let has_shell = |shell: &str| tree.has_file(shell);
        let users =
            accounts::with_root_shell(&accounts::joined(&users, &ours("etc/passwd")?), has_shell);
        over.write("etc/passwd", &users, 0o644)?;
        over.write("etc/shadow", &accounts::locked(&users), 0o600)?;
        let groups = tree.text("etc/group")?.unwrap_or_default();
        let groups = accounts::joined(&groups, &ours("etc/group")?);
        over.write("etc/group", &groups, 0o644)?;
        let release = tree.text("etc/os-release")?.unwrap_or_default();
        let release = like(&ours("etc/os-release")?, &release);
        over.write("etc/os-release", &release, 0o644)?;
        if !self.command.is_empty() {
            over.define(&self.name, &self.definition())?;
            if self.is_ordinary() {
                over.define(PORTS, PORTS_DEFINITION)?;
            }
        }
        Ok(self)
    }

    /// A user that is a number and is not listed is of group 0, as in a container; one
    /// that is a name must be listed.
    fn settle_group(&mut self, users: &str) -> Result<()> {
        let Some(user) = &self.user else {
            return Ok(());
        };
        let is_it = |line: &str| {
            let mut fields = line.split(':');
            let (name, number) = (fields.next(), fields.nth(1));
            name == Some(user) || number == Some(user)
        };
        if users.lines().any(is_it) {
            return Ok(());
        }
        user.parse::<u32>()
            .with_context(|| format!("the image's user `{user}` is not in its /etc/passwd"))?;
        self.group.get_or_insert_with(|| "0".to_owned());
        Ok(())
    }
}

/// Paddock's os-release(5), which names what the image's is of.
fn like(ours: &str, image: &str) -> String {
    let field = |name: &str| image.lines().find_map(|line| line.strip_prefix(name));
    let id = field("ID=").unwrap_or_default().trim_matches('"');
    let others = field("ID_LIKE=").unwrap_or_default().trim_matches('"');
    match format!("{id} {others}").trim() {
        "" => ours.to_owned(),
        like => format!("{ours}ID_LIKE={}\n", quoted(like)),
    }
}

/// A text as TOML has it: the escapes of JSON, and one more.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\x7f', "\\u007f")
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Service {
        let config = json!({
            "Entrypoint": ["/bin/server"], "Cmd": ["--text", "a \"b\"\u{7f}"],
            "Env": ["PATH=/bin", "X=a=b", "ALONE"], "User": "app:1001",
            "WorkingDir": "/srv", "StopSignal": "SIGQUIT",
            "ExposedPorts": {"6379/tcp": {}, "53/udp": {}},
            "Healthcheck": {"Test": ["CMD", "true"]},
        });
        Service::of("web", &config)
    }

    #[test]
    fn a_definition_says_what_the_configuration_does() {
        let service = sample();
        let text = service.definition();
        let found: toml::Table = toml::from_str(&text).unwrap();
        let command = found["command"].as_array().unwrap();
        let command: Vec<_> = command.iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(command, ["/bin/server", "--text", "a \"b\"\u{7f}"]);
        let field = |name: &str| found[name].as_str();
        assert_eq!((field("user"), field("group")), (Some("app"), Some("1001")));
        assert_eq!(
            (field("cwd"), field("stop_signal")),
            (Some("/srv"), Some("QUIT"))
        );
        assert_eq!(found["env"]["X"].as_str(), Some("a=b"));
        assert_eq!(service.ports, ["53/udp", "6379"]);
        assert_eq!(service.left_out.len(), 2, "{:?}", service.left_out);
    }

    #[test]
    fn users_are_listed_or_numbers() {
        let users = "root:x:0:0::/root:/bin/sh\napp:x:1001:1001::/:/bin/sh\n";
        let settled = |user: &str| {
            let mut service = Service::of("web", &json!({"User": user}));
            service.settle_group(users).map(|()| service.group)
        };
        assert_eq!(settled("app").unwrap(), None);
        assert_eq!(settled("1001").unwrap(), None);
        assert_eq!(settled("77").unwrap().as_deref(), Some("0"));
        assert_eq!(settled("77:5").unwrap().as_deref(), Some("5"));
        assert!(settled("nobody").is_err());
    }

    #[test]
    fn releases_name_what_they_are_like() {
        let text = like("ID=paddock\n", "ID=alpine\nNAME=\"Alpine\"\n");
        assert_eq!(text, "ID=paddock\nID_LIKE=\"alpine\"\n");
        let text = like("ID=paddock\n", "ID=ubuntu\nID_LIKE=debian\n");
        assert_eq!(text, "ID=paddock\nID_LIKE=\"ubuntu debian\"\n");
        assert_eq!(like("ID=paddock\n", ""), "ID=paddock\n");
    }
}
