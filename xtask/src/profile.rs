//! What the kernel's profiler has counted: programs' functions by their names, the
//! flame graph, and the functions that took most.

use crate::machine::test_programs;
use anyhow::{Context, Result};
use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{Options, from_lines};
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The functions of one program, by their offsets in its file.
#[derive(Debug, Default)]
struct Functions(BTreeMap<u64, String>);

impl Functions {
    fn of(program: &Path) -> Result<Functions> {
        let bytes =
            std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        let file = object::File::parse(&*bytes)
            .with_context(|| format!("{} is no ELF file", program.display()))?;
        let functions = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text)
            .filter_map(|symbol| {
                let offset = offset_of(&file, symbol.address())?;
                Some((
                    offset,
                    format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?)),
                ))
            });
        Ok(Functions(functions.collect()))
    }

    fn at(&self, offset: u64) -> Option<&str> {
        let (_, name) = self.0.range(..=offset).next_back()?;
        Some(name)
    }
}

/// Where in the file the code at `address` is.
fn offset_of(file: &object::File<'_>, address: u64) -> Option<u64> {
    file.segments().find_map(|segment| {
        let within = address.checked_sub(segment.address())?;
        (within < segment.size()).then(|| segment.file_range().0 + within)
    })
}

/// Stacks and how often each was seen: frames from the outermost to the innermost,
/// the program's name first.
#[derive(Debug)]
pub struct Stacks(BTreeMap<Vec<String>, u64>);

impl Stacks {
    /// Reads what `/proc/paddock/profile` says, with the functions of `programs` (names
    /// in the machine, files here) by their names.
    ///
    /// # Errors
    /// A line without a count; a program that cannot be read.
    pub fn read(text: &str, programs: &[(String, &Path)]) -> Result<Stacks> {
        let mut functions = HashMap::new();
        for (name, program) in programs {
            functions.insert(name.as_str(), Functions::of(program)?);
        }
        let mut stacks = BTreeMap::new();
        for line in text.lines() {
            let (frames, count) = line
                .rsplit_once(' ')
                .and_then(|(frames, count)| Some((frames, count.parse::<u64>().ok()?)))
                .with_context(|| format!("no count in the line \"{line}\""))?;
            let frames = frames
                .split(';')
                .map(|frame| named(frame, &functions))
                .collect();
            *stacks.entry(frames).or_default() += count;
        }
        Ok(Stacks(stacks))
    }

    /// Reads what a machine with the tests' programs has said.
    ///
    /// # Errors
    /// Those of [`Stacks::read`]; the programs are not built.
    pub fn of_test_machine(text: &str) -> Result<Stacks> {
        let programs = test_programs()?;
        let programs: Vec<_> = programs
            .iter()
            .map(|(name, program)| (format!("/bin/{name}"), program.as_path()))
            .collect();
        Stacks::read(text, &programs)
    }

    /// How many samples there are.
    pub fn samples(&self) -> u64 {
        self.0.values().sum()
    }

    /// The lines as tools for flame graphs take them.
    pub fn folded(&self) -> Vec<String> {
        let line = |(frames, count): (&Vec<String>, &u64)| format!("{} {count}", frames.join(";"));
        self.0.iter().map(line).collect()
    }

    /// The functions in which most samples were taken, most first.
    pub fn top(&self) -> Vec<(&str, u64)> {
        let mut counts = HashMap::new();
        for (frames, count) in &self.0 {
            let innermost = frames.last().map_or("", String::as_str);
            *counts.entry(innermost).or_insert(0) += count;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        counts
    }

    /// The flame graph, as an SVG file that needs nothing else.
    ///
    /// # Errors
    /// No stacks at all.
    pub fn flame_graph(&self, title: &str) -> Result<Vec<u8>> {
        let mut options = Options::default();
        options.title = title.to_owned();
        options.subtitle = Some("orange: the kernel; yellow and red: programs".to_owned());
        options.colors = Palette::Multi(MultiPalette::Java);
        options.hash = true;
        let mut svg = Vec::new();
        let lines = self.folded();
        from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
            .context("cannot draw the flame graph")?;
        Ok(svg)
    }
}

/// `/bin/herd+0x1234` by the function's name, if the program's are known.
fn named(frame: &str, functions: &HashMap<&str, Functions>) -> String {
    let function = frame.rsplit_once("+0x").and_then(|(file, offset)| {
        let offset = u64::from_str_radix(offset, 16).ok()?;
        functions.get(file)?.at(offset)
    });
    function.unwrap_or(frame).replace(';', ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "sh;/bin/sh+0x10;read_[k];copy_[k] 3\nsh;/bin/sh+0x10 2\n[kernel];work_[k] 4\nsh;/bin/sh+0x10 1\n";

    #[test]
    fn equal_stacks_are_one_and_the_innermost_functions_are_counted() {
        let stacks = Stacks::read(TEXT, &[]).unwrap();
        assert_eq!(stacks.samples(), 10);
        assert_eq!(stacks.folded().len(), 3);
        assert_eq!(
            stacks.top(),
            [("work_[k]", 4), ("/bin/sh+0x10", 3), ("copy_[k]", 3)]
        );
    }

    #[test]
    fn a_line_without_a_count_is_named() {
        let error = Stacks::read("sh;work\n", &[]).unwrap_err();
        assert!(error.to_string().contains("sh;work"), "{error}");
    }

    #[test]
    fn functions_of_a_program_have_names() {
        let own = std::env::current_exe().unwrap();
        let functions = Functions::of(&own).unwrap();
        let (offset, _) = functions
            .0
            .iter()
            .find(|(_, name)| name.contains("Functions::of"))
            .expect("the tests are built with symbols");
        let text = format!("x;/own+{:#x} 1\n", offset + 4);
        let stacks = Stacks::read(&text, &[("/own".to_owned(), own.as_path())]).unwrap();
        assert!(stacks.folded()[0].contains("Functions::of"));
    }

    #[test]
    fn the_graph_is_drawn() {
        let svg = Stacks::read(TEXT, &[])
            .unwrap()
            .flame_graph("x & y")
            .unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("<svg") && svg.contains("<title>work") && svg.contains("x &amp; y"));
    }
}
