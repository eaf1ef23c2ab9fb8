//! "copy-data": from one open file to another, without the client.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::server::{Outcome, Reply, Server};
use crate::status::{Code, Status};
use crate::wire::Reader;

/// Bytes copied at a time.
const PIECE: usize = 256 * 1024;

impl Server {
    /// Copies a number of bytes, or up to the end if that is 0. Within one
    /// file the two ranges must not overlap.
    pub(crate) fn copy_data(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let from_name = reader.string()?;
        let mut from_offset = reader.u64()?;
        let length = reader.u64()?;
        let to_name = reader.string()?;
        let mut to_offset = reader.u64()?;
        self.may_change()?;
        let (from, _) = self.handles.file(from_name)?;
        let from = from.try_clone()?;
        let (mut to, appends) = self.handles.file(to_name)?;
        let mut left = match length {
            0 => u64::MAX,
            length => length,
        };
        if from_name == to_name && overlap(from_offset, to_offset, left) {
            return Err(Status::new(Code::Failure, "The ranges overlap"));
        }
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let most = left.min(PIECE as u64) as usize;
            let count = match from.read_at(&mut piece[..most], from_offset) {
                Ok(0) if length == 0 => break,
                Ok(0) => return Err(Status::eof()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            match appends {
                true => to.write_all(&piece[..count])?,
                false => to.write_all_at(&piece[..count], to_offset)?,
            }
            from_offset += count as u64;
            to_offset += count as u64;
            left -= count as u64;
        }
        Ok(Reply::Done)
    }
}

fn overlap(one: u64, other: u64, length: u64) -> bool {
    one < other.saturating_add(length) && other < one.saturating_add(length)
}
