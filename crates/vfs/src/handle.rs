//! [`FileHandle`]: what a file of a filesystem is known by without a name
//! (name_to_handle_at(2)).

/// Bytes of the longest handle of any filesystem here.
const MOST: usize = 12;

/// An inode's number and generation, in the form in which a filesystem gives them to
/// programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHandle {
    kind: i32,
    bytes: [u8; MOST],
    length: usize,
}

impl FileHandle {
    /// `FILEID_INO32_GEN`: Linux's number of a form with a number and a generation.
    pub const INO_AND_GENERATION: i32 = 1;

    /// Three words or fewer, as `kind` has them.
    pub fn new<const N: usize>(kind: i32, words: [u32; N]) -> FileHandle {
        const { assert!(N * 4 <= MOST) };
        let mut bytes = [0; MOST];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        FileHandle {
            kind,
            bytes,
            length: N * 4,
        }
    }

    /// The number of its form.
    pub fn kind(&self) -> i32 {
        self.kind
    }

    /// What a filesystem finds the file by.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The first words of a handle; `None` if it has fewer.
    pub fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
        let (given, _) = bytes.as_chunks::<4>();
        let words = given.get(..N)?.iter().map(|word| u32::from_le_bytes(*word));
        let mut all = [0; N];
        all.iter_mut()
            .zip(words)
            .for_each(|(place, word)| *place = word);
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        let handle = FileHandle::new(1, [7, 0x0102_0304]);
        assert_eq!(handle.bytes(), [7, 0, 0, 0, 4, 3, 2, 1]);
        let words = |bytes| FileHandle::words::<2>(bytes);
        assert_eq!(words(handle.bytes()), Some([7, 0x0102_0304]));
        assert_eq!(words(&handle.bytes()[..7]), None);
        assert_eq!(words(&[0; 128]), Some([0, 0]));
    }
}
