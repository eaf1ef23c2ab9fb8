//! Users and groups of a disk: passwd(5), group(5) and shadow(5).

/// The shell that every disk has.
const SHELL: &str = "/bin/sh";

/// The shadow(5) in which nobody of a passwd(5) has a password.
pub fn locked(users: &str) -> String {
    let names = users.lines().filter_map(name);
    names
        .map(|name| format!("{name}:*:1:0:99999:7:::\n"))
        .collect()
}

/// The lines of `first`, and those of `second` whose names it has not.
pub fn joined(first: &str, second: &str) -> String {
    let is_new = |line: &&str| {
        let name = name(line);
        name.is_some() && !first.lines().any(|other| self::name(other) == name)
    };
    let lines = first.lines().chain(second.lines().filter(is_new));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A passwd(5) in which user 0 is `root` and can log in: with the shell that it has, if
/// `has` says that it is there, else with [`SHELL`].
pub fn with_root_shell(users: &str, has: impl Fn(&str) -> bool) -> String {
    let is_shell = |shell: &&str| !shell.ends_with("nologin") && !shell.ends_with("false");
    let line = |line: &str| {
        let shell = line.rsplit(':').next().filter(is_shell);
        match name(line) {
            Some("root") => {
                let shell = shell.filter(|shell| has(shell)).unwrap_or(SHELL);
                format!("root:x:0:0:root:/root:{shell}\n")
            }
            _ => format!("{line}\n"),
        }
    };
    users.lines().map(line).collect()
}

/// Whose line it is.
fn name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_no_passwords() {
        let text = locked("root:*:0:0::/root:/bin/bash\nbin:*:2:2::/bin:/bin/sh\n");
        assert_eq!(text, "root:*:1:0:99999:7:::\nbin:*:1:0:99999:7:::\n");
    }

    #[test]
    fn the_first_says_who_is_who() {
        let text = joined("root:x:0:\nweb:x:7:", "root:x:0:a\ntty:x:5:\n\n");
        assert_eq!(text, "root:x:0:\nweb:x:7:\ntty:x:5:\n");
    }

    #[test]
    fn root_can_log_in() {
        let with = |shell: &str| {
            with_root_shell(&format!("root:*:9:9::/:{shell}\na:b\n"), |it| {
                it == "/bin/ash"
            })
        };
        assert_eq!(with("/bin/ash"), "root:x:0:0:root:/root:/bin/ash\na:b\n");
        assert_eq!(with("/bin/bash"), "root:x:0:0:root:/root:/bin/sh\na:b\n");
        assert_eq!(
            with("/sbin/nologin"),
            "root:x:0:0:root:/root:/bin/sh\na:b\n"
        );
    }
}
