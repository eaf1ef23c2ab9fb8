//! Archives made by hand, cut at every place and damaged at every byte.

use super::*;

fn entry(name: &str, mode: u32, data: &[u8]) -> Vec<u8> {
    let size = name.len() + 1;
    let mut bytes = format!(
        "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{size:08x}{:08x}",
        7, 1000, 100, 2, 1234, data.len(), 8, 1, 4, 64, 0
    )
    .into_bytes();
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn archive() -> Vec<u8> {
    [
        entry(".", 0o040_755, b""),
        entry("bin/sh", 0o100_755, b"hello"),
        entry("bin/ash", 0o120_777, b"sh"),
        entry("TRAILER!!!", 0, b""),
    ]
    .concat()
}

#[test]
fn reads_every_field() {
    let bytes = archive();
    let entries: Vec<_> = Archive::new(&bytes).map(Result::unwrap).collect();
    let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(names, [&b"."[..], b"bin/sh", b"bin/ash"]);
    let expected = Entry {
        name: b"bin/sh",
        ino: 7,
        mode: 0o100_755,
        uid: 1000,
        gid: 100,
        links: 2,
        mtime: 1234,
        device: (8, 1),
        rdev: (4, 64),
        data: b"hello",
    };
    assert_eq!(entries[1], expected);
    assert_eq!(entries[2].data, b"sh");
}

#[test]
fn ignores_what_follows_the_trailer() {
    let mut bytes = archive();
    bytes.extend_from_slice(&[0xff; 300]);
    assert_eq!(Archive::new(&bytes).filter(Result::is_ok).count(), 3);
    assert!(Archive::new(&bytes).all(|entry| entry.is_ok()));
}

#[test]
fn every_cut_is_noticed() {
    let bytes = archive();
    // The trailer's own padding is of no use to anyone.
    let end = bytes.len() - bytes.len() % 4 - 3;
    for cut in 0..end - 1 {
        let last = Archive::new(&bytes[..cut]).last();
        assert_eq!(last, Some(Err(CpioError::Truncated)), "cut at {cut}");
    }
}

#[test]
fn damage_never_panics_and_ends_the_reading() {
    let bytes = archive();
    for at in 0..bytes.len() {
        for value in [0, b'0', b'f', b'g', 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let mut reader = Archive::new(&damaged);
            while let Some(entry) = reader.next() {
                if entry.is_err() {
                    assert_eq!(reader.next(), None);
                }
            }
        }
    }
}

#[test]
fn other_formats_are_refused() {
    fn first(bytes: &[u8]) -> Option<Result<Entry<'_>, CpioError>> {
        Archive::new(bytes).next()
    }
    assert_eq!(first(&[0; 200]), Some(Err(CpioError::BadMagic)));
    assert_eq!(first(&[0x1f; 200]), Some(Err(CpioError::BadMagic)));
    assert_eq!(first(b""), Some(Err(CpioError::Truncated)));
}

#[test]
fn names_have_exactly_one_zero() {
    let mut bytes = entry("ab", 0, b"");
    bytes[HEADER + 2] = b'c';
    assert_eq!(Archive::new(&bytes).next(), Some(Err(CpioError::BadName)));
    let mut bytes = entry("ab", 0, b"");
    bytes[HEADER] = 0;
    assert_eq!(Archive::new(&bytes).next(), Some(Err(CpioError::BadName)));
}
