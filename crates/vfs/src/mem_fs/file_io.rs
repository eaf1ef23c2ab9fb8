//! Reading and writing of a node that is a regular file.

use super::node::Node;
use crate::Result;
use paddock_user_io::{UserReader, UserWriter, in_steps};

impl Node {
    /// read(2) at `offset`.
    pub(super) fn read(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        in_steps(|done| {
            // Spares those who have got all another look.
            if done > 0 && to.is_full() {
                return Ok(0);
            }
            let at = offset.saturating_add(done as u64);
            let window = self.state().file()?.readable(at, to.left());
            window.copy_out(to)
        })
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
            let size = state.file()?.size();
            let start = offset.unwrap_or(size);
            let end = start.saturating_add(from.left() as u64);
            if !from.is_empty() {
                self.seals.check_write(size, end)?;
            }
            start
        };
        let count = in_steps(|done| match from.is_empty() {
            true => Ok(0),
            false => self.write_window(start.saturating_add(done as u64), from),
        })?;
        Ok((start, count))
    }

    /// Writes as many bytes as are done at once; how many. Fewer if the source ends in
    /// a bad page: then the next call fails.
    fn write_window(&self, offset: u64, from: &mut UserReader<'_>) -> Result<usize> {
        let window = self
            .state()
            .file()?
            .writable(offset, from.left(), &self.shared)?;
        let copied = window.copy_in(from);
        let count = *copied.as_ref().unwrap_or(&0);
        let now = self.shared.clock.now();
        let mut state = self.state();
        let data = state.file()?;
        if count > 0 {
            data.grow_to(offset + count as u64);
        }
        if count < window.len() {
            data.drop_beyond_end(&self.shared);
        }
        if count > 0 {
            state.modified(now);
        }
        copied
    }
}
