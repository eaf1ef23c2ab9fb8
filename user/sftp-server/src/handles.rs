//! Open files and directories, by the names that the client knows them by.

use std::fs::{File, ReadDir};
use std::path::PathBuf;

use crate::status::{Code, Status};

/// Something that is open.
#[derive(Debug)]
pub enum Handle {
    /// A file.
    File {
        /// The file.
        file: File,
        /// Writes go to the end, wherever the client wants them.
        appends: bool,
    },
    /// A directory.
    Folder {
        /// What is left to be told; `None` before `.` and `..`.
        entries: Option<ReadDir>,
        /// Its path.
        path: PathBuf,
    },
}

/// The handles of a client. A name is a place and a number that no other
/// handle ever had, so that an old name never stands for a new file.
#[derive(Debug)]
pub struct Handles {
    places: Vec<Option<(u32, Handle)>>,
    most: usize,
    next: u32,
}

impl Handles {
    /// None, and never more than `most`.
    pub fn new(most: usize) -> Self {
        Self {
            places: Vec::new(),
            most,
            next: 0,
        }
    }

    /// The most there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Keeps one; its name.
    pub fn add(&mut self, handle: Handle) -> Result<[u8; 8], Status> {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        if place >= self.most {
            return Err(Status::new(Code::Failure, "Too many open files"));
        }
        if free.is_none() {
            self.places.push(None);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.places[place] = Some((number, handle));
        let name = u64::from(number) << 32 | place as u64;
        Ok(name.to_be_bytes())
    }

    fn place(&mut self, name: &[u8]) -> Option<&mut Option<(u32, Handle)>> {
        let name = u64::from_be_bytes(name.try_into().ok()?);
        let place = self.places.get_mut(name as u32 as usize)?;
        let is_its = |(number, _): &(u32, Handle)| u64::from(*number) == name >> 32;
        place.as_ref().is_some_and(is_its).then_some(place)
    }

    /// The one of that name.
    pub fn get(&mut self, name: &[u8]) -> Result<&mut Handle, Status> {
        match self.place(name) {
            Some(Some((_, handle))) => Ok(handle),
            _ => Err(Status::bad_handle()),
        }
    }

    /// The file of that name, and whether it appends.
    pub fn file(&mut self, name: &[u8]) -> Result<(&File, bool), Status> {
        match self.get(name)? {
            Handle::File { file, appends } => Ok((file, *appends)),
            Handle::Folder { .. } => Err(Status::bad_handle()),
        }
    }

    /// Closes the one of that name.
    pub fn close(&mut self, name: &[u8]) -> Result<(), Status> {
        match self.place(name) {
            Some(place) => {
                *place = None;
                Ok(())
            }
            None => Err(Status::bad_handle()),
        }
    }
}
