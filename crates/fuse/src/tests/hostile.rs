//! Whatever the program says is looked at.

use crate::answers::{self, Found};
use crate::notices::Notice;
use crate::opcode::Opcode;
use crate::request::Counted;
use crate::{dirents, terms};
use paddock_abi::Errno;
use paddock_vfs::FileKind;
use proptest::prelude::*;

proptest! {
    /// Any bytes are an answer, or `EIO`.
    #[test]
    fn answers_of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok((attr, _)) = answers::attr(&bytes) {
            prop_assert!(attr.size <= i64::MAX as u64);
            prop_assert!(attr.mtime.nanos < 1_000_000_000);
            prop_assert!(attr.block_size > 0);
        }
        if let Ok(Found::Node(entry)) = answers::found(&bytes) {
            prop_assert!(entry.node > answers::ROOT);
        }
        let _ = answers::opened(&bytes);
        let _ = answers::statfs(&bytes);
        if let Ok(count) = answers::written(&bytes, 10) {
            prop_assert!(count <= 10);
        }
        if let Ok(offset) = answers::offset(&bytes) {
            prop_assert!(i64::try_from(offset).is_ok());
        }
        if let Ok(terms) = terms::agreed(&bytes) {
            prop_assert!((4096..=terms::MOST_DATA).contains(&terms.max_write));
        }
        for opcode in [Opcode::Lookup, Opcode::Create, Opcode::Open, Opcode::Read] {
            let _ = Counted::by(opcode, 2, &bytes);
        }
    }

    /// Entries come to an end, and have names that can be.
    #[test]
    fn entries_of_any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        length in 0..300_u32,
    ) {
        let mut bytes = bytes;
        if let Some(place) = bytes.get_mut(16..20) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        let mut rest = &bytes[..];
        let mut before = rest.len() + 1;
        while let Ok(Some(entry)) = dirents::next(&mut rest) {
            prop_assert!(rest.len() < before);
            before = rest.len();
            prop_assert!((1..=255).contains(&entry.name.len()));
            prop_assert!(!entry.name.contains(&b'/') && !entry.name.contains(&0));
        }
    }

    /// What is not asked for is a notice, or an error.
    #[test]
    fn notices_of_any_bytes(
        code in -2..9_i32,
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        match Notice::parse(code, &bytes) {
            Ok(Notice::Name { name, .. }) => prop_assert!(name.len() <= 255),
            Ok(Notice::Inode { .. }) => prop_assert_eq!(bytes.len(), 24),
            Err(error) => prop_assert!(matches!(error, Errno::EINVAL | Errno::ENAMETOOLONG)),
        }
    }
}

fn entry(name: &[u8], kind: u32) -> Vec<u8> {
    let mut bytes = [7_u64.to_le_bytes(), 9_u64.to_le_bytes()].concat();
    bytes.extend((name.len() as u32).to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

#[test]
fn entries_are_read_one_by_one() {
    let all = [entry(b"one", 4), entry(b"eight-by", 0), entry(b"cut", 8)].concat();
    let mut rest = &all[..all.len() - 8];
    let first = dirents::next(&mut rest).unwrap().unwrap();
    assert_eq!(
        (first.name, first.kind),
        (&b"one"[..], Some(FileKind::Directory))
    );
    assert_eq!((first.ino, first.next), (7, 9));
    let second = dirents::next(&mut rest).unwrap().unwrap();
    assert_eq!((second.name, second.kind), (&b"eight-by"[..], None));
    assert_eq!(dirents::next(&mut rest), Ok(None));
    for bad in [&b"a/b"[..], b"a\0b", b"", &[b'x'; 256]] {
        assert_eq!(dirents::next(&mut &entry(bad, 0)[..]), Err(Errno::EIO));
    }
}

#[test]
fn other_protocols_are_refused() {
    let greeting = |major: u32, minor: u32, length: usize| {
        let mut bytes = [major.to_le_bytes(), minor.to_le_bytes()].concat();
        bytes.resize(length, 0);
        terms::agreed(&bytes)
    };
    assert!(greeting(7, 31, 64).is_ok());
    assert!(greeting(7, 12, 24).is_ok());
    assert!(greeting(7, 99, 64).is_ok());
    assert_eq!(greeting(6, 31, 64), Err(Errno::EIO));
    assert_eq!(greeting(8, 0, 64), Err(Errno::EIO));
    assert_eq!(greeting(7, 11, 24), Err(Errno::EIO));
    assert_eq!(greeting(7, 31, 24), Err(Errno::EIO));
}
