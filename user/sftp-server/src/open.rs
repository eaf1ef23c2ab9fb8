//! Requests about files and directories that are open.

use std::ffi::OsStr;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::attributes::Attributes;
use crate::handles::Handle;
use crate::server::{MAX_DATA, Outcome, Reply, Server};
use crate::status::Status;
use crate::wire::{Put, Reader};

const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;
const EXCLUSIVE: u32 = 32;

/// Names told in one answer; bytes after which it ends.
const MAX_NAMES: u32 = 200;
const MAX_NAME_BYTES: usize = 64 * 1024;

impl Server {
    pub(crate) fn open(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = reader.path()?;
        let flags = reader.u32()?;
        let attributes = Attributes::read(reader)?;
        let has = |flag| flags & flag != 0;
        if has(WRITE) || has(CREATE) || has(TRUNCATE) {
            self.may_change()?;
        }
        let mut options = OpenOptions::new();
        options
            .read(has(READ) || !has(WRITE))
            .write(has(WRITE))
            .append(has(WRITE) && has(APPEND))
            .mode(attributes.mode.unwrap_or(0o666) & 0o7777);
        let (create, truncate) = (has(CREATE) && has(WRITE), has(TRUNCATE) && has(WRITE));
        match create && has(EXCLUSIVE) {
            true => options.create_new(true),
            false => options.create(create),
        };
        // Together with appending, std refuses it.
        options.truncate(truncate && !has(APPEND));
        let file = options.open(path)?;
        if truncate && has(APPEND) {
            file.set_len(0)?;
        }
        let appends = has(APPEND);
        Ok(Reply::Handle(
            self.handles.add(Handle::File { file, appends })?,
        ))
    }

    pub(crate) fn close(&mut self, reader: &mut Reader<'_>) -> Outcome {
        self.handles.close(reader.string()?)?;
        Ok(Reply::Done)
    }

    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let (file, _) = self.handles.file(reader.string()?)?;
        let offset = reader.u64()?;
        let mut data = vec![0; (reader.u32()? as usize).min(MAX_DATA)];
        let mut filled = 0;
        // A short answer costs clients another round.
        while filled < data.len() {
            match file.read_at(&mut data[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        match filled {
            0 if !data.is_empty() => Err(Status::eof()),
            _ => {
                data.truncate(filled);
                Ok(Reply::Data(data))
            }
        }
    }

    pub(crate) fn write(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let name = reader.string()?;
        let offset = reader.u64()?;
        let data = reader.string()?;
        self.may_change()?;
        let (mut file, appends) = self.handles.file(name)?;
        match appends {
            true => io::Write::write_all(&mut file, data)?,
            false => file.write_all_at(data, offset)?,
        }
        Ok(Reply::Done)
    }

    pub(crate) fn stat_handle(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let metadata = match self.handles.get(reader.string()?)? {
            Handle::File { file, .. } => file.metadata()?,
            Handle::Folder { path, .. } => fs::metadata(path)?,
        };
        Ok(attributes(&metadata))
    }

    pub(crate) fn open_folder(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let path = reader.path()?;
        // Its errors are this request's.
        fs::read_dir(&path)?;
        let entries = None;
        Ok(Reply::Handle(
            self.handles.add(Handle::Folder { entries, path })?,
        ))
    }

    /// The next names of a directory, `.` and `..` before all others.
    pub(crate) fn read_folder(&mut self, reader: &mut Reader<'_>) -> Outcome {
        let name = reader.string()?;
        let Handle::Folder { entries, path } = self.handles.get(name)? else {
            return Err(Status::bad_handle());
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |time| time.as_secs() as i64);
        let mut found = Vec::new();
        let entries = match entries {
            Some(entries) => entries,
            None => {
                for own in [&b"."[..], b".."] {
                    if let Ok(metadata) = fs::metadata(path.join(OsStr::from_bytes(own))) {
                        found.push((own.to_vec(), metadata));
                    }
                }
                entries.insert(fs::read_dir(path)?)
            }
        };
        let mut bytes = 0;
        while found.len() < MAX_NAMES as usize && bytes < MAX_NAME_BYTES {
            match entries.next() {
                Some(Ok(entry)) => {
                    // One that has just gone is left out.
                    if let Ok(metadata) = entry.metadata() {
                        let name = entry.file_name().into_vec();
                        bytes += 2 * name.len() + 100;
                        found.push((name, metadata));
                    }
                }
                Some(Err(error)) if found.is_empty() => return Err(error.into()),
                Some(Err(_)) | None => break,
            }
        }
        if found.is_empty() {
            return Err(Status::eof());
        }
        let mut body = Vec::new();
        body.put_u32(found.len() as u32);
        for (name, metadata) in found {
            let attributes = Attributes::from(&metadata);
            body.put_string(&name);
            body.put_string(&self.names.line(&name, &attributes, metadata.nlink(), now));
            attributes.write(&mut body);
        }
        Ok(Reply::Names(body))
    }
}

/// The answer that tells of a file.
pub(crate) fn attributes(metadata: &Metadata) -> Reply {
    let mut body = Vec::new();
    Attributes::from(metadata).write(&mut body);
    Reply::Attributes(body)
}
