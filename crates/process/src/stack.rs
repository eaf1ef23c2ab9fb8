//! The stack that a new program starts with: strings, auxiliary vector,
//! environment and arguments (the System V ABI's process start-up).

use alloc::vec::Vec;
use paddock_abi::process::{AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM, Auxv};
use paddock_abi::{Errno, Result};

/// The longest single argument or variable, with its zero byte.
pub const MAX_STRING: usize = 131_072;
/// The most bytes of arguments and environment together.
pub const MAX_STRINGS: usize = 1 << 21;

/// A list of strings, each with its zero byte.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    /// An empty list.
    pub const fn new() -> Strings {
        Strings {
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// Appends a string without its zero byte. `E2BIG`; `EINVAL` if it has a
    /// zero byte inside; `ENOMEM`.
    pub fn push(&mut self, string: &[u8]) -> Result<()> {
        if string.len() >= MAX_STRING || self.bytes.len() + string.len() >= MAX_STRINGS {
            return Err(Errno::E2BIG);
        }
        if string.contains(&0) {
            return Err(Errno::EINVAL);
        }
        self.bytes
            .try_reserve(string.len() + 1)
            .map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them, each followed by a zero byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The strings without their zero bytes.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split_inclusive(|&byte| byte == 0)
            .map(|string| &string[..string.len() - 1])
    }
}

/// What a new program is told.
#[derive(Debug)]
pub struct Start<'a> {
    /// The arguments.
    pub arguments: &'a Strings,
    /// The environment.
    pub environment: &'a Strings,
    /// The path that was executed (`AT_EXECFN`).
    pub path: &'a [u8],
    /// Sixteen random bytes (`AT_RANDOM`).
    pub random: [u8; 16],
    /// The auxiliary vector without what is made here (`AT_RANDOM`,
    /// `AT_EXECFN`, `AT_PLATFORM`, `AT_NULL`).
    pub auxv: &'a [Auxv],
}

/// The finished stack.
#[derive(Debug)]
pub struct StackImage {
    /// The initial stack pointer, a multiple of 16: where `bytes` go.
    pub sp: u64,
    /// The bytes from `sp` up to the top.
    pub bytes: Vec<u8>,
    /// Where the arguments' strings begin and end, for `/proc/PID/cmdline`.
    pub arguments: core::ops::Range<u64>,
    /// Where the environment's strings begin and end.
    pub environment: core::ops::Range<u64>,
    /// Where in `bytes` the auxiliary vector is, `AT_NULL` included.
    pub auxv: core::ops::Range<usize>,
}

const PLATFORM: &[u8] = b"aarch64\0";

/// Addresses of the parts, from the top down: path, environment, arguments,
/// platform, random bytes, and below them the vectors.
struct Layout {
    path: u64,
    environment: u64,
    arguments: u64,
    platform: u64,
    random: u64,
    sp: u64,
}

fn lay_out(start: &Start<'_>, top: u64) -> Option<Layout> {
    let path = top.checked_sub(start.path.len() as u64 + 1 + 8)?;
    let environment = path.checked_sub(start.environment.bytes.len() as u64)?;
    let arguments = environment.checked_sub(start.arguments.bytes.len() as u64)?;
    let platform = arguments.checked_sub(PLATFORM.len() as u64)?;
    let random = platform.checked_sub(16)? & !15;
    let pointers = 1 + start.arguments.count + 1 + start.environment.count + 1;
    let words = pointers + 2 * (start.auxv.len() + 4);
    let sp = random.checked_sub(words as u64 * 8)? & !15;
    Some(Layout {
        path,
        environment,
        arguments,
        platform,
        random,
        sp,
    })
}

/// Builds the stack of a program whose stack area ends at `top` (a multiple
/// of 16) and is `limit` bytes long. `E2BIG` if a quarter of that is not
/// enough; `ENOMEM`.
pub fn build(start: &Start<'_>, top: u64, limit: u64) -> Result<StackImage> {
    let at = lay_out(start, top).ok_or(Errno::E2BIG)?;
    let len = top - at.sp;
    if len > limit / 4 {
        return Err(Errno::E2BIG);
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len as usize)
        .map_err(|_| Errno::ENOMEM)?;
    push_word(&mut bytes, start.arguments.count as u64);
    push_pointers(&mut bytes, start.arguments, at.arguments);
    push_pointers(&mut bytes, start.environment, at.environment);
    let own = [
        Auxv {
            key: AT_RANDOM,
            value: at.random,
        },
        Auxv {
            key: AT_EXECFN,
            value: at.path,
        },
        Auxv {
            key: AT_PLATFORM,
            value: at.platform,
        },
        Auxv {
            key: AT_NULL,
            value: 0,
        },
    ];
    let auxv = bytes.len();
    for entry in start.auxv.iter().chain(&own) {
        push_word(&mut bytes, entry.key);
        push_word(&mut bytes, entry.value);
    }
    let auxv = auxv..bytes.len();
    bytes.resize((at.random - at.sp) as usize, 0);
    bytes.extend_from_slice(&start.random);
    bytes.resize((at.platform - at.sp) as usize, 0);
    bytes.extend_from_slice(PLATFORM);
    bytes.extend_from_slice(&start.arguments.bytes);
    bytes.extend_from_slice(&start.environment.bytes);
    bytes.extend_from_slice(start.path);
    bytes.resize(len as usize, 0);
    Ok(StackImage {
        sp: at.sp,
        bytes,
        arguments: at.arguments..at.environment,
        environment: at.environment..at.path,
        auxv,
    })
}

fn push_word(bytes: &mut Vec<u8>, word: u64) {
    bytes.extend_from_slice(&word.to_le_bytes());
}

fn push_pointers(bytes: &mut Vec<u8>, strings: &Strings, mut at: u64) {
    for string in strings.iter() {
        push_word(bytes, at);
        at += string.len() as u64 + 1;
    }
    push_word(bytes, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(image: &StackImage, index: usize) -> u64 {
        u64::from_le_bytes(image.bytes[index * 8..][..8].try_into().unwrap())
    }

    fn string(image: &StackImage, address: u64) -> &[u8] {
        let rest = &image.bytes[(address - image.sp) as usize..];
        &rest[..rest.iter().position(|&byte| byte == 0).unwrap()]
    }

    #[test]
    fn a_program_finds_what_it_was_given() {
        let (mut arguments, mut environment) = (Strings::new(), Strings::new());
        arguments.push(b"ls").unwrap();
        arguments.push(b"").unwrap();
        arguments.push(b"-l").unwrap();
        environment.push(b"PATH=/bin").unwrap();
        let start = Start {
            arguments: &arguments,
            environment: &environment,
            path: b"/bin/ls",
            random: [9; 16],
            auxv: &[Auxv {
                key: 6,
                value: 4096,
            }],
        };
        let image = build(&start, 0x8000_0000, 1 << 20).unwrap();
        assert_eq!(image.sp % 16, 0);
        assert_eq!(image.sp + image.bytes.len() as u64, 0x8000_0000);
        assert_eq!(word(&image, 0), 3);
        assert_eq!(string(&image, word(&image, 1)), b"ls");
        assert_eq!(string(&image, word(&image, 2)), b"");
        assert_eq!(string(&image, word(&image, 3)), b"-l");
        assert_eq!(word(&image, 4), 0);
        assert_eq!(string(&image, word(&image, 5)), b"PATH=/bin");
        assert_eq!(word(&image, 6), 0);
        assert_eq!((word(&image, 7), word(&image, 8)), (6, 4096));
        assert_eq!(word(&image, 9), AT_RANDOM);
        assert_eq!(
            image.bytes[(word(&image, 10) - image.sp) as usize..][..16],
            [9; 16]
        );
        assert_eq!(string(&image, word(&image, 12)), b"/bin/ls");
        assert_eq!(string(&image, word(&image, 14)), b"aarch64");
        assert_eq!(word(&image, 15), AT_NULL);
        assert_eq!(string(&image, image.arguments.start), b"ls");
    }

    #[test]
    fn too_much_is_refused() {
        let mut strings = Strings::new();
        assert_eq!(strings.push(&vec![b'x'; MAX_STRING]), Err(Errno::E2BIG));
        let big = vec![b'x'; MAX_STRING - 1];
        let error = loop {
            if let Err(error) = strings.push(&big) {
                break error;
            }
        };
        assert_eq!(error, Errno::E2BIG);
        let none = Strings::new();
        let start = Start {
            arguments: &strings,
            environment: &none,
            path: b"x",
            random: [0; 16],
            auxv: &[],
        };
        assert_eq!(build(&start, 1 << 40, 1 << 20).err(), Some(Errno::E2BIG));
        assert_eq!(build(&start, 4096, 1 << 40).err(), Some(Errno::E2BIG));
    }
}
