//! The kernel's table of function names, written into the linked ELF file.
//!
//! The linker script sets room aside in a section of its own; the names are
//! those of the file's own symbol table, made readable.

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::ops::Range;
use std::path::Path;

const SECTION: &str = ".symbols";
const CODE: &str = "__text_start";
const CODE_END: &str = "__text_end";

/// What the table takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Used.
    pub used: usize,
    /// Set aside by the linker script.
    pub room: usize,
}

/// Fills the table of the kernel at `elf`, in place.
pub fn fill(elf: &Path) -> Result<Size> {
    let mut bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let (room, table) =
        table(&bytes).with_context(|| format!("{} gets no symbols", elf.display()))?;
    let size = Size {
        used: table.len(),
        room: room.len(),
    };
    ensure!(
        size.used <= size.room,
        "the kernel's symbols take {} bytes, and {SECTION} of kernel/kernel.ld has {}",
        size.used,
        size.room
    );
    bytes[room.start..room.start + table.len()].copy_from_slice(&table);
    std::fs::write(elf, bytes).with_context(|| format!("cannot write {}", elf.display()))?;
    Ok(size)
}

/// Where in the file the table goes, and the table.
fn table(elf: &[u8]) -> Result<(Range<usize>, Vec<u8>)> {
    let file = object::File::parse(elf)?;
    let section = file
        .section_by_name(SECTION)
        .with_context(|| format!("there is no section {SECTION}"))?;
    let (start, length) = section
        .file_range()
        .with_context(|| format!("{SECTION} is not in the file"))?;
    let room = start as usize..(start + length) as usize;
    ensure!(room.end <= elf.len(), "the file is cut off");
    let code = address(&file, CODE)?..address(&file, CODE_END)?;
    let functions = functions(&file, &code);
    ensure!(!functions.is_empty(), "it has no symbols of functions");
    let functions: Vec<_> = functions.iter().map(|(at, name)| (*at, &**name)).collect();
    let table = paddock_symbols::encode(&functions).context("the table is too large")?;
    Ok((room, table))
}

fn address(file: &object::File<'_>, name: &str) -> Result<u64> {
    let symbol = file
        .symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .with_context(|| format!("there is no symbol {name}"))?;
    Ok(symbol.address())
}

/// Functions, and the labels of assembly code, with their offsets in the code.
fn functions(file: &object::File<'_>, code: &Range<u64>) -> Vec<(u32, String)> {
    file.symbols()
        .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown))
        .filter(|symbol| code.contains(&symbol.address()))
        .filter_map(|symbol| {
            let name = symbol.name().ok()?;
            let offset = u32::try_from(symbol.address() - code.start).ok()?;
            is_name(name).then(|| (offset, readable(name)))
        })
        .collect()
}

/// Not one of the mapping symbols ($x, $d) nor one of the linker script's.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['$', '.']) && !name.starts_with("__text_")
}

/// Without hashes: `a::b::c`.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_readable() {
        assert_eq!(
            readable("_ZN4core3fmt5write17h0123456789abcdefE"),
            "core::fmt::write"
        );
        assert_eq!(readable("switch_context"), "switch_context");
        assert!(is_name("switch_context"));
        for name in ["$x.12", "", ".Lfoo", "__text_start"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_kernel_gets_no_symbols() {
        assert!(table(b"#!/bin/sh").is_err());
        let own = std::fs::read("/proc/self/exe").unwrap();
        let error = table(&own).unwrap_err();
        assert_eq!(error.to_string(), "there is no section .symbols");
    }
}
