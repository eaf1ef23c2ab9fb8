//! Reading and writing of a node that is a regular file.

use super::node::Node;
use crate::Result;
use paddock_user_io::{UserReader, UserWriter};

impl Node {
    /// read(2) at `offset`.
    pub(super) fn read(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let mut done = 0;
        loop {
            let window = self
                .state()
                .file()?
                .readable(offset.saturating_add(done as u64), to.left());
            if window.len() == 0 {
                return Ok(done);
            }
            match window.copy_out(to) {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
            if to.is_full() {
                return Ok(done);
            }
        }
    }

    /// write(2) at `offset`, or at the end: where it began and how much it was. Short
    /// when the space ends in the middle.
    pub(super) fn write(
        &self,
        offset: Option<u64>,
        from: &mut UserReader<'_>,
    ) -> Result<(u64, usize)> {
        let _one_at_a_time = self.writing.lock();
        let start = {
            let mut state = self.state();
            let end = state.file()?.size();
            offset.unwrap_or(end)
        };
        let mut done = 0;
        while !from.is_empty() {
            match self.write_window(start.saturating_add(done as u64), from) {
                Ok((count, whole)) => {
                    done += count;
                    if !whole {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok((start, done))
    }

    /// Writes as many bytes as are done at once: how many, and whether it was all.
    fn write_window(&self, offset: u64, from: &mut UserReader<'_>) -> Result<(usize, bool)> {
        let window = self
            .state()
            .file()?
            .writable(offset, from.left(), &self.shared)?;
        let copied = window.copy_in(from);
        let now = self.shared.clock.now();
        let mut state = self.state();
        let data = state.file()?;
        let count = *copied.as_ref().unwrap_or(&0);
        if count > 0 {
            data.grow_to(offset + count as u64);
        }
        let whole = count == window.len();
        if !whole {
            data.drop_beyond_end(&self.shared);
        }
        if count > 0 {
            state.modified(now);
        }
        copied.map(|count| (count, whole))
    }
}
