//! `#!` scripts (execve(2), "Interpreter scripts").

/// How much of a file is looked at, as on Linux.
pub const SCRIPT_HEAD: usize = 256;

/// The interpreter that a script's first line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// The path of the interpreter.
    pub interpreter: &'a [u8],
    /// The rest of the line: one argument, inner spaces and all.
    pub argument: Option<&'a [u8]>,
}

/// Parses the start of a file (its first [`SCRIPT_HEAD`] bytes, or fewer if
/// it is shorter). `None` if it is no script or names no interpreter.
pub fn parse(head: &[u8]) -> Option<Script<'_>> {
    let head = &head[..head.len().min(SCRIPT_HEAD)];
    let rest = head.strip_prefix(b"#!")?;
    let end = rest.iter().position(|&byte| byte == b'\n' || byte == 0);
    let line = trim(&rest[..end.unwrap_or(rest.len())]);
    let split = line.iter().position(|&byte| is_blank(byte));
    let (interpreter, argument) = line.split_at(split.unwrap_or(line.len()));
    // A name that may have been cut off at the end of the head is no name.
    let cut = end.is_none() && head.len() == SCRIPT_HEAD && split.is_none();
    if interpreter.is_empty() || cut {
        return None;
    }
    let argument = trim(argument);
    Some(Script {
        interpreter,
        argument: (!argument.is_empty()).then_some(argument),
    })
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line {
        if !is_blank(*first) {
            break;
        }
        line = rest;
    }
    while let [rest @ .., last] = line {
        if !is_blank(*last) {
            break;
        }
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(head: &[u8]) -> Option<(&str, Option<&str>)> {
        let text = |bytes| core::str::from_utf8(bytes).unwrap();
        parse(head).map(|script| (text(script.interpreter), script.argument.map(text)))
    }

    #[test]
    fn lines_as_people_write_them() {
        assert_eq!(parts(b"#!/bin/sh\necho"), Some(("/bin/sh", None)));
        assert_eq!(parts(b"#! /bin/sh -e  \n"), Some(("/bin/sh", Some("-e"))));
        assert_eq!(
            parts(b"#!/usr/bin/env  a b\tc"),
            Some(("/usr/bin/env", Some("a b\tc")))
        );
        assert_eq!(parts(b"#!\n"), None);
        assert_eq!(parts(b"#"), None);
        assert_eq!(parts(b"\x7fELF"), None);
        let mut long = b"#!/".to_vec();
        long.resize(300, b'x');
        assert_eq!(parts(&long), None);
    }
}
