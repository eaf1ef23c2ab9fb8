//! Reading and checking an ELF file's headers.

use super::{PAGE, Source, USER_BOTTOM, USER_TOP};
use alloc::vec::Vec;
use paddock_abi::mman::Prot;
use paddock_abi::{Errno, Result};

const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_AARCH64: u16 = 183;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PT_GNU_STACK: u32 = 0x6474_e551;
const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
/// As many program headers as fit in a page, which is what Linux takes.
const MAX_PROGRAM_HEADERS: usize = PAGE as usize / PROGRAM_HEADER_SIZE;
const MAX_INTERPRETER: u64 = 4096;

/// Whether a program has a fixed place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Linked for fixed addresses.
    Fixed,
    /// Runs anywhere: static-PIE, PIE, or a shared object.
    Relocatable,
}

/// One `PT_LOAD` of a program. Addresses are those in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in memory.
    pub vaddr: u64,
    /// Where it begins in the file; equal to `vaddr` modulo the page size.
    pub offset: u64,
    /// Bytes that come from the file.
    pub file_size: u64,
    /// Bytes in memory, the rest of them zero. Never less.
    pub mem_size: u64,
    /// How it may be accessed.
    pub prot: Prot,
}

/// A checked program: its segments are in order, do not share a page's bytes
/// they both claim, and lie within the user's half when placed at their own
/// addresses (or anywhere, once a base has been found for them).
#[derive(Clone, Debug)]
pub struct Image {
    /// Whether it has a fixed place.
    pub kind: ImageKind,
    /// Where it starts, as in the file.
    pub entry: u64,
    /// The program headers' address in memory, as in the file; `None` if
    /// they are not part of any segment.
    pub program_headers: Option<u64>,
    /// How many program headers there are.
    pub program_header_count: u64,
    /// At least one, in ascending order.
    pub segments: Vec<Segment>,
    /// The dynamic linker it asks for.
    pub interpreter: Option<Vec<u8>>,
    /// Whether it wants an executable stack.
    pub executable_stack: bool,
    /// The largest alignment that a segment asks for, at least a page.
    pub align: u64,
}

struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    file_size: u64,
    mem_size: u64,
    align: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl ProgramHeader {
    fn parse(bytes: &[u8]) -> ProgramHeader {
        ProgramHeader {
            kind: u32_at(bytes, 0),
            flags: u32_at(bytes, 4),
            offset: u64_at(bytes, 8),
            vaddr: u64_at(bytes, 16),
            file_size: u64_at(bytes, 32),
            mem_size: u64_at(bytes, 40),
            align: u64_at(bytes, 48),
        }
    }

    fn prot(&self) -> Prot {
        let mut prot = Prot::empty();
        prot.set(Prot::EXEC, self.flags & 1 != 0);
        prot.set(Prot::WRITE, self.flags & 2 != 0);
        prot.set(Prot::READ, self.flags & 4 != 0);
        prot
    }

    /// The segment, if every number in it makes sense.
    fn segment(&self, file_len: u64) -> Option<Segment> {
        let file_end = self.offset.checked_add(self.file_size)?;
        let end = self.vaddr.checked_add(self.mem_size)?;
        let sane = self.file_size <= self.mem_size
            && (file_end <= file_len || self.file_size == 0)
            && end <= USER_TOP
            && self.offset % PAGE == self.vaddr % PAGE
            && (self.align <= 1 || self.align.is_power_of_two());
        sane.then_some(Segment {
            vaddr: self.vaddr,
            offset: self.offset,
            file_size: self.file_size,
            mem_size: self.mem_size,
            prot: self.prot(),
        })
    }
}

struct FileHeader {
    kind: ImageKind,
    entry: u64,
    table: u64,
    count: usize,
}

fn read_file_header(source: &dyn Source) -> Result<FileHeader> {
    let mut bytes = [0; HEADER_SIZE];
    source.read_exact_at(0, &mut bytes)?;
    // Class 64, little-endian, version 1.
    let ident_ok = bytes.starts_with(b"\x7fELF") && bytes[4..7] == [2, 1, 1];
    let count = usize::from(u16_at(&bytes, 56));
    let sane = ident_ok
        && u16_at(&bytes, 18) == EM_AARCH64
        && u32_at(&bytes, 20) == 1
        && usize::from(u16_at(&bytes, 54)) == PROGRAM_HEADER_SIZE
        && (1..=MAX_PROGRAM_HEADERS).contains(&count);
    if !sane {
        return Err(Errno::ENOEXEC);
    }
    let kind = match u16_at(&bytes, 16) {
        ET_EXEC => ImageKind::Fixed,
        ET_DYN => ImageKind::Relocatable,
        _ => return Err(Errno::ENOEXEC),
    };
    Ok(FileHeader {
        kind,
        entry: u64_at(&bytes, 24),
        table: u64_at(&bytes, 32),
        count,
    })
}

fn read_program_headers(source: &dyn Source, header: &FileHeader) -> Result<Vec<ProgramHeader>> {
    let mut headers = Vec::new();
    headers
        .try_reserve_exact(header.count)
        .map_err(|_| Errno::ENOMEM)?;
    let mut at = header.table;
    for _ in 0..header.count {
        let mut bytes = [0; PROGRAM_HEADER_SIZE];
        source.read_exact_at(at, &mut bytes)?;
        headers.push(ProgramHeader::parse(&bytes));
        at = at
            .checked_add(PROGRAM_HEADER_SIZE as u64)
            .ok_or(Errno::ENOEXEC)?;
    }
    Ok(headers)
}

fn read_interpreter(source: &dyn Source, header: &ProgramHeader) -> Result<Vec<u8>> {
    if !(2..=MAX_INTERPRETER).contains(&header.file_size) {
        return Err(Errno::ENOEXEC);
    }
    let mut path = Vec::new();
    path.try_reserve_exact(header.file_size as usize)
        .map_err(|_| Errno::ENOMEM)?;
    path.resize(header.file_size as usize, 0);
    source.read_exact_at(header.offset, &mut path)?;
    // The zero that ends it is there, and is the only one.
    let end = path.iter().position(|&byte| byte == 0);
    if end != Some(path.len() - 1) {
        return Err(Errno::ENOEXEC);
    }
    path.pop();
    Ok(path)
}

impl Image {
    /// Reads and checks the headers of an ELF file. `ENOEXEC` for all that is
    /// wrong with it; `ENOMEM`; what the source fails with. May sleep.
    pub fn read(source: &dyn Source) -> Result<Image> {
        let header = read_file_header(source)?;
        let table = read_program_headers(source, &header)?;
        let mut image = Image {
            kind: header.kind,
            entry: header.entry,
            program_headers: None,
            program_header_count: header.count as u64,
            segments: Vec::new(),
            interpreter: None,
            executable_stack: false,
            align: PAGE,
        };
        image
            .segments
            .try_reserve_exact(header.count)
            .map_err(|_| Errno::ENOMEM)?;
        for entry in &table {
            image.take(source, entry)?;
        }
        image.find_program_headers(header.table);
        image.check()?;
        Ok(image)
    }

    fn take(&mut self, source: &dyn Source, entry: &ProgramHeader) -> Result<()> {
        match entry.kind {
            PT_LOAD if entry.mem_size > 0 => {
                let segment = entry.segment(source.len()).ok_or(Errno::ENOEXEC)?;
                self.align = self.align.max(entry.align);
                self.segments.push(segment);
            }
            PT_INTERP if self.interpreter.is_some() => return Err(Errno::ENOEXEC),
            PT_INTERP => self.interpreter = Some(read_interpreter(source, entry)?),
            PT_PHDR => self.program_headers = Some(entry.vaddr),
            PT_GNU_STACK => self.executable_stack = entry.flags & 1 != 0,
            _ => {}
        }
        Ok(())
    }

    /// Without a `PT_PHDR`, the headers are where the file's first bytes are
    /// mapped, if they are.
    fn find_program_headers(&mut self, table: u64) {
        let inside = |segment: &&Segment| {
            (segment.offset..segment.offset + segment.file_size).contains(&table)
        };
        if self.program_headers.is_none() {
            let segment = self.segments.iter().find(inside);
            self.program_headers = segment.map(|at| at.vaddr + (table - at.offset));
        }
    }

    fn check(&self) -> Result<()> {
        let ordered = self
            .segments
            .windows(2)
            .all(|pair| pair[0].vaddr + pair[0].mem_size <= pair[1].vaddr);
        let first = self.segments.first().ok_or(Errno::ENOEXEC)?;
        let placed = self.kind == ImageKind::Relocatable || first.vaddr >= USER_BOTTOM;
        let entered = self
            .segments
            .iter()
            .any(|segment| (segment.vaddr..segment.vaddr + segment.mem_size).contains(&self.entry));
        // A shared object that is only linked against may have no entry.
        let entry_ok = entered || (self.kind == ImageKind::Relocatable && self.entry == 0);
        match ordered && placed && entry_ok && self.align <= 1 << 30 {
            true => Ok(()),
            false => Err(Errno::ENOEXEC),
        }
    }
}
