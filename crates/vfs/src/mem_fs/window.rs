//! [`Window`]: some pages of a file, held while bytes go to or come from user memory,
//! without the file's lock.

use crate::{PAGE_SIZE, PageRef, Result};
use paddock_user_io::{UserReader, UserWriter};

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages that are held at once.
const PAGES: usize = 16;

/// A range of a file and its pages; a hole has none.
pub(super) struct Window {
    offset: u64,
    len: usize,
    pages: [Option<PageRef>; PAGES],
}

impl Window {
    /// As much of the range as goes into one, without pages so far.
    pub fn new(offset: u64, len: usize) -> Window {
        let most = PAGES * PAGE_SIZE - (offset % PAGE) as usize;
        Window {
            offset,
            len: len.min(most),
            pages: [const { None }; PAGES],
        }
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes it shorter.
    pub fn cut(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The index in the file and the place of each page.
    pub fn pages(&mut self) -> impl Iterator<Item = (u64, &mut Option<PageRef>)> {
        let count = ((self.offset % PAGE) as usize + self.len).div_ceil(PAGE_SIZE);
        let used = if self.len == 0 { 0 } else { count };
        (self.offset / PAGE..).zip(&mut self.pages[..used])
    }

    /// Its parts by page: the page, and the range within.
    fn pieces(&self) -> impl Iterator<Item = (Option<&PageRef>, core::ops::Range<usize>)> {
        let start = (self.offset % PAGE) as usize;
        let end = start + self.len;
        self.pages
            .iter()
            .enumerate()
            .map_while(move |(number, page)| {
                let base = number * PAGE_SIZE;
                let from = start.max(base);
                let to = end.min(base + PAGE_SIZE);
                (from < to).then(|| (page.as_ref(), from - base..to - base))
            })
    }

    /// Copies all of it out, as far as that goes; how many bytes. May sleep.
    ///
    /// # Errors
    /// `EFAULT` if none.
    pub fn copy_out(&self, to: &mut UserWriter<'_>) -> Result<usize> {
        self.each(|page, range| match page {
            Some(page) => to.copy_from_page(&page.bytes()[range]),
            None => to.zero(range.len()),
        })
    }

    /// Fills all of it, as far as that goes; how many bytes. May sleep.
    ///
    /// # Errors
    /// `EFAULT` if none.
    pub fn copy_in(&self, from: &mut UserReader<'_>) -> Result<usize> {
        self.each(|page, range| match page {
            Some(page) => from.copy_to_page(&page.bytes_to_change()[range]),
            None => Ok(0),
        })
    }

    fn each(
        &self,
        mut copy: impl FnMut(Option<&PageRef>, core::ops::Range<usize>) -> Result<usize>,
    ) -> Result<usize> {
        let mut done = 0;
        for (page, range) in self.pieces() {
            let wanted = range.len();
            match copy(page, range) {
                Ok(count) => {
                    done += count;
                    if count < wanted {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}
