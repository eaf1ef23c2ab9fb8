use super::*;
use paddock_abi::Errno;
use paddock_abi::mman::Prot;
use proptest::prelude::*;

struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    file_size: u64,
    mem_size: u64,
    align: u64,
}

fn load(flags: u32, offset: u64, vaddr: u64, file_size: u64, mem_size: u64) -> Header {
    Header {
        kind: 1,
        flags,
        offset,
        vaddr,
        file_size,
        mem_size,
        align: 0x1000,
    }
}

fn file(kind: u16, machine: u16, entry: u64, headers: &[Header]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(entry.to_le_bytes());
    bytes.extend(64u64.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64, 0, 56, 0]);
    bytes.extend((headers.len() as u16).to_le_bytes());
    bytes.extend([0; 6]);
    for header in headers {
        bytes.extend(header.kind.to_le_bytes());
        bytes.extend(header.flags.to_le_bytes());
        for value in [
            header.offset,
            header.vaddr,
            header.vaddr,
            header.file_size,
            header.mem_size,
            header.align,
        ] {
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes.resize(0x3000, 0xaa);
    bytes
}

fn parse(bytes: &[u8]) -> paddock_abi::Result<Image> {
    Image::read(&bytes)
}

fn good() -> Vec<u8> {
    let headers = [
        load(5, 0, 0x40_0000, 0x1800, 0x1800),
        load(6, 0x1800, 0x40_2800, 0x400, 0x3000),
    ];
    file(2, 183, 0x40_0100, &headers)
}

#[test]
fn a_static_program() {
    let image = parse(&good()).unwrap();
    assert_eq!(image.kind, ImageKind::Fixed);
    assert_eq!(image.program_headers, Some(0x40_0040));
    assert_eq!(image.span(), 0x40_0000..0x40_6000);
    assert_eq!(image.base_for(0x1234).unwrap(), 0);
    let data = image.segments[1].mapping(0);
    assert_eq!(data.prot, Prot::READ | Prot::WRITE);
    assert_eq!(data.file, 0x40_2000..0x40_3000);
    assert_eq!(data.offset, 0x1000);
    assert_eq!(data.zero, 0x40_2c00..0x40_3000);
    assert_eq!(data.anonymous, 0x40_3000..0x40_6000);
}

/// The parts of a segment's mapping that must read as zero and that follow.
fn rest_of(flags: u32, file_size: u64, mem_size: u64) -> [core::ops::Range<u64>; 2] {
    let headers = [
        load(5, 0, 0x40_0000, 0x1000, 0x1000),
        load(flags, 0x1800, 0x40_2800, file_size, mem_size),
    ];
    let image = parse(&file(2, 183, 0x40_0100, &headers)).unwrap();
    let mapping = image.segments[1].mapping(0);
    [mapping.zero, mapping.anonymous]
}

#[test]
fn the_last_page_of_written_data_is_cleared_to_its_end() {
    let cases = [
        // A byte of zeroes within the page brings all of it.
        (6, 0x400, 0x401, 0x40_2c00..0x40_3000, 0x40_3000..0x40_3000),
        (6, 0x400, 0x800, 0x40_2c00..0x40_3000, 0x40_3000..0x40_3000),
        (6, 0x400, 0x801, 0x40_2c00..0x40_3000, 0x40_3000..0x40_4000),
        // As large as in the file: what follows in the file stays.
        (6, 0x400, 0x400, 0x40_2c00..0x40_2c00, 0x40_3000..0x40_3000),
        // Its end is that of a page.
        (6, 0x800, 0x900, 0x40_3000..0x40_3000, 0x40_3000..0x40_4000),
        // Nothing in the file: anonymous pages are zeroes anyway.
        (6, 0, 0x10, 0x40_2800..0x40_2800, 0x40_2000..0x40_3000),
        // Never written.
        (4, 0x400, 0x480, 0x40_2c00..0x40_2c00, 0x40_3000..0x40_3000),
    ];
    for (flags, file_size, mem_size, zero, anonymous) in cases {
        assert_eq!(
            rest_of(flags, file_size, mem_size),
            [zero, anonymous],
            "{flags} {file_size:#x} {mem_size:#x}"
        );
    }
}

#[test]
fn a_relocatable_program_goes_anywhere() {
    let mut headers = [
        load(5, 0, 0, 0x1000, 0x1000),
        load(6, 0x1000, 0x1_1000, 0, 0x10),
    ];
    headers[1].align = 0x1_0000;
    let image = parse(&file(3, 183, 0x100, &headers)).unwrap();
    let base = image.base_for(0x5555_5555_1000).unwrap();
    assert_eq!(base, 0x5555_5556_0000);
    assert_eq!(image.brk(base), base + 0x1_2000);
    let bss = image.segments[1].mapping(base);
    assert!(bss.file.is_empty() && bss.zero.is_empty());
    assert_eq!(bss.anonymous, base + 0x1_1000..base + 0x1_2000);
    assert_eq!(image.base_for(USER_TOP - 0x1000), Err(Errno::ENOMEM));
    assert_eq!(image.base_for(u64::MAX), Err(Errno::ENOMEM));
}

#[test]
fn the_interpreter_is_read() {
    let mut bytes = file(
        3,
        183,
        0x100,
        &[
            Header {
                kind: 3,
                flags: 4,
                offset: 0x200,
                vaddr: 0x200,
                file_size: 9,
                mem_size: 9,
                align: 1,
            },
            load(5, 0, 0, 0x1000, 0x1000),
        ],
    );
    bytes[0x200..0x209].copy_from_slice(b"/lib/ld1\0");
    assert_eq!(parse(&bytes).unwrap().interpreter.unwrap(), b"/lib/ld1");
    bytes[0x204] = 0;
    assert_eq!(parse(&bytes).err(), Some(Errno::ENOEXEC));
}

#[test]
fn hostile_files_are_refused() {
    let refused = |kind, machine, entry, headers: &[Header]| {
        assert_eq!(
            parse(&file(kind, machine, entry, headers)).err(),
            Some(Errno::ENOEXEC)
        );
    };
    let text = || load(5, 0, 0x40_0000, 0x1000, 0x1000);
    refused(2, 62, 0x40_0000, &[text()]);
    refused(1, 183, 0x40_0000, &[text()]);
    refused(2, 183, 0x40_0000, &[]);
    refused(2, 183, 0x50_0000, &[text()]);
    // Overlapping, out of order, in page zero, in the kernel's half.
    refused(
        2,
        183,
        0x40_0000,
        &[text(), load(6, 0x800, 0x40_0800, 0x100, 0x100)],
    );
    refused(
        2,
        183,
        0x40_0000,
        &[text(), load(6, 0, 0x30_0000, 0x100, 0x100)],
    );
    refused(2, 183, 0x10, &[load(5, 0, 0, 0x1000, 0x1000)]);
    refused(
        2,
        183,
        0x40_0000,
        &[text(), load(6, 0, 1 << 48, 0x100, 0x100)],
    );
    // Overflow, more in the file than in memory, past the end of the file,
    // misplaced within the page, misaligned.
    refused(
        2,
        183,
        0x40_0000,
        &[text(), load(6, 0, !0xfff, 0x100, 0x1000)],
    );
    refused(
        2,
        183,
        0x40_0000,
        &[text(), load(6, !0xfff, 0x50_0000, 0x1000, 0x1000)],
    );
    refused(2, 183, 0x40_0000, &[load(5, 0, 0x40_0000, 0x1000, 0x800)]);
    refused(2, 183, 0x40_0000, &[load(5, 0, 0x40_0000, 0x9000, 0x9000)]);
    refused(2, 183, 0x40_0000, &[load(5, 0x10, 0x40_0000, 0x100, 0x100)]);
    let mut odd = text();
    odd.align = 0x1800;
    refused(2, 183, 0x40_0000, &[odd]);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = good();
    for len in 0..0x1c00 {
        assert_eq!(parse(&bytes[..len]).err(), Some(Errno::ENOEXEC), "{len}");
    }
    assert!(parse(&bytes[..0x1c00]).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_panic(changes in proptest::collection::vec((0usize..200, any::<u8>()), 1..12)) {
        let mut bytes = good();
        for (at, value) in changes {
            bytes[at] = value;
        }
        if let Ok(image) = parse(&bytes) {
            for base in [0, image.base_for(0x5555_0000_0000).unwrap_or(0)] {
                for segment in &image.segments {
                    let mapping = segment.mapping(base);
                    prop_assert!(mapping.anonymous.end <= USER_TOP);
                    prop_assert!(mapping.file.start <= mapping.file.end);
                    prop_assert!(mapping.zero.start <= mapping.zero.end);
                }
            }
        }
    }
}
