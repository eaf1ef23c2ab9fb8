//! redis with its append-only file, which is written anew in the middle of the work; the
//! file is read here (redis.io, "Redis persistence" and "RESP protocol spec").

use super::{ACKNOWLEDGED, Database, take};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// A counter; each time that it goes up is synced.
pub struct Redis;

const FOLDER: &str = "/root/redis";
/// Of what the file is made.
const FILES: &str = "appendonlydir";

impl Database for Redis {
    fn name(&self) -> &str {
        "redis"
    }

    fn packages(&self) -> &'static [&'static str] {
        &["redis-server"]
    }

    fn command(&self) -> &'static str {
        "sh 2>&1"
    }

    fn script(&self, transactions: u64) -> String {
        let client = format!("redis-cli -s {FOLDER}/socket");
        let anew = transactions / 2;
        format!(
            "mkdir -p {FOLDER}\n\
             redis-server --dir {FOLDER} --appendonly yes --appendfsync always \
             --aof-use-rdb-preamble no --save '' --port 0 --unixsocket {FOLDER}/socket \
             --daemonize yes --logfile {FOLDER}/log\n\
             until {client} ping 2>/dev/null | grep -q PONG; do sleep 0.1; done\n\
             n=0\n\
             while [ $n -lt {transactions} ]; do\n\
             n=$((n+1))\n\
             [ \"$({client} incr c)\" = $n ] || exit 1\n\
             echo {ACKNOWLEDGED} $n\n\
             [ $n != {anew} ] || {client} bgrewriteaof\n\
             done\n\
             {client} shutdown nosave\n"
        )
    }

    fn transactions(&self, disk: &Path, folder: &Path) -> Result<u64> {
        take(disk, "rdump", &format!("{FOLDER}/{FILES}"), folder)?;
        let folder = folder.join(FILES);
        let manifest = fs::read_to_string(folder.join("appendonly.aof.manifest"))?;
        let mut names = files(&manifest)?.into_iter().peekable();
        let mut count = 0;
        while let Some(name) = names.next() {
            let bytes = fs::read(folder.join(name)).with_context(|| name.to_owned())?;
            // The last one alone may end in the middle of a command.
            replay(&bytes, names.peek().is_none(), &mut count).with_context(|| name.to_owned())?;
        }
        Ok(count)
    }
}

/// The files that a manifest names, in order.
fn files(manifest: &str) -> Result<Vec<&str>> {
    let mut names = Vec::new();
    for line in manifest.lines() {
        match *line.split(' ').collect::<Vec<_>>() {
            ["file", name, "seq", _, "type", "b" | "i"] => names.push(name),
            ["file", _, "seq", _, "type", "h"] => {}
            _ => bail!("the manifest says {line:?}"),
        }
    }
    Ok(names)
}

/// Does what the commands say to the counter.
fn replay(mut bytes: &[u8], may_be_torn: bool, count: &mut u64) -> Result<()> {
    while !bytes.is_empty() {
        let Some((words, rest)) = command(bytes)? else {
            ensure!(may_be_torn, "a command is not whole");
            return Ok(());
        };
        match *words {
            [word, b"c"] if word.eq_ignore_ascii_case(b"incr") => *count += 1,
            [word, b"c", value] if word.eq_ignore_ascii_case(b"set") => {
                *count = std::str::from_utf8(value)?.parse()?;
            }
            [word, _] if word.eq_ignore_ascii_case(b"select") => {}
            _ => bail!("an unknown command"),
        }
        bytes = rest;
    }
    Ok(())
}

type Words<'a> = Vec<&'a [u8]>;

/// The first command's words, and what is behind it; `None` if it is not whole.
fn command(bytes: &[u8]) -> Result<Option<(Words<'_>, &[u8])>> {
    let Some((count, mut rest)) = number(bytes, b'*')? else {
        return Ok(None);
    };
    let mut words = Vec::new();
    for _ in 0..count {
        let Some((length, behind)) = number(rest, b'$')? else {
            return Ok(None);
        };
        let Some((word, behind)) = behind.split_at_checked(length) else {
            return Ok(None);
        };
        let Some((end, behind)) = behind.split_at_checked(2) else {
            return Ok(None);
        };
        ensure!(end == b"\r\n", "a word has no end");
        words.push(word);
        rest = behind;
    }
    Ok(Some((words, rest)))
}

/// A line with a number behind `mark`; `None` if it is not whole.
fn number(bytes: &[u8], mark: u8) -> Result<Option<(usize, &[u8])>> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let digits = bytes[..end].strip_prefix(&[mark]).context("no such line")?;
    let number = std::str::from_utf8(digits)?.parse()?;
    Ok(Some((number, &bytes[end + 2..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$2\r\n30\r\n";
    const INCR: &[u8] = b"*2\r\n$4\r\nincr\r\n$1\r\nc\r\n";

    #[test]
    fn commands_are_replayed_to_the_torn_one() {
        let whole = [SET, INCR, INCR].concat();
        let ends = [SET.len(), SET.len() + INCR.len(), whole.len()];
        for cut in 0..=whole.len() {
            let mut count = 0;
            replay(&whole[..cut], true, &mut count).unwrap();
            let expected = match ends.iter().filter(|end| **end <= cut).count() {
                0 => 0,
                done => 29 + done as u64,
            };
            assert_eq!(count, expected, "{cut}");
        }
        assert!(replay(&whole[..whole.len() - 1], false, &mut 0).is_err());
        assert!(replay(b"*1\r\n$3\r\nfoo\r\n", true, &mut 0).is_err());
        assert!(replay(b"\0\r\n", true, &mut 0).is_err());
    }

    #[test]
    fn the_manifest_says_which_files() {
        let manifest = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n\
                        file old seq 1 type h\n";
        assert_eq!(files(manifest).unwrap(), ["a.1.base.aof", "a.1.incr.aof"]);
        assert!(files("nonsense").is_err());
    }
}
