//! `completion`: what a shell has to know to complete a command line, from the same
//! words as the help text.

use super::Failure;
use super::help::{HELP, OPTIONS, VERBS};

/// Names are those of definitions, in `--root` or `HERD_ROOT`.
const NAMES: &str =
    "basename -a -s .conf -- \"${HERD_ROOT:-}\"/etc/herd/available/*.conf 2>/dev/null";

/// Columns of a command's words in the help text.
const WORDS: usize = 23;

/// The script for a shell.
///
/// # Errors
/// It is none that completes the words of programs.
pub(super) fn script(shell: &str) -> Result<String, Failure> {
    match shell {
        "bash" => Ok(bash()),
        "zsh" => Ok(zsh()),
        "ash" | "sh" => Err(Failure::Failed(format!(
            "{shell} completes names of programs and files, and nothing can be added to that"
        ))),
        _ => Err(Failure::Usage("usage: herd completion bash|zsh".to_owned())),
    }
}

fn bash() -> String {
    let (verbs, options) = (VERBS.join(" "), OPTIONS.join(" "));
    format!(
        "# herd completion bash > /etc/bash_completion.d/herd\n\
         _herd() {{\n\
         \x20   local word=${{COMP_WORDS[COMP_CWORD]}} choices\n\
         \x20   case $word in\n\
         \x20   -*) choices='{options}' ;;\n\
         \x20   *) [ \"$COMP_CWORD\" -eq 1 ] && choices='{verbs}' || choices=$({NAMES}) ;;\n\
         \x20   esac\n\
         \x20   COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n\
         }}\n\
         complete -F _herd herd\n"
    )
}

fn zsh() -> String {
    let verbs: String = VERBS
        .iter()
        .map(|verb| {
            let says = summary(verb).replace('\'', "'\\''").replace(':', "\\:");
            format!("        '{verb}:{says}'\n")
        })
        .collect();
    let options = OPTIONS.join(" ");
    format!(
        "#compdef herd\n\
         # herd completion zsh > /usr/share/zsh/site-functions/_herd\n\
         _herd() {{\n\
         \x20   local -a verbs names\n\
         \x20   verbs=(\n{verbs}    )\n\
         \x20   if [[ $words[CURRENT] == -* ]]; then\n\
         \x20       compadd -- {options}\n\
         \x20   elif (( CURRENT == 2 )); then\n\
         \x20       _describe command verbs\n\
         \x20   else\n\
         \x20       names=(${{(f)\"$({NAMES})\"}})\n\
         \x20       compadd -a names\n\
         \x20   fi\n\
         }}\n\
         compdef _herd herd\n"
    )
}

/// What the help text says of a command, on its line: behind its words, which are
/// as long as [`WORDS`] at the most or go on to two spaces.
fn summary(verb: &str) -> &'static str {
    let commands = HELP.lines().filter_map(|line| line.strip_prefix("  "));
    for line in commands {
        let (words, says) = line.split_at(line.len().min(WORDS));
        let mut words = words.split([' ', ',']);
        // Those of one line are all at its beginning.
        if words
            .by_ref()
            .take_while(|word| !word.contains('.'))
            .any(|word| word == verb)
        {
            return says.trim();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn all_commands_are_told_of() {
        for shell in ["bash", "zsh"] {
            let script = script(shell).unwrap();
            for word in VERBS.iter().chain(&OPTIONS) {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
        for verb in VERBS.iter().filter(|verb| **verb != "help") {
            assert!(!summary(verb).is_empty(), "{verb}");
        }
        assert!(script("ash").is_err() && script("fish").is_err());
    }

    /// What bash makes of a line, if there is one.
    fn completed(root: &std::path::Path, words: &[&str]) -> Option<String> {
        let mut shell = Command::new("bash")
            .env("HERD_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let script = script("bash").unwrap();
        let (line, last) = (words.join(" "), words.len() - 1);
        let asks = format!(
            "{script}COMP_WORDS=({line} '')\nCOMP_CWORD={last}\n_herd\necho \"${{COMPREPLY[@]}}\"\n"
        );
        shell.stdin.take()?.write_all(asks.as_bytes()).ok()?;
        let output = shell.wait_with_output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    #[test]
    fn bash_completes_commands_names_and_options() {
        let root = std::env::temp_dir().join(format!("herd-completion-{}", std::process::id()));
        let available = root.join("etc/herd/available");
        std::fs::create_dir_all(&available).unwrap();
        std::fs::write(available.join("web.conf"), "").unwrap();
        std::fs::write(available.join("work.conf"), "").unwrap();
        for (words, expected) in [
            (&["herd", "upg"][..], "upgrade"),
            (&["herd", "start", "w"], "web work"),
            (&["herd", "status", "--js"], "--json"),
        ] {
            if let Some(found) = completed(&root, words) {
                assert_eq!(found, expected, "{words:?}");
            }
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
