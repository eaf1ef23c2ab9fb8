//! What a program was started with, as it is in its memory now: `/proc/PID/cmdline` and
//! `/proc/PID/environ`.

use super::AddressSpace;
use crate::address::{PAGE_SIZE, USER_END, USER_MIN};
use crate::hardware::Hardware;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// As many bytes of either are told, which is as much as execve(2) takes.
const MOST: u64 = 2 << 20;

/// Where the strings are: the process may say so (`PR_SET_MM`), and then there need not
/// be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StringsAt {
    /// The first byte of the arguments.
    pub arguments: u64,
    /// The byte behind them.
    pub arguments_end: u64,
    /// The first byte of the environment.
    pub environment: u64,
    /// The byte behind it.
    pub environment_end: u64,
}

impl StringsAt {
    /// Whether all are addresses of user memory, and no end comes before its beginning.
    pub fn is_sound(&self) -> bool {
        let within = |at| (USER_MIN..USER_END).contains(&at);
        let sound = |from, to| within(from) && within(to) && from <= to;
        sound(self.arguments, self.arguments_end) && sound(self.environment, self.environment_end)
    }
}

impl<H: Hardware> AddressSpace<H> {
    /// Where the program's arguments and environment are.
    pub fn strings_at(&self) -> StringsAt {
        self.strings
    }

    /// Says where they are from now on.
    pub fn set_strings_at(&mut self, strings: StringsAt) {
        self.strings = strings;
    }

    /// Whether an area ends above `address`.
    pub fn has_area_above(&self, address: u64) -> bool {
        let last = self.areas.as_slice().last();
        last.is_some_and(|area| area.range.end() > address)
    }

    /// Appends the arguments, each ended by a zero byte (proc_pid_cmdline(5)). A program
    /// that has written over the last of these zeros has put a title there
    /// (setproctitle(3bsd)): then it is what is at the beginning up to a zero byte, in the
    /// environment as well if that comes next, and a page at the most. May sleep.
    ///
    /// # Errors
    /// `ENOMEM`. What cannot be read ends it.
    pub fn command_line(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let at = self.strings;
        if at.arguments >= at.arguments_end {
            return Ok(());
        }
        let mut last = [0];
        if self.read_bytes(at.arguments_end - 1, &mut last).is_err() || last == [0] {
            return self.append(at.arguments, at.arguments_end, out);
        }
        let goes_on = at.environment == at.arguments_end && at.environment_end >= at.environment;
        let end = match goes_on {
            true => at.environment_end,
            false => at.arguments_end,
        };
        let begun = out.len();
        self.append(
            at.arguments,
            end.min(at.arguments.saturating_add(PAGE_SIZE)),
            out,
        )?;
        if let Some(zero) = out[begun..].iter().position(|&byte| byte == 0) {
            out.truncate(begun + zero + 1);
        }
        Ok(())
    }

    /// Appends the environment (proc_pid_environ(5)). May sleep.
    ///
    /// # Errors
    /// As for [`AddressSpace::command_line`].
    pub fn environment(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.append(self.strings.environment, self.strings.environment_end, out)
    }

    /// Appends bytes, up to the first page that cannot be read.
    fn append(&mut self, from: u64, end: u64, out: &mut Vec<u8>) -> Result<()> {
        let end = end.min(from.saturating_add(MOST));
        let mut at = from;
        while at < end {
            let count = (PAGE_SIZE - at % PAGE_SIZE).min(end - at) as usize;
            let begun = out.len();
            out.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
            out.resize(begun + count, 0);
            if self.read_bytes(at, &mut out[begun..]).is_err() {
                out.truncate(begun);
                return Ok(());
            }
            at += count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MapRequest;
    use crate::fake::{self, Fake};
    use crate::tests::{RW, new_space};
    use paddock_abi::mman::{MapFlags, Prot};
    use proptest::prelude::*;

    const AT: u64 = 0x40_0000;

    /// Two pages with `arguments` and behind them `environment`, at the end of the first.
    fn started(arguments: &[u8], environment: &[u8]) -> AddressSpace<Fake> {
        fake::reset(64);
        let mut space = new_space();
        let request = MapRequest {
            address: AT,
            length: 2 * PAGE_SIZE,
            prot: RW,
            flags: MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
            source: None,
            may: Prot::all(),
        };
        space.map(&request).unwrap();
        let begin = AT + PAGE_SIZE - 4;
        let middle = begin + arguments.len() as u64;
        space.write_bytes(begin, arguments).unwrap();
        space.write_bytes(middle, environment).unwrap();
        space.set_strings_at(StringsAt {
            arguments: begin,
            arguments_end: middle,
            environment: middle,
            environment_end: middle + environment.len() as u64,
        });
        space
    }

    fn told(space: &mut AddressSpace<Fake>) -> (Vec<u8>, Vec<u8>) {
        let (mut line, mut environment) = (Vec::new(), Vec::new());
        space.command_line(&mut line).unwrap();
        space.environment(&mut environment).unwrap();
        (line, environment)
    }

    #[test]
    fn what_it_was_started_with_is_told() {
        let mut space = started(b"sleep\x0010\0", b"A=b\0C=\0");
        let expected = (b"sleep\x0010\0".to_vec(), b"A=b\0C=\0".to_vec());
        assert_eq!(told(&mut space), expected);
        assert_eq!(told(&mut space.fork().unwrap()), expected);
    }

    #[test]
    fn a_title_goes_on_into_the_environment() {
        let mut space = started(b"x\0y\0", b"A=b\0C=d\0");
        let at = space.strings_at();
        space.write_bytes(at.arguments, b"new: tit\0").unwrap();
        assert_eq!(told(&mut space).0, b"new: tit\0");
        // A short one leaves zeros where the arguments were, which are told as such.
        space.write_bytes(at.arguments, b"n\0\0\0").unwrap();
        assert_eq!(told(&mut space).0, b"n\0\0\0");
        // An environment that is elsewhere is not the title's.
        space.write_bytes(at.arguments, b"new: tit\0").unwrap();
        let environment = at.environment + 1;
        space.set_strings_at(StringsAt { environment, ..at });
        assert_eq!(told(&mut space).0, b"new:");
    }

    #[test]
    fn what_is_not_there_is_not_told() {
        let mut space = started(b"abc\0", b"A=b\0");
        let at = space.strings_at();
        let environment_end = AT + 40 * PAGE_SIZE;
        space.set_strings_at(StringsAt {
            environment_end,
            ..at
        });
        assert_eq!(told(&mut space).1.len() as u64, PAGE_SIZE);
        space.unmap(AT, 2 * PAGE_SIZE).unwrap();
        assert_eq!(told(&mut space), (Vec::new(), Vec::new()));
        assert!(!space.has_area_above(AT) && at.is_sound());
        assert!(!StringsAt { arguments: 8, ..at }.is_sound());
        assert!(
            !StringsAt {
                arguments_end: AT,
                ..at
            }
            .is_sound()
        );
    }

    proptest! {
        #[test]
        fn any_places_are_read_as_far_as_they_are(
            arguments: u64, arguments_end: u64, environment: u64, length in 0..u64::MAX,
        ) {
            let mut space = started(b"abc\0", b"A=b\0");
            space.set_strings_at(StringsAt {
                arguments, arguments_end, environment,
                environment_end: environment.saturating_add(length),
            });
            let (line, environment) = told(&mut space);
            prop_assert!(line.len() as u64 <= MOST && environment.len() as u64 <= MOST);
        }
    }
}
